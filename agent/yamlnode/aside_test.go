package yamlnode_test

import (
	"strings"
	"testing"

	"pksa/agent/yamlnode"
)

// What stands aside is found where it begins, and nothing that people see is.
func TestAside(t *testing.T) {
	blanks := func(n int) string { return strings.Repeat(" ", n) }
	tabs := func(n int) string { return strings.Repeat("\t", n) }
	lines := func(n int) string { return strings.Repeat("\n", n) }
	many := func(n int) string { return strings.Repeat("b", n) }
	words := "# " + strings.Repeat("a ", 100)
	for src, want := range map[string]string{
		"a: [b," + blanks(74) + "c]\n":                      "f:1:81: warning: what follows stands behind 74 blanks",
		"a: [b," + blanks(73) + "c]\n":                      "",
		"a: [b]" + blanks(114) + "# c\n":                    "f:1:121: warning: what follows stands behind 114 blanks",
		"a: [b]" + blanks(113) + "# c\n":                    "",
		"a: [b]" + blanks(200) + "# c\n":                    "f:1:207: warning: ",
		"a: [b]" + blanks(200) + "\n":                       "",
		words + blanks(39) + "b\na: b\n":                    "f:1:242: warning: ",
		words + blanks(38) + "b\na: b\n":                    "",
		"a:\n" + blanks(130) + "b\n":                        "f:2:131: warning: ",
		"a: 'b" + blanks(130) + "c'\n":                      "f:1:136: warning: ",
		"a: b\n" + lines(100) + "c: d\n":                    "f:102:1: warning: what follows stands behind 100 ",
		"a: b\n" + lines(99) + "c: d\n":                     "",
		"a: b\n" + strings.Repeat("  \n", 100) + " # c\n":   "f:102:2: warning: ",
		"a: b\n" + lines(200):                               "",
		"a: b\n" + strings.Repeat(" ##\n\n", 50) + "c: d\n": "f:102:1: warning: what follows stands behind 100 ",
		"a: b\n" + strings.Repeat("#\n", 200) + "\n#\n":     "",
		"a: b\n" + strings.Repeat("# b\n", 200) + "c: d\n":  "",
		"a: [b," + blanks(120) + "c," + blanks(60) + "d]\n": "f:1:127: warning: ",
		"a: [b," + tabs(10) + "c]\n":                        "f:1:17: warning: what follows stands behind 74 c",
		"a: [b," + tabs(9) + "c]\n":                         "",
		"a: [b,  " + tabs(9) + "c]\n":                       "f:1:18: warning: what follows stands behind 74 columns",
		"a: [b, c]" + tabs(3) + "# d\n":                     "",
		"\ufeffa: b\n":                                      "",
		// A key far to the right, behind others or behind a text.
		"a: b\nc: {d: [" + many(489) + "], e: f, g: h}\n":              "f:2:501: warning: this key stands far",
		"a: b\nc: {d: [" + many(488) + "], e: f}\n":                    "",
		"c: {d: [" + many(700) + "], e: f}\n":                          "", // a file of one line
		"a: b\nc: {d: '" + many(189) + "', e: f}\n":                    "f:2:201: warning: this key stands far",
		"a: b\nc: {d: '" + many(188) + "', e: f}\n":                    "",
		"a: b\nc: {d: " + many(149) + ", h: " + many(40) + ", e: f}\n": "",
		"a: b\nc: [" + many(600) + "]\n":                               "",
	} {
		r := yamlnode.NewReader(yamlnode.Options{File: "f"})
		if root, ok := r.Read([]byte(src)); !ok || root == nil {
			t.Errorf("%q is not read", src)
		}
		got := r.Problems().String()
		if want == "" && got != "" || !strings.HasPrefix(got, want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%q: %s", src, got)
		}
	}
	for _, reviewed := range []bool{false, true} {
		r := yamlnode.NewReader(yamlnode.Options{Lenient: true, Reviewed: reviewed})
		r.Read([]byte("a: [b," + blanks(200) + "c]\n"))
		if got := r.Problems(); len(got.Warnings()) > 0 != reviewed || len(got.Errors()) > 0 {
			t.Errorf("reviewed %v, by lenient reading: %v", reviewed, got)
		}
	}
}

// No search finds a word of which a letter is an escape.
func TestEscapes(t *testing.T) {
	for src, want := range map[string]string{
		`a: "m\u0061llory"`:             `f:1:6: warning: here is an escape that stands for "a", so no search`,
		`a: "\x6dallory \x61"`:          `f:1:5: warning: `,
		`"m\u006fde": b`:                `f:1:3: warning: `,
		`{b: ["c", 'd', "\U0000006d"]}`: `f:1:17: warning: `,
		`a: "one\x2dtwo"`:               `f:1:8: warning: here is an escape that stands for "-"`,
		`a: "\u0024friends"`:            `f:1:5: warning: here is an escape that stands for "$"`,
		`a: 'm\u0061llory'`:             "", // no escape
		`a: m\u0061llory`:               "",
		`a: "\\u0061"`:                  "",
		`a: "\u003cb\u0026\u0022\x27"`:  "", // as writers of JSON have it
		`a: "\u00e9\u200d\n\t"`:         "",
		"a: |\n  \"m\\u0061\"":          "",
		"a: \"mal\\\n  lory\"":          "f:1:8: warning: this backslash makes one word of what stands around it",
		"a: \"one \\\n  two\"":          "",
		"a: \"one\\\n  \\ two\"":        "",
		"a: \"one\\\n  \"":              "",
		"a: \"one\\\n\n  \\x61\"":       "f:3:3: warning: ",
	} {
		r := yamlnode.NewReader(yamlnode.Options{File: "f"})
		if root, ok := r.Read([]byte(src + "\n")); !ok || root == nil {
			t.Errorf("%q is not read: %v", src, r.Problems())
		}
		got := r.Problems().String()
		if want == "" && got != "" || !strings.HasPrefix(got, want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%q: %s", src, got)
		}
	}
	for _, reviewed := range []bool{false, true} {
		r := yamlnode.NewReader(yamlnode.Options{Lenient: true, Reviewed: reviewed})
		r.Read([]byte(`a: "\u0061"` + "\n"))
		if got := r.Problems(); len(got.Warnings()) > 0 != reviewed || len(got.Errors()) > 0 {
			t.Errorf("reviewed %v, by lenient reading: %v", reviewed, got)
		}
	}
}

func TestTextLines(t *testing.T) {
	src := "a: |\n  one\n   two\n\n  three\nb: 'first\n  second\n  third'\nc: none # not\nd: >-\n  folded\n" +
		"e: \"one\\\n  two\\\n  \"\n"
	r := yamlnode.NewReader(yamlnode.Options{})
	root, _ := r.Read([]byte(src))
	var got []string
	for _, line := range r.TextLines(root) {
		got = append(got, strings.Repeat("_", line.Column-1)+line.Text+"@"+strings.Repeat("|", line.Line))
	}
	want := "__one@|| ___two@||| __three@||||| __second@||||||| __third@|||||||| __folded@||||||||||| " +
		"__two@|||||||||||||"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}
