package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// AddTo returns a policy with the rules and limits of the draft behind its own. All else stays as
// it is, with its comments. The names of the rules are new only beside those of the policy that the
// draft was made for. file is a name for errors; one tells what keeps the rules from being put in,
// such as a list in brackets.
//
// The result need not be one that [Compile] takes: what is too wide says so on its line.
func (d Suggestion) AddTo(file string, src []byte) ([]byte, error) {
	before, root, err := readLenient(file, src)
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(string(src), "\n")
	if last := &lines[len(lines)-1]; *last != "" {
		*last += "\n"
	}
	var places []int
	blocks := d.blocks()
	for _, b := range blocks {
		places = append(places, endOf(root, lines, b))
	}
	// From the end, so that the places in front stay right; of two at one place the last one first.
	for len(blocks) > 0 {
		i := len(blocks) - 1
		for k := range blocks {
			if places[k] > places[i] {
				i = k
			}
		}
		text, err := blocks[i].below(root)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		lines = slices.Insert(lines, places[i], text)
		blocks, places = slices.Delete(blocks, i, i+1), slices.Delete(places, i, i+1)
	}
	out := []byte(strings.Join(lines, ""))
	after, again, err := readLenient(file, out)
	if err == nil && !extends(before, after, root, again, d) {
		err = errNoPlace
	}
	if err != nil {
		return nil, fmt.Errorf("the rules cannot be put into %s without a risk to change what it says: %w", file, err)
	}
	return out, nil
}

var errNoPlace = errors.New("its form is not one of those that are known; write each list in lines with dashes")

// readLenient reads a file of which nothing but the form is looked at.
func readLenient(file string, src []byte) (*yamlnode.Reader, *yamlnode.Node, error) {
	r := yamlnode.NewReader(yamlnode.Options{File: file, Noun: "a policy", Lenient: true})
	root, ok := r.Read(src)
	if problems := r.Problems().Errors(); !ok || len(problems) > 0 {
		return nil, nil, errors.New(problems.String())
	}
	if root == nil || root.Kind != yamlnode.Map {
		return nil, nil, fmt.Errorf("%s is no policy", file)
	}
	return r, root, nil
}

// entryOf returns the place of a section in a file; -1 if there is none.
func entryOf(root *yamlnode.Node, s section) int {
	return slices.IndexFunc(root.Entries, func(e yamlnode.Entry) bool { return e.Key.Text == s.String() })
}

// endOf returns how many lines stand in front of the place for more of a section: behind its last
// line, and in front of the comments and empty lines that belong to what follows.
func endOf(root *yamlnode.Node, lines []string, b block) int {
	i := entryOf(root, b.section)
	end := len(lines)
	if i >= 0 && i+1 < len(root.Entries) {
		end = root.Entries[i+1].Key.Line - 1
	}
	for i >= 0 && end > root.Entries[i].Key.Line {
		if line := strings.TrimRight(lines[end-1], " \t\r\n"); line != "" && line[0] != '#' {
			break
		}
		end--
	}
	return end
}

// below returns the lines of a block as they stand in a file.
func (b block) below(root *yamlnode.Node) (string, error) {
	i := entryOf(root, b.section)
	if i < 0 {
		return fmt.Sprintf("%s:\n%s\n", b.section, strings.Join(b.lines, "\n")), nil
	}
	list := root.Entries[i].Value
	if list.Kind != yamlnode.List || list.Flow() {
		return "", fmt.Errorf("line %d: %s stands in brackets; write it in lines with dashes first", list.Line,
			b.section)
	}
	// As far in as the rules that are there.
	by := strings.Repeat(" ", list.Column-1)
	var out strings.Builder
	for _, line := range b.lines {
		out.WriteString(by + strings.TrimPrefix(line, "  ") + "\n")
	}
	return out.String(), nil
}

// extends reports whether a file has all of another one, and what the draft adds.
func extends(before, after *yamlnode.Reader, was, is *yamlnode.Node, d Suggestion) bool {
	added := map[string]int{allowSection.String(): d.Rules, limitSection.String(): d.Limits}
	left := slices.Clone(is.Entries)
	for _, e := range was.Entries {
		i := slices.IndexFunc(left, func(other yamlnode.Entry) bool { return other.Key.Text == e.Key.Text })
		if i < 0 {
			return false
		}
		is := *left[i].Value
		left = slices.Delete(left, i, i+1)
		if more := added[e.Key.Text]; more > 0 && is.Kind == yamlnode.List {
			delete(added, e.Key.Text)
			if len(is.Items) != len(e.Value.Items)+more {
				return false
			}
			is.Items = is.Items[:len(e.Value.Items)]
		}
		if !yamlnode.Same(e.Value, &is) {
			return false
		}
	}
	for _, e := range left {
		if len(e.Value.Items) != added[e.Key.Text] {
			return false
		}
	}
	// The comments that were there, in their order.
	comments := after.Comments(is)
	for _, c := range before.Comments(was) {
		i := slices.IndexFunc(comments, func(other yamlnode.Comment) bool { return other.Text == c.Text })
		if i < 0 {
			return false
		}
		comments = comments[i+1:]
	}
	return true
}
