package yamlnode

import (
	"errors"
	"math"
	"slices"
	"strings"
	"unicode"
)

// ErrFormat reports a file that [Reader.Formatted] cannot write so that it says the same.
var ErrFormat = errors.New("this file has a form that cannot be written otherwise without a risk to change " +
	"what it says")

// indentStep is by how many columns what belongs to something is further in.
const indentStep = 2

// Formatted returns the file in the usual form, given the root that [Reader.Read] returned without
// a complaint: two columns for each level, one blank behind commas, colons and dashes, none inside
// of brackets and at the end of a line, and one empty line at most. Each value stays on its line,
// and so does each comment: a comment about a line goes on being about it. Texts in quotes and in
// blocks stay as they are.
//
// The result is read again, and ErrFormat is returned unless it has the same values and comments.
func (r *Reader) Formatted(root *Node) ([]byte, error) {
	f := &formatter{indents: map[int]int{}, tight: map[place]bool{}, flows: map[place]bool{},
		comments: map[place]bool{}, texts: map[int][]span{}}
	for _, line := range r.lines {
		f.lines = append(f.lines, []rune(line))
	}
	comments, spans := r.parts(root)
	for _, c := range comments {
		f.comments[place{c.Line, c.Column}] = true
	}
	for _, s := range spans {
		for number := s.start.line; number <= s.end.line; number++ {
			f.texts[number] = append(f.texts[number], s)
		}
	}
	f.collection(root, 0)
	out := []byte(f.write())
	again := NewReader(Options{Lenient: true})
	other, ok := again.Read(out)
	if !ok || !Same(root, other) || !slices.EqualFunc(comments, again.Comments(other), sameComment) {
		return nil, ErrFormat
	}
	return out, nil
}

func sameComment(a, b Comment) bool { return strings.TrimRight(a.Text, " \t") == b.Text }

// Same reports whether two values are written alike, but for blanks, lines and comments.
func Same(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Text == b.Text && a.source.Style == b.source.Style && a.source.Tag == b.source.Tag &&
		slices.EqualFunc(a.Items, b.Items, Same) &&
		slices.EqualFunc(a.Entries, b.Entries, func(a, b Entry) bool {
			return Same(a.Key, b.Key) && Same(a.Value, b.Value)
		})
}

// formatter writes one file. Places and lines are those of the file as it was read.
type formatter struct {
	lines    [][]rune
	comments map[place]bool
	texts    map[int][]span // that are on a line, in quotes and in blocks
	indents  map[int]int    // of the lines that begin with a key or a dash in a block
	tight    map[place]bool // where one blank is enough in front of what stands there
	flows    map[place]bool // where brackets open
}

// line returns a line, and by how many columns it is indented.
func (f *formatter) line(number int) (line []rune, indent int) {
	line = f.lines[number-1]
	for indent < len(line) && line[indent] == ' ' {
		indent++
	}
	return line, indent
}

// collection finds where the parts of a list or map belong that begins at an indent.
func (f *formatter) collection(n *Node, indent int) {
	if n == nil || n.Kind == Scalar {
		return
	}
	if n.Flow() {
		f.flows[place{n.Line, n.Column}] = true
		f.inside(n)
		return
	}
	for _, item := range n.Items {
		f.indents[f.dashOf(n, item)] = indent
		f.tight[place{item.Line, item.Column}] = true
		f.collection(item, indent+indentStep)
	}
	for _, e := range n.Entries {
		if _, known := f.indents[e.Key.Line]; !known { // behind a dash it has no line of its own
			f.indents[e.Key.Line] = indent
		}
		f.tight[place{e.Value.Line, e.Value.Column}] = true
		f.collection(e.Value, indent+indentStep)
	}
}

// inside finds the parts of what stands in brackets.
func (f *formatter) inside(n *Node) {
	for _, item := range n.Items {
		f.collection(item, 0)
	}
	for _, e := range n.Entries {
		f.tight[place{e.Value.Line, e.Value.Column}] = true
		f.collection(e.Value, 0)
	}
}

// dashOf returns the line of an item's dash.
func (f *formatter) dashOf(list, item *Node) int {
	for number := item.Line; number > list.Line; number-- {
		if line, indent := f.line(number); indent == list.Column-1 && indent < len(line) && line[indent] == '-' {
			return number
		}
	}
	return list.Line
}

