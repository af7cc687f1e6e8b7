package yamlnode

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

	"pksa/protocol/plain"
)

// Caps of ours: these files are written by people. Deeper ones would only cost stack, and larger
// ones memory.
const (
	largest = 4 << 20
	deepest = 40
)

// Read returns the root of the only document, after a look at every node in it. The root is nil if
// the file is empty. The second result is false if there is no root because of a complaint.
func (r *Reader) Read(src []byte) (*Node, bool) {
	start := &Node{Line: 1, Column: 1}
	switch {
	case len(src) > largest && !r.options.Lenient:
		r.Complain(start, "the file is larger than %d bytes", largest)
		return nil, false
	case !utf8.Valid(src) && !r.options.Lenient:
		r.Complain(start, "the file is not UTF-8")
		return nil, false
	}
	if text, ok := decoded(src); ok {
		lines := linesOf(text)
		// Before anything else: the YAML library ends lines where no editor does.
		if r.hidden(lines) {
			return nil, false
		}
		r.lines = lines
	}
	if len(src) > largest {
		r.Warn(start, "the file is larger than %d bytes, and %s is small; is it the right file?", largest,
			r.options.Noun)
	}
	root, second, err := parse(src)
	switch {
	case r.options.FirstOnly && root != nil && (second != nil || err != nil):
		r.Warn(start, "what follows the closing bracket is not read; put all of it into one pair of brackets")
		second = nil
	case err != nil:
		at, text := r.syntaxError(err)
		if tab := r.tabAt(at, text); tab != nil {
			r.Complain(tab, "%s: this line is indented by a tab; write spaces instead", r.options.NotYAML)
			return nil, false
		}
		if blank := r.oddBlankAt(at); blank != nil {
			r.Complain(blank, "%s: here is %s, which looks like a blank and is none; write a blank instead",
				r.options.NotYAML, plain.Describe(r.line(blank.Line)[blank.Column-1]))
			return nil, false
		}
		hint := syntaxHint(text)
		if hint == openBracket && r.near(at, "${") {
			hint += ", or a text with { in it lacks quotes; nothing is filled in here"
		}
		if hint == openBracket && r.hasQuestionMark(at) {
			hint += ", or a text with ? in it, such as an address, lacks quotes"
		}
		r.Complain(at, "%s: %s%s", r.options.NotYAML, text, hint)
		return nil, false
	case second != nil:
		r.Complain(second, "a second document begins here; %s is one document", r.options.Noun)
	}
	if r.stylesOutside(root) {
		return nil, false
	}
	if root == nil || root.Kind == Scalar && root.Null {
		return nil, second == nil
	}
	if !r.options.Lenient {
		r.directives()
	}
	if !r.options.Lenient || r.options.Reviewed {
		r.aside()
	}
	r.vet(root, "", 0)
	r.oddSpaces(root)
	if !r.options.Lenient || r.options.Reviewed {
		r.farRight(root)
		r.escapes(root)
	}
	if r.bad[root] {
		return nil, false
	}
	return root, true
}

// directives complains about lines such as %TAG, which could change what the lines below mean.
func (r *Reader) directives() {
	for i, line := range r.lines {
		if strings.HasPrefix(line, "%") {
			r.Complain(&Node{Line: i + 1, Column: 1}, "a line that begins with %% instructs YAML; leave it out")
		} else if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			break
		}
	}
}

// parse returns the root of the first document and the place of a second. An error with a root is
// about what follows the first document.
func parse(src []byte) (root, second *Node, err error) {
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
	root = nodeOf(doc.Content[0], 0)
	// The library stops after one document without a word. What follows may be broken, too.
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return root, nodeOf(&next, 0), nil
	} else if !errors.Is(err, io.EOF) {
		return root, nil, err
	}
	return root, nil, nil
}

// vet complains about what no file may hold, at any depth. name is the key that leads to the node.
func (r *Reader) vet(n *Node, name string, depth int) {
	strict := !r.options.Lenient
	if !strict && n.source.Anchor != "" && n.Kind != Scalar {
		r.Warn(n, "&%s is an anchor; nothing can refer to it here, leave it out", n.source.Anchor)
	}
	r.vetAlike(n, depth)
	switch {
	case depth > deepest:
		r.Complain(n, "nested deeper than %d levels", deepest)
	case n.source.Kind == yaml.AliasNode:
		r.Complain(n, "*%s is an alias; write the value out%s", n.Text, r.options.NoAlias)
	case n.source.Anchor != "" && (strict || n.Kind == Scalar):
		r.Complain(n, "&%s is an anchor; there are none here, write the value out%s", n.source.Anchor,
			r.options.NoAlias)
	case r.tagged(n):
		r.complainOfTag(n)
	case strict && n.Kind == Map && len(n.Entries) == 0 &&
		(r.options.MayBeEmpty == nil || !r.options.MayBeEmpty(depth)):
		instead := "leave it out"
		if r.options.EmptyMap != nil {
			instead = cmp.Or(r.options.EmptyMap(name), instead)
		}
		r.Complain(n, "%san empty map says nothing; %s", label(name), instead)
	case strict && n.Kind == List && len(n.Items) == 0:
		hint := ""
		if r.options.EmptyList != nil {
			hint = r.options.EmptyList(name)
		}
		r.Complain(n, "%san empty list says nothing; name something or leave it out%s", label(name), hint)
	case n.Kind == Map:
		r.vetMap(n, name, depth)
	case n.Kind == List:
		for _, item := range n.Items {
			r.vet(item, name, depth+1)
		}
	case strict && n.missing():
		r.complainEmpty(n, name)
	}
}

