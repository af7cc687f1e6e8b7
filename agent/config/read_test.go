package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pksa/agent/config"
)

// complaints returns what is wrong with a configuration, without places.
func complaints(t *testing.T, src string, environ ...string) (texts []string) {
	t.Helper()
	_, err := parse(t, src, environ...)
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatalf("%q: %v is no list of problems", src, err)
	}
	for _, p := range problems {
		texts = append(texts, p.Text)
	}
	return texts
}

// TestValuesOfSettings tries the edges of every kind of setting: the last value that is taken, and
// the first that is not.
func TestValuesOfSettings(t *testing.T) {
	for _, tt := range []struct{ src, complaint string }{
		{"name: " + strings.Repeat("x", 200), ""},
		{"name: " + strings.Repeat("x", 201), "wants a text of 1 to 200 bytes"},
		{"name: ''", "wants a text of 1 to 200 bytes"},
		{"name: [a, b]", "wants a single value"},
		{"name: {a: b}", "wants a single value"},
		{"name: null", "has no value"},
		{"name: 'null'", ""},
		{"ledger: ''", "wants a path"},
		{"unlock: prompt", ""},
		{"unlock: env:SECRET", ""},
		{"unlock: 'file:'", "this is no unlock source"},
		{"unlock: hunter2", "this is no unlock source"},
		{"policy_watch: true", ""},
		{"policy_watch: yes", "wants true or false"},
		{"policy_watch: 1", "wants true or false"},
		{"limits: {requests_per_second: 1}", ""},
		{"limits: {requests_per_second: 100000}", ""},
		{"limits: {requests_per_second: 0}", "wants a whole number from 1 to 100000"},
		{"limits: {requests_per_second: 100001}", "wants a whole number from 1 to 100000"},
		{"limits: {requests_per_second: 010}", "wants a whole number from 1 to 100000"},
		{"limits: {requests_per_second: +5}", "wants a whole number from 1 to 100000"},
		{"limits: {requests_per_second: 0x10}", "wants a whole number from 1 to 100000"},
		{"nonce: {behind: 1s}", ""},
		{"nonce: {behind: 8784h}", ""},
		{"nonce: {behind: 999ms}", "wants a time from 1s"},
		{"nonce: {behind: 8785h}", "wants a time from 1s"},
		{"nonce: {behind: 10}", "wants a time from 1s"},
		{"stop_timeout: 0s", ""},
		{"stop_timeout: -1s", "wants a time from 0s"},
		{"network: mirrornet", ""},
		{"network: Mainnet", "wants mainnet or mirrornet or testnet"},
		{"console: {socket: /run/c.sock, user: pksa-console}", ""},
		{"console: {socket: /run/c.sock, user: 4242}", ""},
		{"console: {socket: /run/c.sock}", ""},
		{"console: {socket: /run/c.sock, user: 'a b'}", "wants a user of this machine"},
		{"console: {socket: /run/c.sock, user: -1}", "wants a user of this machine"},
		{"console: {socket: ''}", "wants a path"},
		{"console: {socket: a.sock}\ncontrol: a.sock", "console.socket is the same as control"},
		{"log: {level: error}", ""},
		{"log: {level: ERROR}", "wants debug, info, warn or error"},
		{"status: {listen: '[::1]:9481'}", ""},
		{"status: {listen: '9481'}", "wants HOST:PORT"},
		{"audit: {keep: 36600d}", ""},
		{"audit: {keep: 36601d}", "wants days such as 400d"},
		{"audit: {keep: 0d}", "wants days such as 400d"},
		{"audit: {keep: +1d}", "wants days such as 400d"},
		{"audit: {checkpoint_account: al}", "is no name of an account"},
		{"relay: {origins: [wallet.example, '*']}", ""},
		{"relay: {origins: https://wallet.example}", "wants hosts such as wallet.example"},
		{"relay: {origins: ['']}", "wants hosts such as wallet.example"},
	} {
		switch got := complaints(t, tt.src); {
		case tt.complaint == "" && len(got) > 0:
			t.Errorf("%s: refused: %q", tt.src, got)
		case tt.complaint != "" && (len(got) != 1 || !strings.Contains(got[0], tt.complaint)):
			t.Errorf("%s: %q, want %q", tt.src, got, tt.complaint)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct{ src, complaint string }{
		{"relays: wss://a.example/", ""},
		{"relays: ws://127.0.0.1:9480", ""},
		{"relays: [{url: 'ws://a.example', plaintext: true}]", ""},
		{"relays: [{url: 'ws://a.example', plaintext: false}]", "is not encrypted"},
		{"relays: ws://a.example", "is not encrypted"},
		{"relays: [{url: 'wss://a.example', plaintext: maybe}]", "is no entry of a relay"},
		{"relays: [{url: 'wss://a.example', tls: true}]", "is no entry of a relay"},
		{"relays: [{url: [a]}]", "wants a single value"},
		{"relays: [{plaintext: true}]", "is no address"},
		{"relays: https://a.example", "a relay is reached by wss://"},
		{"relays: a.example", "is no address"},
		{"relays: wss://bob:secret@a.example", "carries no user name or password"},
		{"relays: 'wss://a.example/#x'", "carries no fragment"},
		{"relays: [wss://a.example, wss://a.example/]", "is listed twice"},
		{"relays: [[wss://a.example]]", "wants a single value"},
		{"nodes: [https://a.example, http://localhost:8091]", ""},
		{"nodes: http://a.example", "a Hive API node is reached by https://"},
		{"nodes: wss://a.example", "a Hive API node is reached by https://"},
		{"nodes: [https://a.example, ]", ""},
		{"nodes: []", "is an empty list"},
		{"nodes: [https://a.example, list:https://b.example/api/nodes]", ""},
		{"nodes: list:https://b.example/api/nodes", ""},
		{"nodes: list:http://localhost/nodes", "a node list is reached by https://"},
		{"nodes: https://b.example/?key=abc", "the address of a Hive API node carries no query (what follows ?)"},
		{"nodes: list:https://b.example/?all", "a node list is reached by https://, without a query"},
		{"nodes: [list:https://b.example/, list:https://c.example/]", "is a second node list"},
		{"nodes: list:https://a:b@c.example/", "an address carries no user name or password"},
	} {
		switch got := complaints(t, tt.src); {
		case tt.complaint == "" && len(got) > 0:
			t.Errorf("%s: refused: %q", tt.src, got)
		case tt.complaint != "" && (len(got) != 1 || !strings.Contains(got[0], tt.complaint)):
			t.Errorf("%s: %q, want %q", tt.src, got, tt.complaint)
		case len(got) > 0 && strings.Contains(got[0], "secret"):
			t.Errorf("%s: the complaint shows the password: %q", tt.src, got)
		}
	}
}

// TestTakenAsBefore: what changes no value was always taken, and stays so.
func TestTakenAsBefore(t *testing.T) {
	for name, src := range map[string]string{
		"an empty section":             "name: kept\nrelay: {}\n",
		"a directive":                  "%YAML 1.1\n---\nname: kept\n",
		"a document that is ended":     "name: kept\n...\n",
		"lines of another system":      "name: kept\r\nlog:\r\n  level: debug\r\n",
		"a mark of the order of bytes": "\ufeffname: kept\n",
		"sixteen bits":                 "\xff\xfen\x00a\x00m\x00e\x00:\x00 \x00k\x00e\x00p\x00t\x00",
		"a section in the key":         "name: kept\nlog.level: debug\n",
		"a text in a block":            "name: >-\n  kept\n",
		"a text with escapes":          `name: "k\u0065pt"`,
	} {
		if c, err := parse(t, src); err != nil || c.Name != "kept" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneFaultIsToldOnce: a value that YAML alone shows to be wrong is not read as a setting, too.
func TestOneFaultIsToldOnce(t *testing.T) {
	for _, src := range []string{"relays: [!x not-an-address]", "relays: !x [not-an-address]", "nonce: {behind: !x 1s}",
		"nonce: &n {behind: ten}", "relays: [{url: not-an-address, url: neither}]", "log: &l {level: &l debug}"} {
		if got := complaints(t, src); len(got) != 1 {
			t.Errorf("%s: %q", src, got)
		}
	}
}

func TestVariablesAsYAML(t *testing.T) {
	for _, tt := range []struct{ variable, complaint string }{
		{"PKSA_RELAYS=[wss://a.example, {url: wss://b.example}]", ""},
		{"PKSA_RELAYS={url: wss://b.example}", ""},
		{"PKSA_NAME=!!binary aGk=", ""}, // no brackets: a text
		{"PKSA_NAME=a: b", ""},
		{"PKSA_RELAYS=[!x wss://a.example]", "!x is a tag"},
		{"PKSA_RELAYS=[&a wss://a.example]", "&a is an anchor"},
		{"PKSA_RELAYS=[&a {url: wss://a.example}]", ""},
		{"PKSA_RELAYS=[&a {url: wss://a.example}, *a]", "*a is an alias; write the value out"},
		{"PKSA_RELAYS=[*a]", "*a is an alias of nothing"},
		{"PKSA_RELAYS={url: wss://a.example, url: wss://b.example}", ""},
		{"PKSA_RELAYS=[wss://a.example], [wss://b.example]", ""},
		{"PKSA_RELAYS=[wss://a.example", "not YAML"},
		{"PKSA_RELAYS=[]", "is an empty list"},
		{"PKSA_LOG_LEVEL=[debug]", "wants a single value"},
	} {
		switch got := complaints(t, "", tt.variable); {
		case tt.complaint == "" && len(got) > 0:
			t.Errorf("%s: refused: %q", tt.variable, got)
		case tt.complaint != "" && (len(got) != 1 || !strings.Contains(got[0], tt.complaint)):
			t.Errorf("%s: %q, want %q", tt.variable, got, tt.complaint)
		}
	}
}

func TestPathsAreTakenFromTheHome(t *testing.T) {
	c, err := parse(t, "ledger: data/ledger.db\npolicy: /etc/pksa/policy.yaml\nunlock: identity:keys/id.txt\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.Ledger != "/home/bot/data/ledger.db" || c.Policy != "/etc/pksa/policy.yaml" ||
		c.Unlock != "identity:/home/bot/keys/id.txt" {
		t.Errorf("%s, %s, %s", c.Ledger, c.Policy, c.Unlock)
	}
}

func TestLoad(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "config.yaml")
	if c, err := config.Load(home, file, nil); err != nil || c.Name != "pksa" {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(file, []byte("name: mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(home, file, []string{"PKSA_LOG_FORMAT=json"}); err != nil || c.Name != "mine" ||
		c.LogFormat != "json" {
		t.Errorf("with a file: %v", err)
	}
	// A folder in the place of the file is no empty file.
	var problems config.Problems
	if _, err := config.Load(home, home, nil); err == nil || errors.As(err, &problems) {
		t.Errorf("a folder: %v", err)
	}
}
