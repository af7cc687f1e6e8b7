package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/protocol/hive"
)

// TestListsWithCommas: a list is written with commas in the file as in a variable. A comma in the
// path of an address is a letter.
func TestListsWithCommas(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{"relays: wss://a.example,wss://b.example", []string{"wss://a.example", "wss://b.example"}},
		{"relays: 'wss://a.example, wss://b.example,'", []string{"wss://a.example", "wss://b.example"}},
		{"relays:\n  - wss://a.example/x,y\n  - wss://b.example, wss://c.example",
			[]string{"wss://a.example/x,y", "wss://b.example", "wss://c.example"}},
		{"nodes: https://a.example/x,y,https://b.example", []string{"https://a.example/x,y", "https://b.example"}},
		{"relay: {origins: 'a.example, *.b.example'}", []string{"a.example", "*.b.example"}},
		{"relay: {origins: 'a.example,'}", []string{"a.example"}},
		{"relay: {origins: [localhost, '::1', '[::1]']}", []string{"localhost", "::1", "[::1]"}},
		{"hardening: core-dumps, tracing", []string{"core-dumps", "tracing"}},
	} {
		c, err := parse(t, tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		var got []string
		switch {
		case strings.HasPrefix(tt.src, "relays"):
			for _, r := range c.Relays {
				got = append(got, r.URL)
			}
		case strings.HasPrefix(tt.src, "nodes"):
			got = c.Nodes
		case strings.HasPrefix(tt.src, "hardening"):
			got = c.Hardening.Required
		default:
			got = c.RelayOrigins
		}
		if !slices.Equal(got, tt.want) || len(c.Warnings) > 0 {
			t.Errorf("%s: %q, %v", tt.src, got, c.Warnings)
		}
	}
	c, err := parse(t, "relays:\n  - url: wss://a.example,wss://b.example\n")
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Text, "the name of a host has no comma") {
		t.Errorf("two addresses in one entry: %v, %v", err, c.Warnings)
	}
}

// TestNodeList: a list stands beside the nodes that are named, or beside the usual ones.
func TestNodeList(t *testing.T) {
	usual := config.Default("/home/op").Nodes
	const list = "https://b.example/api/nodes"
	for _, tt := range []struct {
		src   string
		nodes []string
		list  string
	}{
		{"name: x", usual, ""},
		{"nodes: list:" + list, usual, list},
		{"nodes: [list:" + list + ", https://a.example]", []string{"https://a.example"}, list},
		{"nodes: https://a.example, list:" + list, []string{"https://a.example"}, list},
	} {
		c, err := parse(t, tt.src)
		if err != nil || !slices.Equal(c.Nodes, tt.nodes) || c.NodeList != tt.list {
			t.Errorf("%s: %q and %q, %v", tt.src, c.Nodes, c.NodeList, err)
		}
	}
	if !slices.Contains(usual, "https://api.syncad.com") || len(usual) != 8 {
		t.Errorf("the usual nodes are %q", usual)
	}
}

