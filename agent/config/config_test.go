package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pksa/agent/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func parse(t *testing.T, src string, environ ...string) (*config.Config, error) {
	t.Helper()
	return config.Parse("/home/bot", "config.yaml", []byte(src), environ)
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, src := range []string{"", "\n", "# only a comment\n", "---\n"} {
		c, err := parse(t, src)
		if err != nil {
			t.Fatalf("%q: %v", src, err)
		}
		if c.Policy != "/home/bot/policy.yaml" || len(c.Nodes) != 8 || c.NonceBehind != 10*time.Minute {
			t.Errorf("%q: not the defaults: %+v", src, c)
		}
	}
}

func TestFileAndEnvironment(t *testing.T) {
	src := `
name: bot wallet
unlock: file:secret
relays:
  - wss://one.example/
  - {url: "ws://relay:9480", plaintext: true}
nodes: https://node.example
nonce: {required: true, behind: 1m}
status:
  listen: 127.0.0.1:1
log: {level: debug}
`
	c, err := parse(t, src, "PKSA_STATUS_LISTEN=127.0.0.1:2", "PKSA_NODES=https://a.example, https://b.example",
		"PKSA_RELAY_LISTEN=127.0.0.1:3", "PKSA_HOME=/elsewhere", "PATH=/bin",
		"PKSA_ACTIVE_HELP=0", "PKSA_COMPLETION_DESCRIPTIONS=0")
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "bot wallet" || c.Unlock != "file:/home/bot/secret" || !c.NonceRequired ||
		c.NonceBehind != time.Minute {
		t.Errorf("file not read: %+v", c)
	}
	if len(c.Relays) != 2 || c.Relays[0].URL != "wss://one.example" || !c.Relays[1].Plaintext {
		t.Errorf("relays: %+v", c.Relays)
	}
	if c.StatusListen != "127.0.0.1:2" || len(c.Nodes) != 2 || c.Nodes[1] != "https://b.example" ||
		c.RelayListen != "127.0.0.1:3" {
		t.Errorf("environment not over the file: %+v", c)
	}
}

func TestRelaysFromEnvironmentAsYAML(t *testing.T) {
	c, err := parse(t, "", `PKSA_RELAYS=[{url: "ws://relay:9480", plaintext: true}]`)
	if err != nil || len(c.Relays) != 1 || !c.Relays[0].Plaintext {
		t.Fatalf("%+v, %v", c, err)
	}
}

// The variable that holds the unlock secret may begin with PKSA_; no other unknown one may.
func TestUnknownVariable(t *testing.T) {
	if _, err := parse(t, "", "PKSA_UNLOCK=env:PKSA_PASSPHRASE", "PKSA_PASSPHRASE=x"); err != nil {
		t.Errorf("the unlock variable was refused: %v", err)
	}
	_, err := parse(t, "", "PKSA_STATUS_LISTNE=127.0.0.1:1")
	if err == nil || !strings.Contains(err.Error(), "PKSA_STATUS_LISTNE") {
		t.Errorf("a misspelt variable passed: %v", err)
	}
}

// Each file in testdata/bad is named by its fault; beside it stands what a person is told.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d bad files (%v)", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse("/home/bot", filepath.Base(file), src, nil)
		var problems config.Problems
		if !errors.As(err, &problems) || c != nil {
			t.Errorf("%s: no problems found (%v)", file, err)
			continue
		}
		golden := strings.TrimSuffix(file, ".yaml") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got := problems.Error() + "\n"; got != string(want) {
			t.Errorf("%s:\n%swant:\n%s", file, got, want)
		}
	}
}

