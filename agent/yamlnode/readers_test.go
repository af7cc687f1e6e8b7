package yamlnode_test

import (
	"strings"
	"testing"

	"pksa/agent/config"
	"pksa/agent/policy"
)

// TestReadersAgree writes the same YAML into a configuration and into a policy, and wants both to
// be taken, or the same complaint at the same place. TestReadersDiffer has what a configuration
// takes besides.
func TestReadersAgree(t *testing.T) {
	const lists = ", or use lists" // which a configuration does not have
	deep := strings.Repeat("[", 41) + "x" + strings.Repeat("]", 41)
	for _, tt := range []struct{ name, yaml, both string }{
		{"plain text", "text", ""},
		{"quoted text", "'text'", ""},
		{"a tag of YAML", "!!str text", "1:7: !!str is a tag; there are none here, leave it out"},
		{"bytes in base64", "!!binary aGk=", "1:7: !!binary is a tag; there are none here, leave it out"},
		{"a tag of nobody", "!foo hi", "1:7: !foo is a tag; there are none here, leave it out"},
		{"a tag without name", "! hi", "1:7: !!str is a tag; there are none here, leave it out"},
		{"an anchor", "&a text", "1:7: &a is an anchor; there are none here, write the value out"},
		{"an alias", "text\nrelay: {key: &k x.pem, certificate: *k}",
			"2:14: &k is an anchor; there are none here, write the value out"},
		{"an alias of nothing", "*a",
			"1:7: not YAML: *a is an alias of nothing; a value that begins with * or & needs quotes"},
		{"an address with a query in brackets", "text\nrelay: [\n  wss://relay.example/?x=1,\n  b]",
			"1:1: not YAML: did not " +
				"find expected ',' or ']'; a bracket that opens near here is not closed, or a text with ? in it, " +
				"such as an " +
				"address, lacks quotes"},
		{"no end of quotes", `"text`, "2:1: not YAML: found unexpected end of stream"},
		{"a key that stands twice", "text\nname: b", `2:1: "name" stands here twice; the other is on line 1`},
		{"a map that is merged", "text\n<<: {name: b}", `2:1: "<<" merges maps in YAML; write the keys out`},
		{"nothing for a key", "text\n~: b", "2:1: a key is missing here"},
		{"a list for a key", "text\n[a]: b", "2:1: a key is a plain word, without anchor, alias or tag"},
		{"a key with a tag", "text\n!!str relay: {}", "2:1: a key is a plain word, without anchor, alias or tag"},
		{"too deep", deep, "1:47: nested deeper than 40 levels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := []byte("name: " + tt.yaml + "\n")
			if got := configComplaint(src); got != tt.both {
				t.Errorf("a configuration: %q, want %q", got, tt.both)
			}
			// A policy also names what only it has.
			got := strings.TrimSuffix(policyComplaint(src), lists)
			got = strings.Replace(got, "and ! is no word for not: write {not: foo}, or leave", "leave", 1)
			if got != tt.both {
				t.Errorf("a policy: %q, want %q", got, tt.both)
			}
		})
	}
}

// TestReadersDiffer: what is empty or in another encoding changes no value. A configuration takes
// it, or says in its own words what the setting wants; in a policy it is a mistake. What else a
// configuration always took it takes with a warning, as TestWarnings of package config shows.
func TestReadersDiffer(t *testing.T) {
	long := "# " + strings.Repeat("x", 4<<20)
	wide := "\xff\xfen\x00a\x00m\x00e\x00:\x00 \x00b\x00" // UTF-16, as some editors save
	for _, tt := range []struct{ name, src, config, policy string }{
		{"no value", "name:", "1:6: name: has no value; remove the line or write one",
			`1:6: name is empty; write its value, or "" for an empty text, or leave it out`},
		{"a comment for a value", "name: #1", "1:6: name: has no value; remove the line or write one",
			`1:7: name is empty: YAML takes "#…" for a comment; put it in quotes`},
		{"an empty map", "relay: {}", "", "1:8: relay: an empty map says nothing; leave it out"},
		{"an empty list", "relays: []", "1:9: relays: is an empty list",
			"1:9: relays: an empty list says nothing; name something or leave it out"},
		{"an empty file", "# nothing", "", `1:1: the file is empty; a policy begins with "version: 2"`},
		{"a directive", "%YAML 1.1\n---\nname: b", "", "1:1: a line that begins with % instructs YAML; leave it out"},
		{"a second document", "name: a\n---\nname: b",
			"2:1: a second document begins here; a configuration is one document",
			"2:1: a second document begins here; a policy is one document"},
		{"two documents, the first empty", "---\n---\nname: b",
			"2:1: a second document begins here; a configuration is one document",
			"2:1: a second document begins here; a policy is one document"},
		{"an anchor that nobody refers to", "relay: &r {timeout: 60s}", "",
			"1:8: &r is an anchor; there are none here, write the value out, or use lists"},
		{"an alias of a list", "nodes: &n [https://a.example]\nrelays: *n", "2:9: *n is an alias; write the value out",
			"1:8: &n is an anchor; there are none here, write the value out, or use lists"},
		{"an anchor of a key", "&k name: b", "", "1:1: a key is a plain word, without anchor, alias or tag"},
		{"a key that stands twice in a relay", "relays: [{url: 'wss://a.example', url: 'wss://b.example'}]", "",
			`1:35: "url" stands here twice; the other is on line 1`},
		{"too large", "name: b\n" + long, "", "1:1: the file is larger than 4194304 bytes"},
		{"UTF-16", wide, "", "1:1: the file is not UTF-8"},
		{"not UTF-8", "name: '\xff'", "1:1: not YAML: invalid leading UTF-8 octet", "1:1: the file is not UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := configComplaint([]byte(tt.src)); got != tt.config {
				t.Errorf("a configuration: %q, want %q", got, tt.config)
			}
			if got := policyComplaint([]byte(tt.src)); got != tt.policy {
				t.Errorf("a policy: %q, want %q", got, tt.policy)
			}
		})
	}
}

// configComplaint returns the first complaint about a configuration.
func configComplaint(src []byte) string {
	_, err := config.Parse("/home/bot", "file", src, nil)
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimLeft(strings.TrimPrefix(first, "file:"), " ")
}

// policyComplaint returns the first complaint about YAML in a policy. What the rest of the compiler
// has against a policy made of settings does not count.
func policyComplaint(src []byte) string {
	_, problems := policy.Compile("file", src, policy.Options{})
	for _, p := range problems {
		if !strings.Contains(p.Text, "is no key here") && !strings.Contains(p.Text, "is missing") ||
			strings.Contains(p.Text, "a key is missing") {
			return strings.TrimPrefix(p.String(), "file:")
		}
	}
	return ""
}
