package yamlnode

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/plain"
)

// Options is what a file is and what it may hold. The zero value reads anything strictly.
type Options struct {
	File string // its name, for complaints
	Noun string // what one file is, for complaints: "a policy"; "a file" if empty
	// NotYAML begins the complaint about a file that cannot be read; "not YAML" if empty.
	NotYAML string
	// NoAlias ends the complaint about an anchor or alias: what may be written besides the value.
	NoAlias string
	// NoTag ends the complaint about a tag such as !bob, where that may mean all but bob: %s is the
	// word. Else it is to be left out.
	NoTag string
	// Lenient takes what changes no value: empty maps, lists and values, lines that instruct YAML,
	// and the encodings besides UTF-8 that YAML knows. With a warning it takes anchors of maps, of
	// lists and of keys, an alias in the place of a key, which counts as its own name, and a file
	// of any size. An alias in the place of a value is a complaint, so nothing is ever put in
	// twice.
	Lenient bool
	// Reviewed warns of what stands beside or below the screen of who reads the file also where
	// reading is lenient.
	Reviewed bool
	// FirstOnly takes a text in brackets with something behind it, which is ignored with a warning.
	FirstOnly bool
	// LastCounts names the keys below which a map may hold a key twice: the last one counts, with a
	// warning. "" is the root.
	LastCounts []string
	// Nearest returns the known word that a wrong one was probably meant to be, or "". Nil is
	// [plain.Nearest].
	Nearest func(word string, known []string) string
	// KeyHint returns what to add to the complaint about a key that is not known. Nil asks for the
	// nearest one.
	KeyHint func(key string, known []string) string
	// ValueHint returns what to add to the complaint about a value that a key does not take; "" or
	// nil asks for the nearest one.
	ValueHint func(key, word string, known []string) string
	// EmptyList returns what to write in the place of an empty list, or "".
	EmptyList func(key string) string
	// EmptyMap returns what to do about an empty map under a key, "" to leave it out.
	EmptyMap func(key string) string
	// MayBeEmpty reports whether a map at this depth may be empty, because its key says enough: 1
	// is what stands under the keys of the file. Nil: none may.
	MayBeEmpty func(depth int) bool
	// Comma returns the complaint about a number that YAML parts at its commas, such as {max: 1,5},
	// or "" if the text is no such number. Nil complains of the parts.
	Comma func(text string) string
	// MostProblems is how many errors are kept, and how many warnings: of each those that were
	// found first; 0: all. Each takes more memory than what it complains of.
	MostProblems int
}

// Reader reads one file and collects complaints. It must not be used concurrently.
type Reader struct {
	options  Options
	lines    []string
	split    int            // the line whose characters were asked for last, from 1
	runes    []rune         // its characters
	styles   []place        // where a character has the one before it shown as a picture
	bad      map[*Node]bool // those complained about
	forms    map[*Node]int  // which of problems is about the form of a node alone
	problems Problems
	kept     map[bool]int // how many of problems are warnings, and how many are none
}

// NewReader returns a reader without complaints.
func NewReader(o Options) *Reader {
	if o.Noun == "" {
		o.Noun = "a file"
	}
	if o.NotYAML == "" {
		o.NotYAML = "not YAML"
	}
	if o.Nearest == nil {
		o.Nearest = plain.Nearest
	}
	return &Reader{options: o, bad: map[*Node]bool{}, forms: map[*Node]int{}, kept: map[bool]int{}}
}

// Problems returns the complaints so far, sorted.
func (r *Reader) Problems() Problems { return r.problems.Tidied() }

// Complain adds an error. The node is skipped from here on. What was said of its form is replaced.
func (r *Reader) Complain(n *Node, format string, args ...any) {
	r.bad[n] = true
	p := Problem{Text: fmt.Sprintf(format, args...)}
	if i, ok := r.forms[n]; ok {
		p.File, p.Line, p.Column = r.options.File, n.Line, n.Column
		r.problems[i] = p
		delete(r.forms, n)
		return
	}
	r.add(n, p)
}

// ComplainOfForm adds an error about how a value is written, such as without brackets. The node
// stays in use: a complaint about what it says stands in the place of this one, so that whoever
// writes it in the right form is not told then that it was wrong anyway.
func (r *Reader) ComplainOfForm(n *Node, format string, args ...any) {
	if before := len(r.problems); r.add(n, Problem{Text: fmt.Sprintf(format, args...)}) {
		r.forms[n] = before
	}
}

// Warn adds a warning about what stands in the file. The node stays in use.
func (r *Reader) Warn(n *Node, format string, args ...any) {
	r.add(n, Problem{Text: fmt.Sprintf(format, args...), Warning: true})
}

// WarnAround adds a warning that another day, or another place, may not give: about the clock, the
// settings, names that exist beside the file, or what a later program looks for.
func (r *Reader) WarnAround(n *Node, format string, args ...any) {
	r.add(n, Problem{Text: fmt.Sprintf(format, args...), Warning: true, Around: true})
}

