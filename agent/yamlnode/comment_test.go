package yamlnode_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pksa/agent/yamlnode"
)

func TestComments(t *testing.T) {
	t.Parallel()
	const src = `# head
a: "x # no" # one
'b # no': it''s # two
c: "two
  # no \" # no
  " # three
d: 'two
  # no '' # no'   # four
e: | # five
  text # no
  # no

   # no
# six
f: >2- # seven
    # no
  # no
# eight
g: word#no#no # nine
h:
  - |
   # no
  # ten
  - [a, "b"] # eleven
i: | # twelve

j: x	# thirteen
k: [ "a", # fourteen
 'b' ] #
l: |
  # no`
	r := yamlnode.NewReader(yamlnode.Options{})
	root, ok := r.Read([]byte(src))
	if !ok {
		// i is empty on purpose: a block without text.
		t.Fatal(r.Problems())
	}
	var got []string
	for _, c := range r.Comments(root) {
		got = append(got, fmt.Sprintf("%d:%d %s", c.Line, c.Column, c.Text))
	}
	want := []string{"1:1 # head", "2:13 # one", "3:17 # two", "6:5 # three", "8:19 # four", "9:6 # five",
		"14:1 # six", "15:8 # seven", "18:1 # eight", "19:15 # nine", "23:3 # ten", "24:14 # eleven", "25:6 # twelve",
		"27:6 # thirteen", "28:11 # fourteen", "29:8 #"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if found := r.Comments(nil); len(found) == 0 {
		t.Error("no comments in a file without values")
	}
}

// commentSeeds are files with comments, and with texts that look like them.
var commentSeeds = []string{
	"a: b # pksa: meant so: x", "a: 'b # pksa: meant so: x' # y", "a: |\n  b # c\n# d\n",
	"- [a, \"# b\", # c\n d]\n",
	"a: >1-\n  # b\n # c\n", "a: \"b\\\n  # c\" # d", "'a # b': 'c\n  # d'",
	"# pksa: meant so: x # pksa: meant so: y",
	"a: b#c\nd: ' # '' # ' # e", "a: |+ # b\n\n\n# c", "é: ü # ö\n", "? |\n  # a\n: # b\n  c",
}

// FuzzComments: every comment begins with a # of its line and reaches to its end, and nothing of it
// is in a value: with other words in the comments, the file reads alike.
func FuzzComments(f *testing.F) {
	for _, src := range commentSeeds {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		r := yamlnode.NewReader(yamlnode.Options{})
		root, ok := r.Read(src)
		comments := r.Comments(root)
		if !ok || root == nil {
			return
		}
		lines := strings.Split(string(src), "\n")
		for _, c := range comments {
			line := []rune(strings.TrimSuffix(lines[c.Line-1], "\r"))
			if c.Column > len(line) || !strings.HasPrefix(c.Text, "#") || string(line[c.Column-1:]) != c.Text {
				t.Fatalf("%q: no comment at %d:%d: %q", src, c.Line, c.Column, c.Text)
			}
			end := lines[c.Line-1][len(strings.TrimSuffix(lines[c.Line-1], "\r")):]
			lines[c.Line-1] = string(line[:c.Column]) + strings.Repeat("x", len(c.Text)-1) + end
		}
		again := yamlnode.NewReader(yamlnode.Options{})
		other, ok := again.Read([]byte(strings.Join(lines, "\n")))
		if !ok || !reflect.DeepEqual(treeOf(root), treeOf(other)) {
			t.Fatalf("%q holds values in its comments: %v", src, again.Problems())
		}
	})
}