// What init writes must load, and mean the defaults where it says nothing.
func TestTemplateLoads(t *testing.T) {
	plain, err := parse(t, config.Template(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := config.Default("/home/bot"); plain.Name != want.Name || len(plain.Nodes) != len(want.Nodes) {
		t.Error("a template with nothing set is not the default")
	}
	set := map[string]string{"name": "mine", "relay.listen": "127.0.0.1:7"}
	c, err := parse(t, config.Template(set))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "mine" || c.RelayListen != "127.0.0.1:7" {
		t.Errorf("template lost its values: %+v", c)
	}
	for _, s := range config.Settings() {
		if !strings.Contains(config.Template(nil), s.Variable()) {
			t.Errorf("%s is not in the template", s.Path)
		}
	}
}

// A terminal has 80 columns, and who has only the program has none of the pages.
func TestTemplateIsForTerminals(t *testing.T) {
	for i, line := range strings.Split(config.Template(nil), "\n") {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("line %d is too wide: %s", i+1, line)
		}
		if strings.Contains(line, ".md") || strings.Contains(line, "README") {
			t.Errorf("line %d names a page: %s", i+1, line)
		}
	}
}

// Whoever takes the marks of a comment away has the setting, on however many lines it stands.
func TestTemplateWithoutMarks(t *testing.T) {
	_, text, _ := strings.Cut(config.Template(nil), "\n# nodes:")
	list, _, _ := strings.Cut("# nodes:"+text, "\n\n")
	if strings.Count(list, "\n") < 1 {
		t.Fatalf("the example is one line: %s", list)
	}
	c, err := parse(t, strings.ReplaceAll("\n"+list, "\n# ", "\n"))
	if err != nil || !slices.Equal(c.Nodes, config.Default("/home/bot").Nodes) {
		t.Errorf("%s: %v", list, err)
	}
}

// Every example shown to people must be accepted where they put it.
func TestExamplesAreValid(t *testing.T) {
	for _, s := range config.Settings() {
		if s.Example == "" {
			continue
		}
		if _, err := parse(t, "", s.Variable()+"="+s.Example); err != nil {
			t.Errorf("%s: %v", s.Path, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name: x\nrelays: [wss://a.example]\n"), "127.0.0.1:1")
	f.Add([]byte(config.Template(nil)), "")
	f.Fuzz(func(t *testing.T, src []byte, variable string) {
		c, err := config.Parse("/h", "c", src, []string{"PKSA_STATUS_LISTEN=" + variable})
		if (c == nil) == (err == nil) {
			t.Fatal("neither or both of configuration and error")
		}
	})
}

func TestAuditMax(t *testing.T) {
	for src, want := range map[string]int64{
		"": 64 << 30, "audit: {max: all}": 0, "audit: {max: 64MiB}": 64 << 20, "audit: {max: 65MiB}": 65 << 20,
		"audit: {max: 2GiB}": 2 << 30, "audit: {max: 1048576TiB}": 1 << 60, "audit: {max: 1GiB, keep: 5d}": 1 << 30,
		"audit: {keep: all}": 0, "audit: {keep: all, max: 1GiB}": 1 << 30, "audit: {keep: 5d}": 64 << 30,
	} {
		if c, err := parse(t, src); err != nil || c.AuditMax != want {
			t.Errorf("%q: %v, %v", src, c, err)
		}
	}
	for _, text := range []string{"63MiB", "0MiB", "0", "1", "-1GiB", "+1GiB", "01GiB", "1.5GiB", "1GB", "1 GiB", "GiB",
		"1048577TiB", "9223372036854775807TiB", "1gib", "none", "1GiBMiB"} {
		if c, err := parse(t, "audit: {max: "+text+"}"); err == nil {
			t.Errorf("%q is taken as %d", text, c.AuditMax)
		}
	}
}

func TestAuditKeep(t *testing.T) {
	for src, want := range map[string]time.Duration{
		"": 400 * 24 * time.Hour, "audit: {keep: all}": 0, "audit: {keep: 1d}": 24 * time.Hour,
		"audit: {keep: 7300d}": 7300 * 24 * time.Hour,
	} {
		if c, err := parse(t, src); err != nil || c.AuditKeep != want {
			t.Errorf("%q: %v, %v", src, c, err)
		}
	}
}