// add keeps a complaint, and reports whether it did: there may be enough of them.
func (r *Reader) add(n *Node, p Problem) bool {
	if most := r.options.MostProblems; most > 0 && r.kept[p.Warning] == most {
		return false
	}
	r.kept[p.Warning]++
	p.File, p.Line, p.Column = r.options.File, n.Line, n.Column
	r.problems = append(r.problems, p)
	return true
}

// Bad reports whether there was a complaint about this very node.
func (r *Reader) Bad(n *Node) bool { return r.bad[n] }

// BadWithin reports whether there was a complaint about the node or anything inside it.
func (r *Reader) BadWithin(n *Node) bool {
	return r.bad[n] || slices.ContainsFunc(n.Items, r.BadWithin) ||
		slices.ContainsFunc(n.Entries, func(e Entry) bool { return r.bad[e.Key] || r.BadWithin(e.Value) })
}

// Mapping is the known keys of a map.
type Mapping struct {
	Node    *Node
	entries map[string]Entry
	meant   map[string]bool // keys that are misspelt, and so are not missing
}

// Has reports whether the map has a key.
func (m Mapping) Has(key string) bool { return m.entries[key].Value != nil }

// Meant reports whether a key of the map was probably meant to be this one.
func (m Mapping) Meant(key string) bool { return m.meant[key] }

// Missing reports whether a key that must be there is not, and was not meant either.
func (m Mapping) Missing(key string) bool { return !m.Has(key) && !m.meant[key] }

// HasAny reports whether one of the keys is there, or was meant.
func (m Mapping) HasAny(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return !m.Missing(key) })
}

// Value returns the value of a key, nil if the map does not have it.
func (m Mapping) Value(key string) *Node { return m.entries[key].Value }

// Key returns the node of a key, nil if the map does not have it.
func (m Mapping) Key(key string) *Node { return m.entries[key].Key }

// Mapping reads a map whose keys must be among known. what names it in complaints.
func (r *Reader) Mapping(n *Node, what string, known []string) (Mapping, bool) {
	m := Mapping{n, map[string]Entry{}, map[string]bool{}}
	if r.bad[n] {
		return m, false
	}
	if n.Kind != Map {
		r.Complain(n, "%s is a map of: %s", what, strings.Join(known, ", "))
		return m, false
	}
	for _, e := range n.Entries {
		key := e.Key.Text
		switch {
		case r.bad[e.Key]:
		case !slices.Contains(known, key):
			m.meant[r.options.Nearest(key, known)] = true
			r.Complain(e.Key, "%q is no key here%s", key, r.keyHint(key, known))
		default:
			m.entries[key] = e
		}
	}
	return m, true
}

func (r *Reader) keyHint(key string, known []string) string {
	if r.options.KeyHint != nil {
		return r.options.KeyHint(key, known)
	}
	return plain.DidYouMean(r.options.Nearest(key, known))
}

// Sequence returns the items of a list. A single value that stands in its place is complained of,
// and returned as the only item: if that is wrong, too, the complaint about it is made instead.
func (r *Reader) Sequence(n *Node, what string) []*Node {
	if r.bad[n] {
		return nil
	}
	if n.Kind != List {
		hint := ""
		switch {
		case n.Kind == Scalar && n.Null:
			hint = ", and " + n.Text + " is none; leave " + what + " out"
		case n.Kind == Scalar:
			r.ComplainOfForm(n, "%s is a list; write [%s]", what, n.Text)
			return []*Node{n}
		case n.Kind == Map:
			hint = ": each of its items begins with a dash, or stands in brackets"
		}
		r.Complain(n, "%s is a list%s", what, hint)
		return nil
	}
	return n.Items
}

// Scalar returns the text of a single value.
func (r *Reader) Scalar(n *Node, what string) (string, bool) {
	if r.bad[n] {
		return "", false
	}
	if n.Kind != Scalar {
		r.Complain(n, "%s is a single value", what)
		return "", false
	}
	return n.Text, true
}

// OneOf reads a value that is one of a few words.
func (r *Reader) OneOf(n *Node, what string, known ...string) (string, bool) {
	s, ok := r.Scalar(n, what)
	if ok && !slices.Contains(known, s) {
		r.Complain(n, "%s: %s is none of %s%s", what, quote(s), strings.Join(known, ", "), r.wordHint(what, s, known))
		return "", false
	}
	return s, ok
}

func (r *Reader) wordHint(what, s string, known []string) string {
	if r.options.ValueHint != nil {
		if hint := r.options.ValueHint(what, s, known); hint != "" {
			return hint
		}
	}
	if meant, ok := YesOrNo(s); ok && slices.Contains(known, meant) {
		return "; write " + meant
	}
	return plain.DidYouMean(r.options.Nearest(s, known))
}

// YesOrNo returns "true" or "false" for the words that older YAML reads so, in any case.
func YesOrNo(word string) (string, bool) {
	switch strings.ToLower(word) {
	case "yes", "on", "true":
		return "true", true
	case "no", "off", "false":
		return "false", true
	}
	return "", false
}

// quote makes a text fit for a sentence: quoted, and not longer than a line.
func quote(s string) string { return plain.QuoteRunes(s, 60) }