func (r *Reader) complainOfTag(n *Node) {
	tag, instead := cmp.Or(n.source.Tag, "!"), "leave it out"
	// Who writes a word behind ! may mean "not": left out, that would be turned round.
	if word := tag[1:]; r.options.NoTag != "" && word != "" && !strings.HasPrefix(word, "!") {
		instead = fmt.Sprintf(r.options.NoTag, word)
	}
	r.Complain(n, "%s is a tag; there are none here, %s", tag, instead)
}

// tagged also finds the tag "!", which the library drops without a trace: it can only be seen where
// the node begins.
func (r *Reader) tagged(n *Node) bool {
	if n.source.Style&yaml.TaggedStyle != 0 {
		return true
	}
	line := r.line(n.Line)
	return n.Column >= 1 && n.Column <= len(line) && line[n.Column-1] == '!'
}

// line returns the characters of a line, counted from 1; none if there is no such line.
func (r *Reader) line(number int) []rune {
	if number < 1 || number > len(r.lines) {
		return nil
	}
	// Scripts write a whole list on one line. Split anew for each value, such a line would take
	// time that grows with the square of its length.
	if r.split != number {
		r.split, r.runes = number, []rune(r.lines[number-1])
	}
	return r.runes
}

func label(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// missing reports whether there is no value, or ~. The word null is a text: there is an account of
// that name.
func (n *Node) missing() bool { return n.Null && (n.Text == "" || n.Text == "~") }

func (r *Reader) complainEmpty(n *Node, name string) {
	name = cmp.Or(name, "this")
	if n.Text == "~" {
		r.Complain(n, `%s is empty: "~" is YAML's word for nothing; put it in quotes if text is meant`, name)
		return
	}
	if column := r.commentAt(n); column > 0 {
		r.bad[n] = true
		r.Complain(&Node{Line: n.Line, Column: column},
			`%s is empty: YAML takes "#…" for a comment; put it in quotes`, name)
		return
	}
	r.Complain(n, `%s is empty; write its value, or "" for an empty text, or leave it out`, name)
}

// commentAt returns the column of a comment that stands in the place of a value, 0 if there is
// none: who writes "memo: #1" means a text.
func (r *Reader) commentAt(n *Node) int {
	line := r.line(n.Line)
	from := n.Column - 1
	if from < 0 || from > len(line) {
		return 0
	}
	rest := strings.TrimLeft(string(line[from:]), " \t")
	if !strings.HasPrefix(rest, "#") {
		return 0
	}
	return len(line) - utf8.RuneCountInString(rest) + 1
}

// vetMap vets a map; name is the key that leads to it.
func (r *Reader) vetMap(n *Node, name string, depth int) {
	seen := map[string]*Node{}
	for i, e := range n.Entries {
		key := e.Key
		r.vetComma(n.Entries[i:])
		switch {
		case r.bad[key]: // the rest of a number
			continue
		case key.source.Tag == "!!merge" && !key.Quoted:
			r.Complain(key, `"<<" merges maps in YAML; write the keys out`)
			r.bad[e.Value] = true // or each of its keys would be one more complaint
			continue
		case key.Kind == Scalar && key.missing():
			r.Complain(key, "a key is missing here")
		case !r.vetKey(key):
		case seen[key.Text] == nil:
			seen[key.Text] = key
		case slices.Contains(r.options.LastCounts, name):
			r.Warn(key, "%q stands here twice, and this one counts; remove the other on line %d", key.Text,
				seen[key.Text].Line)
			seen[key.Text] = key
		default:
			r.Complain(key, "%q stands here twice; the other is on line %d", key.Text, seen[key.Text].Line)
		}
		r.vet(e.Value, key.Text, depth+1)
	}
}

// vetComma complains about a number that YAML has parted at its commas: the value of the first
// entry, and keys without a value behind it. What is left of it must not be read, or explained, by
// itself.
func (r *Reader) vetComma(entries []Entry) {
	value, rest := entries[0].Value, entries[1:]
	if r.options.Comma == nil || value.Kind != Scalar || value.Quoted || r.bad[value] {
		return
	}
	text, parts := value.Text, 0
	for _, e := range rest {
		if e.Key.Kind != Scalar || e.Key.Quoted || e.Value.Kind != Scalar || !e.Value.Null || e.Value.Text != "" ||
			e.Key.Line != value.Line {
			break
		}
		text, parts = text+","+e.Key.Text, parts+1
	}
	says := ""
	if parts > 0 {
		says = r.options.Comma(text)
	}
	if says == "" {
		return
	}
	r.Complain(value, "%s", says)
	for _, e := range rest[:parts] {
		r.bad[e.Key], r.bad[e.Value] = true, true
	}
}

// vetKey reports whether a key can be used. Lenient reading takes its text for it, whatever else
// stands there.
func (r *Reader) vetKey(key *Node) bool {
	alias := key.source.Kind == yaml.AliasNode
	switch {
	case r.tagged(key) || key.Kind != Scalar && !alias || !r.options.Lenient && (alias || key.source.Anchor != ""):
		r.Complain(key, "a key is a plain word, without anchor, alias or tag")
		return false
	case alias:
		r.Warn(key, "*%[1]s is an alias in the place of a key, and counts as the word %[1]s; leave the * out", key.Text)
	case key.source.Anchor != "":
		r.Warn(key, "&%s is an anchor; nothing can refer to it here, leave it out", key.source.Anchor)
	}
	return true
}

var tabIndent = regexp.MustCompile("^[ \t]*\t")

// tabAt returns the tab by which a line is indented, if an error of the YAML library is about it.
// The library names that line or the one before.
func (r *Reader) tabAt(at *Node, text string) *Node {
	last := at.Line
	switch {
	case strings.Contains(text, "tab character"):
		last++
	case !strings.Contains(text, "cannot start any token"):
		return nil
	}
	for i := at.Line; i <= min(last, len(r.lines)); i++ {
		if indent := tabIndent.FindString(r.lines[i-1]); indent != "" {
			return &Node{Line: i, Column: strings.Index(indent, "\t") + 1}
		}
	}
	return nil
}

// oddBlank matches an odd space where YAML wants blanks: before the first word of a line, or behind
// what a word of YAML ends with.
var oddBlank = regexp.MustCompile(`(?:^[ -]*|[:,\[{-] *)[^ \P{Zs}]`)

// oddBlankAt returns the first odd space that can be the reason of an error of the YAML library.
// The library names that line, or one near it.
func (r *Reader) oddBlankAt(at *Node) *Node {
	for i := max(at.Line-1, 1); i <= min(at.Line+1, len(r.lines)); i++ {
		if found := oddBlank.FindString(r.lines[i-1]); found != "" {
			before := r.lines[i-1][:strings.Index(r.lines[i-1], found)+len(found)]
			return &Node{Line: i, Column: utf8.RuneCountInString(before)}
		}
	}
	// What begins a line decides where it belongs, and YAML stumbles over that much later, or where
	// the list begins.
	for i, line := range r.lines {
		column := 0
		for _, ch := range line {
			column++
			if plain.OddSpace(ch) {
				return &Node{Line: i + 1, Column: column}
			}
			if ch != ' ' {
				break
			}
		}
	}
	return nil
}

var syntaxLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntaxHint explains the two complaints of YAML that people run into.
func syntaxHint(text string) string {
	switch {
	case strings.Contains(text, "alphabetic or numeric character"), strings.Contains(text, "is an alias of nothing"):
		return "; a value that begins with * or & needs quotes"
	case strings.Contains(text, "mapping values are not allowed"):
		return "; behind a colon stands a blank, one key is on a line or in braces, and what has lines below it " +
			"ends with a colon"
	case strings.Contains(text, "expected ',' or"):
		return openBracket
	case strings.Contains(text, "unknown escape character"):
		return "; between double quotes a backslash begins an escape: write single quotes"
	case strings.Contains(text, "expected <document start>"):
		return "; a line of three points ends a document, and nothing may follow it: leave that line out"
	case strings.Contains(text, "incompatible YAML document"):
		return "; of YAML's versions 1.1 is read here: leave out the line that begins with %YAML"
	case strings.Contains(text, "did not find expected whitespace or line break"):
		return "; a text that begins with ! needs quotes, and ! is no word for not"
	case strings.Contains(text, "cannot start any token"):
		return "; a value that begins with @, ` or % needs quotes, and account names have no @"
	}
	return ""
}

const openBracket = "; a bracket that opens near here is not closed"

// near reports whether a text stands near an error.
func (r *Reader) near(at *Node, text string) bool {
	return slices.ContainsFunc(r.lines[max(at.Line-2, 0):min(at.Line+3, len(r.lines))], func(line string) bool {
		return strings.Contains(line, text)
	})
}

// hasQuestionMark reports whether a question mark stands in a text near an error. Inside brackets
// the YAML library ends a text without quotes there.
func (r *Reader) hasQuestionMark(at *Node) bool {
	near := r.lines[max(at.Line-2, 0):min(at.Line+3, len(r.lines))]
	return slices.ContainsFunc(near, questionMark.MatchString)
}

var questionMark = regexp.MustCompile(`[^ ]\?`)

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)

// syntaxError finds the place of an error of the YAML library, which gives a line at best.
func (r *Reader) syntaxError(err error) (*Node, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := &Node{Line: 1, Column: 1}
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