func TestDays(t *testing.T) {
	for src, want := range map[string]time.Duration{"1d": 24 * time.Hour, "366d": 366 * 24 * time.Hour,
		"24h": 24 * time.Hour} {
		if c, err := parse(t, "nonce: {behind: "+src+"}"); err != nil || c.NonceBehind != want {
			t.Errorf("%s: %v", src, err)
		}
	}
	for _, src := range []string{"0d", "01d", "+1d", "-1d", "1.5d", "367d", "d", "1d12h", "99999999999999999999d"} {
		_, err := parse(t, "nonce: {behind: "+src+"}")
		if err == nil || !strings.Contains(err.Error(), "wants a time from 1s to 366d such as 90s, 10m, 24h or 30d") {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// TestEmptyVariables: a variable that is empty counts as not set, whatever setting it has.
func TestEmptyVariables(t *testing.T) {
	environ := []string{"PKSA_OF_NO_SETTING="}
	for _, s := range config.Settings() {
		environ = append(environ, s.Variable()+"=")
	}
	c, err := parse(t, "name: kept\nstatus: {listen: 127.0.0.1:1}\n", environ...)
	if err != nil || c.Name != "kept" || c.StatusListen != "127.0.0.1:1" {
		t.Errorf("%v", err)
	}
	if c, err := parse(t, "", "PKSA_NAME=first", "PKSA_NAME="); err != nil || c.Name != "pksa" {
		t.Errorf("the last of two does not count: %v", err)
	}
}

// TestInnerLineOfAComment: in the file that init writes, a person removes the # of a setting, and
// not the # of its section. Whatever stands above, the complaint names the line to change.
func TestInnerLineOfAComment(t *testing.T) {
	template := config.Template(map[string]string{"unlock": "identity:identity.txt"})
	for _, s := range config.Settings() {
		section, name, inner := strings.Cut(s.Path, ".")
		if !inner {
			continue
		}
		// Of several sections with such a setting, that one.
		before, after, _ := strings.Cut(template, "\n# "+section+":\n")
		line := "  # " + name + ":"
		src := before + "\n# " + section + ":\n" + strings.Replace(after, line, "  "+name+":", 1)
		at := strings.Count(before, "\n") + 2
		want := fmt.Sprintf("belongs to %[1]s, which is a comment: remove the # before `%[1]s:` on line %[2]d",
			section, at)
		for what, first := range map[string]string{"": "",
			"after a section": "policy_watch: false\nlog:\n  format: text\n"} {
			shift := strings.Count(first, "\n")
			_, err := parse(t, first+src)
			wanted := strings.Replace(want, fmt.Sprintf("line %d", at), fmt.Sprintf("line %d", at+shift), 1)
			if err == nil || !strings.Contains(err.Error(), wanted) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s %s: %v\nwant %s", s.Path, what, err, wanted)
			}
		}
	}
	for src, want := range map[string]string{
		"listen: 127.0.0.1:1": "; write it below `status:` or `relay:`, indented",
		// Below another section, and with nothing else in the file.
		"# relay:\n  listen: 127.0.0.1:1": "it belongs to relay, which is a comment: remove the # before `relay:` " +
			"on line 1",
		"log:\n  level: info\n# relay:\n  listen: 127.0.0.1:1": "it belongs to relay, which is a comment: remove " +
			"the # " +
			"before `relay:` on line 3",
		"log:\n  listne: x": `there is no setting "log.listne"`,
	} {
		if _, err := parse(t, src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", src, err)
		}
	}
}

// TestTabs: a line that is indented by a tab is named, with what to do.
func TestTabs(t *testing.T) {
	for src, place := range map[string]string{
		"log:\n\tlevel: debug\n":             "2:1",
		"name: x\nlog:\n  \tlevel: debug\n":  "3:3",
		"log:\n  format: text\n\tlevel: x\n": "3:1",
		"\tname: x\n":                        "1:1",
		"nodes:\n\t- https://a.example\n":    "2:1",
	} {
		want := "config.yaml:" + place + ": not YAML: this line is indented by a tab; write spaces instead"
		if _, err := parse(t, src); err == nil || err.Error() != want {
			t.Errorf("%q: %v", src, err)
		}
	}
	if _, err := parse(t, "name: @x\n"); err == nil || !strings.Contains(err.Error(), "needs quotes") {
		t.Errorf("%v", err)
	}
}

func TestRelayKey(t *testing.T) {
	c, err := parse(t, "relays: [{url: wss://a.example, key: "+
		"STM4uESxDinNJd6QfC887cpr6YC2BQgeN3pJYLAAkjxvG6hK2yt8q}, wss://b.example, wss://c.example]")
	if err != nil || len(c.Relays) != 3 || c.Relays[0].Key != hive.PrivateKeyFromSeed("relay").Public() ||
		!c.Relays[1].Key.IsNull() {
		t.Errorf("%+v, %v", c, err)
	}
}
