package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Caps of ours: a policy is written by people.
const (
	longestFile = 4 << 20
	deepestFile = 40
)

// A reader turns YAML into nodes that have been vetted once, and collects complaints. Nodes that
// were complained about are skipped afterwards, so that one fault is reported once.
type reader struct {
	file     string
	lines    []string
	bad      map[*yaml.Node]bool
	problems Problems
}

func (r *reader) complain(n *yaml.Node, format string, args ...any) {
	r.bad[n] = true
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, Column: n.Column,
		Text: fmt.Sprintf(format, args...)})
}

func (r *reader) warn(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, Column: n.Column,
		Text: fmt.Sprintf(format, args...), Warning: true})
}

// document returns the vetted root of the only document, or nil.
func (r *reader) document(src []byte) *yaml.Node {
	start := &yaml.Node{Line: 1, Column: 1}
	switch {
	case len(src) > longestFile:
		r.complain(start, "the file is larger than %d bytes", longestFile)
		return nil
	case !utf8.Valid(src):
		r.complain(start, "the file is not UTF-8")
		return nil
	}
	root, second, err := parseYAML(src)
	switch {
	case err != nil:
		at, text := r.syntaxError(err)
		r.complain(at, "not YAML: %s%s", text, syntaxHint(text))
		return nil
	case root == nil || root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		r.complain(start, `the file is empty; a policy begins with "version: 1"`)
		return nil
	case second != nil:
		r.complain(second, "a second document begins here; a policy is one document")
	}
	for i, line := range r.lines {
		if strings.HasPrefix(line, "%") {
			r.complain(&yaml.Node{Line: i + 1, Column: 1}, "a line that begins with %% instructs YAML; leave it out")
		} else if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			break
		}
	}
	r.vet(root, "", 0)
	if r.bad[root] {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		r.complain(root, `a policy is a map of version, lists, allow, ask, deny, limits, otherwise`)
		return nil
	}
	return root
}

// parseYAML returns the root of the first document and the place of a second.
func parseYAML(src []byte) (root, second *yaml.Node, err error) {
	// The library reports its own errors as errors; this is for its mistakes.
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("this cannot be read as YAML")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return doc.Content[0], &next, nil
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	return doc.Content[0], nil, nil
}

// vet complains about what no policy may hold, at any depth.
func (r *reader) vet(n *yaml.Node, name string, depth int) {
	switch {
	case depth > deepestFile:
		r.complain(n, "nested deeper than %d levels", deepestFile)
	case n.Kind == yaml.AliasNode:
		r.complain(n, "*%s is an alias; write the value out, or use lists", n.Value)
	case n.Anchor != "":
		r.complain(n, "&%s is an anchor; there are none here, use lists", n.Anchor)
	case r.tagged(n):
		r.complain(n, "%s is a tag; there are none here, leave it out", cmp.Or(n.Tag, "!"))
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		r.complain(n, "%san empty map says nothing; leave it out", label(name))
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		r.complain(n, "%san empty list says nothing; name something or leave it out", label(name))
	case n.Kind == yaml.MappingNode:
		r.vetMapping(n, depth)
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			r.vet(item, name, depth+1)
		}
	case isNullScalar(n):
		r.complainEmpty(n, name)
	}
}

// tagged also finds the tag "!", which the library drops without a trace: it can only be seen where
// the node begins.
func (r *reader) tagged(n *yaml.Node) bool {
	if n.Style&yaml.TaggedStyle != 0 {
		return true
	}
	if n.Line < 1 || n.Line > len(r.lines) {
		return false
	}
	line := []rune(r.lines[n.Line-1])
	return n.Column >= 1 && n.Column <= len(line) && line[n.Column-1] == '!'
}

func label(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// isNullScalar is true for nothing and for ~. The word null is a text: there is an account of that
// name.
func isNullScalar(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && (n.Value == "" || n.Value == "~")
}

func (r *reader) complainEmpty(n *yaml.Node, name string) {
	if name == "" {
		name = "this"
	}
	if n.Value == "~" {
		r.complain(n, `%s is empty: "~" is YAML's word for nothing; put it in quotes if text is meant`, name)
		return
	}
	at := *n
	if n.Line >= 1 && n.Line <= len(r.lines) {
		line := []rune(r.lines[n.Line-1])
		if from := n.Column - 1; from >= 0 && from <= len(line) {
			if rest := strings.TrimLeft(string(line[from:]), " \t"); strings.HasPrefix(rest, "#") {
				at.Column = len(line) - len([]rune(rest)) + 1
				r.complain(&at, `%s is empty: YAML takes "#…" for a comment; put it in quotes`, name)
				r.bad[n] = true
				return
			}
		}
	}
	r.complain(n, `%s is empty; write its value, or "" for an empty text, or leave it out`, name)
}

func (r *reader) vetMapping(n *yaml.Node, depth int) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		switch {
		case key.Tag == "!!merge" && key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0:
			r.complain(key, `"<<" merges maps in YAML; write the keys out`)
			r.bad[val] = true
			continue
		case key.Kind == yaml.ScalarNode && isNullScalar(key):
			r.complain(key, "a key is missing here")
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || r.tagged(key):
			r.complain(key, "a key is a plain word, without anchor, alias or tag")
		case seen[key.Value] != nil:
			r.complain(key, "%q stands here twice; the other is on line %d", key.Value, seen[key.Value].Line)
		default:
			seen[key.Value] = key
		}
		r.vet(val, key.Value, depth+1)
	}
}

