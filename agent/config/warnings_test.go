package config_test

import (
	"slices"
	"strings"
	"testing"
)

// TestWarnings: what was always taken, and should be mended, is taken with a warning that names its
// place.
func TestWarnings(t *testing.T) {
	const (
		anchor = " is an anchor; nothing can refer to it here, leave it out"
		twice  = `"url" stands here twice, and this one counts; remove the other on line `
		behind = "PKSA_NODES: what follows the closing bracket is not read; put all of it into one pair of brackets"
	)
	for _, tt := range []struct {
		name, src, environ string
		want               []string
	}{
		{"nothing", "name: kept\nlog: {}\n", "PKSA_NODES=[https://a.example] # one", nil},
		{"anchors", "--- &root\nlog: &l\n  level: debug\nrelays: &r [&a {url: wss://a.example}]\n", "",
			[]string{"config.yaml:1:5: &root" + anchor, "config.yaml:2:6: &l" + anchor,
				"config.yaml:4:9: &r" + anchor, "config.yaml:4:13: &a" + anchor}},
		{"an anchor of a key", "log: {&k level: debug}\n", "", []string{"config.yaml:1:7: &k" + anchor}},
		{"an alias as a key", "relays: &name [wss://a.example]\n*name : kept\n", "",
			[]string{"config.yaml:1:9: &name" + anchor, "config.yaml:2:1: *name is an alias in the place of " +
				"a key, and counts as the word name; leave the * out"}},
		{"a key of a relay twice", "relays:\n  - url: wss://a.example\n    url: wss://b.example\n", "",
			[]string{"config.yaml:3:5: " + twice + "2"}},
		{"three times", "relays: {url: wss://a.example, url: wss://b.example,\n url: wss://c.example}\n", "",
			[]string{"config.yaml:1:32: " + twice + "1", "config.yaml:2:2: " + twice + "1"}},
		{"a large file", "name: kept\n" + strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 5000), "",
			[]string{"config.yaml:1:1: the file is larger than 4194304 bytes, and a configuration is small; " +
				"is it the right file?"}},
		{"beside the screen", "name: kept" + strings.Repeat(" ", 150) + "# why\n" + strings.Repeat("\n", 120) +
			"log: {level: debug}\n", "", []string{
			"config.yaml:1:161: what follows stands behind 150 blanks, where no screen shows it; write it on a line " +
				"of its own, or nearer",
			"config.yaml:122:1: what follows stands behind 120 empty lines, where a reader takes the file to have " +
				"ended; take them out"}},
		{"an aligned comment", "name: kept" + strings.Repeat(" ", 80) + "# why\n", "", nil},
		{"a variable", "", "PKSA_RELAYS={&k url: wss://a.example, url: wss://b.example}",
			[]string{"PKSA_RELAYS: &k" + anchor, "PKSA_RELAYS: " + twice + "1"}},
		{"two lists in a variable", "", "PKSA_NODES=[https://a.example], [https://b.example]",
			[]string{behind}},
		{"a bracket too much", "", "PKSA_NODES=[https://a.example]]",
			[]string{behind}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse(t, tt.src, tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range c.Warnings {
				got = append(got, w.Where+": "+w.Text)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
