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
	words := "# " + strings.Repeat("a ", 100)
	for src, want := range map[string]string{
		"a: [b," + blanks(114) + "c]\n":                     "f:1:121: warning: what follows stands behind 114 blanks",
		"a: [b," + blanks(113) + "c]\n":                     "",
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
		"a: [b," + tabs(15) + "c]\n":                        "f:1:22: warning: what follows stands behind 114 c",
		"a: [b," + tabs(14) + "c]\n":                        "",
		"a: [b,  " + tabs(14) + "c]\n":                      "f:1:23: warning: what follows stands behind 114 columns",
		"a: [b, c]" + tabs(3) + "# d\n":                     "",
		"\ufeffa: b\n":                                      "",
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

func TestTextLines(t *testing.T) {
	src := "a: |\n  one\n   two\n\n  three\nb: 'first\n  second\n  third'\nc: none # not\nd: >-\n  folded\n"
	r := yamlnode.NewReader(yamlnode.Options{})
	root, _ := r.Read([]byte(src))
	var got []string
	for _, line := range r.TextLines(root) {
		got = append(got, strings.Repeat("_", line.Column-1)+line.Text+"@"+strings.Repeat("|", line.Line))
	}
	want := "__one@|| ___two@||| __three@||||| __second@||||||| __third@|||||||| __folded@|||||||||||"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}