// An entry is a key of a map with its value.
type entry struct{ key, value *yaml.Node }

// A mapping is the known keys of a map that has passed.
type mapping struct {
	node    *yaml.Node
	entries map[string]entry
	meant   map[string]bool // keys that are misspelt, and so are not missing
}

func (m mapping) has(key string) bool { return m.entries[key].value != nil }

// missing is for keys that must be there.
func (m mapping) missing(key string) bool { return !m.has(key) && !m.meant[key] }

func (m mapping) saysAny(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return !m.missing(key) })
}

func (m mapping) value(key string) *yaml.Node { return m.entries[key].value }

func (m mapping) key(key string) *yaml.Node { return m.entries[key].key }

// mapping reads a map whose keys must be among known.
func (r *reader) mapping(n *yaml.Node, what string, known []string) (mapping, bool) {
	m := mapping{n, map[string]entry{}, map[string]bool{}}
	if r.bad[n] {
		return m, false
	}
	if n.Kind != yaml.MappingNode {
		r.complain(n, "%s is a map of: %s", what, strings.Join(known, ", "))
		return m, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		switch {
		case r.bad[key]:
		case !slices.Contains(known, key.Value):
			m.meant[nearestWord(key.Value, known)] = true
			r.complain(key, "%q is no key here%s", key.Value, keyHint(key.Value, known))
		default:
			m.entries[key.Value] = entry{key, val}
		}
	}
	return m, true
}

// keyHint says what a key that is none may have been meant to be, or where it belongs.
func keyHint(key string, known []string) string {
	for s := allowSection; s <= limitSection; s++ {
		if slices.Contains(sectionKeys[s], key) && slices.Contains(known, "name") {
			return fmt.Sprintf("; it is one of %s", s)
		}
	}
	return didYouMean(key, known)
}

// sequence returns the items of a list.
func (r *reader) sequence(n *yaml.Node, what string) []*yaml.Node {
	if r.bad[n] {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("; write [%s]", n.Value)
		}
		r.complain(n, "%s is a list%s", what, hint)
		return nil
	}
	return n.Content
}

// scalar returns the text of a single value.
func (r *reader) scalar(n *yaml.Node, what string) (string, bool) {
	if r.bad[n] {
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		r.complain(n, "%s is a single value", what)
		return "", false
	}
	return n.Value, true
}

// word reads a value that is one of a few words.
func (r *reader) word(n *yaml.Node, what string, known ...string) (string, bool) {
	s, ok := r.scalar(n, what)
	if ok && !slices.Contains(known, s) {
		r.complain(n, "%s: %s is none of %s%s", what, quote(s), strings.Join(known, ", "), wordHint(s, known))
		return "", false
	}
	return s, ok
}

func wordHint(s string, known []string) string {
	if meant, ok := yesAndNo[strings.ToLower(s)]; ok && slices.Contains(known, meant) {
		return "; write " + meant
	}
	return didYouMean(s, known)
}

// yesAndNo are the words that older YAML read as true and false.
var yesAndNo = map[string]string{"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false",
	"false": "false"}

func unquoted(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Style&quoted == 0
}

var syntaxLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntaxHint explains the two complaints of YAML that policies run into.
func syntaxHint(text string) string {
	switch {
	case strings.Contains(text, "alphabetic or numeric character"), strings.Contains(text, "is an alias of nothing"):
		return "; a value that begins with * or & needs quotes"
	case strings.Contains(text, "cannot start any token"):
		return "; a value that begins with @, ` or % needs quotes, and account names have no @"
	}
	return ""
}

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)

// syntaxError finds the place of an error of the YAML library, which gives a
// line at best.
func (r *reader) syntaxError(err error) (*yaml.Node, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := &yaml.Node{Line: 1, Column: 1}
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		at.Line = max(at.Line, 1)
		return at, text[len(m[0]):]
	}
	if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		for i, line := range r.lines {
			if before, _, ok := strings.Cut(line, "*"+m[1]); ok {
				at.Line, at.Column = i+1, utf8.RuneCountInString(before)+1
				return at, "*" + m[1] + " is an alias of nothing"
			}
		}
	}
	return at, text
}
