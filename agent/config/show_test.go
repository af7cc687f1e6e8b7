package config_test

import (
	"reflect"
	"strings"
	"testing"

	"pksa/agent/config"
)

// forms are other values than those of the examples, one of each form that a setting has.
var forms = map[string][]string{
	"relays": {"wss://a.example", "[wss://a.example, {url: ws://b.example, plaintext: true}, {url: wss://c.example, " +
		"key: STM4uESxDinNJd6QfC887cpr6YC2BQgeN3pJYLAAkjxvG6hK2yt8q}]"},
	"nodes":                    {"https://a.example", "[https://a.example, list:https://b.example/api/nodes]"},
	"chain_id":                 {strings.Repeat("5a", 32)},
	"key_prefix":               {"TST"},
	"audit.keep":               {"all", "30d"},
	"audit.max":                {"all", "500MiB", "2TiB"},
	"nonce.behind":             {"90s", "1h30m", "30d"},
	"relay.certificate":        {"a.pem"},
	"relay.key":                {"k.pem"},
	"relay.unproven":           {"none", "any", "[others, alice]", "bob"},
	"hardening":                {"off", "required", "[tracing, landlock]"},
	"log.level":                {"error"},
	"unlock":                   {"prompt", "env:SECRET"},
	"audit.checkpoint_account": {"bob"},
}

// What is shown of a setting is what the file may hold: read again, it means the same.
func TestShowReadsBack(t *testing.T) {
	for _, s := range config.Settings() {
		for _, value := range append(forms[s.Path], s.Example) {
			if value == "" || s.Path == "notify" { // of which not all is shown: see TestNotifiers
				continue
			}
			src := inFile(s.Path, value)
			if s.Path == "relay.certificate" || s.Path == "relay.key" {
				src = "relay: {certificate: " + value + ", key: " + value + "}\n"
			}
			first, err := parse(t, src)
			if err != nil {
				t.Fatalf("%s: %v", src, err)
			}
			shown := shownOf(t, first, s.Path)
			if want := "config.yaml:"; !strings.HasPrefix(shown.From, want) {
				t.Errorf("%s comes from %q", src, shown.From)
			}
			again, err := parse(t, strings.Replace(src, value, shown.Value, 1))
			if err != nil {
				t.Errorf("%s is shown as %s: %v", src, shown.Value, err)
				continue
			}
			if got := shownOf(t, again, s.Path); got.Value != shown.Value || !sameValues(first, again) {
				t.Errorf("%s is shown as %s, which reads as %s", src, shown.Value, got.Value)
			}
		}
	}
}

func inFile(path, value string) string {
	if section, name, inner := strings.Cut(path, "."); inner {
		return section + ": {" + name + ": " + value + "}\n"
	}
	return path + ": " + value + "\n"
}

func shownOf(t *testing.T, c *config.Config, path string) config.Shown {
	t.Helper()
	for _, s := range c.Show() {
		if s.Path == path {
			return s
		}
	}
	t.Fatalf("%s is not shown", path)
	return config.Shown{}
}

// sameValues compares the exported fields.
func sameValues(a, b *config.Config) bool {
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for i := range x.NumField() {
		if x.Type().Field(i).IsExported() && !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// Each value says where it comes from; of a command only the program is shown.
func TestShowSaysWhereFrom(t *testing.T) {
	c, err := parse(t, "name: one\nlog:\n  level: warn\nunlock: command:/bin/get a word\n", "PKSA_NAME=two",
		"PKSA_ASK=")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]config.Shown{
		"name":      {Value: "two", From: "PKSA_NAME"},
		"log.level": {Value: "warn", From: "config.yaml:3:10"},
		"unlock":    {Value: "command:/bin/get", From: "config.yaml:4:9"},
		"ask":       {Value: "none", From: config.FromDefault, Empty: true},
		"chain_id":  {From: config.FromDefault},
	} {
		got := shownOf(t, c, path)
		want.Path, want.Variable = path, got.Variable
		if got != want {
			t.Errorf("shown is %+v, want %+v", got, want)
		}
	}
}