func (f *formatter) write() string {
	var out strings.Builder
	shifts := f.shiftsOfComments()
	depth, shift, empty := 0, 0, 0
	for number := range len(f.lines) {
		number++
		line, was := f.line(number)
		if len(line) == 0 && number == len(f.lines) {
			break // what is behind the end of the last line
		}
		indent, known := f.indents[number]
		blank := len(trimmed(line)) == 0
		if f.inText(number) {
			// What belongs to a block moves with it. Empty lines of a text are a part of it.
			if !blank {
				f.blanks(&out, was+shift)
			}
			out.WriteString(f.rest(number, was+1, &depth) + "\n")
			continue
		}
		if blank {
			empty++
			continue
		}
		if known && depth == 0 {
			shift = indent - was
		}
		by := shift
		if f.comments[place{number, was + 1}] && depth == 0 && shifts[number-1] != none {
			by = shifts[number-1]
		}
		if empty > 0 && out.Len() > 0 {
			out.WriteString("\n")
		}
		empty = 0
		f.blanks(&out, was+by)
		out.WriteString(f.rest(number, was+1, &depth) + "\n")
	}
	return out.String()
}

// none says that a comment moves with what is before it.
const none = math.MinInt

// shiftsOfComments returns for each line by how many columns a comment moves that stands there
// alone: with the next line that is no comment, if they stand below each other.
func (f *formatter) shiftsOfComments() []int {
	shifts := make([]int, len(f.lines))
	next := 0 // the line
	for number := len(f.lines); number > 0; number-- {
		line, was := f.line(number)
		shifts[number-1] = none
		switch {
		case len(trimmed(line)) == 0:
		case !f.comments[place{number, was + 1}]:
			next = number
		case next > 0:
			_, at := f.line(next)
			if indent, known := f.indents[next]; known && at == was {
				shifts[number-1] = indent - at
			}
		}
	}
	return shifts
}

// inText reports whether a line begins inside a text.
func (f *formatter) inText(number int) bool {
	at := place{number, 1}
	return slices.ContainsFunc(f.texts[number], func(s span) bool { return !at.before(s.start) && at.before(s.end) })
}

func (f *formatter) blanks(out *strings.Builder, n int) {
	out.WriteString(strings.Repeat(" ", max(0, n)))
}

// rest writes a line from a column on. Depth is how many brackets are open.
func (f *formatter) rest(number, column int, depth *int) string {
	line := f.lines[number-1]
	texts := f.texts[number]
	var out []rune
	for at := column; at <= len(line); at++ {
		here, ch := place{number, at}, line[at-1]
		if f.comments[here] {
			if len(out) > 0 && out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
			return strings.TrimRight(string(append(out, line[at-1:]...)), " \t")
		}
		for len(texts) > 0 && !here.before(texts[0].end) {
			texts = texts[1:]
		}
		if len(texts) > 0 && !here.before(texts[0].start) {
			if f.tight[here] && texts[0].start == here {
				out = oneBlank(out)
			}
			if texts[0].end.line > number {
				return string(append(out, line[at-1:]...)) // it keeps the blanks at the end of its lines
			}
			end := texts[0].end.column - 1
			out = append(out, line[at-1:end]...)
			at = end
			continue
		}
		switch {
		case f.flows[here]:
			*depth++
			if f.tight[here] {
				out = oneBlank(out)
			}
			out = append(out, ch)
			for at < len(line) && isBlank(line[at]) {
				at++
			}
			continue
		case *depth > 0 && (ch == ']' || ch == '}'):
			*depth--
			out = append(trimmed(out), ch)
			continue
		case *depth > 0 && ch == ',':
			out = append(trimmed(out), ch)
			behind := at
			for at < len(line) && isBlank(line[at]) {
				at++
			}
			switch {
			case f.comments[place{number, at + 1}]:
				out = append(out, line[behind:at]...) // comments may stand below each other
			case at < len(line) && !partsNumber(line, behind):
				out = append(out, ' ')
			}
			continue
		case f.tight[here]:
			out = oneBlank(out)
		}
		out = append(out, ch)
	}
	return string(trimmed(out))
}

// partsNumber reports whether a comma, behind which the index is, parts what was meant to be one
// number: the complaint about 12,5 looks for that.
func partsNumber(line []rune, behind int) bool {
	return behind > 1 && unicode.IsDigit(line[behind-2]) && unicode.IsDigit(line[behind])
}

func isBlank(ch rune) bool { return ch == ' ' || ch == '\t' }

// trimmed takes the blanks at the end away.
func trimmed(text []rune) []rune {
	for len(text) > 0 && isBlank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

// oneBlank leaves one blank behind a colon or a dash.
func oneBlank(text []rune) []rune {
	short := trimmed(text)
	if len(short) == len(text) || len(short) == 0 {
		return text
	}
	if last := short[len(short)-1]; last == ':' || last == '-' {
		return append(short, ' ')
	}
	return text
}
