package yamlnode_test

import (
	"fmt"
	"slices"
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
