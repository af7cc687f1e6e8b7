package yamlnode

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"pksa/protocol/plain"
)

// What stands far from all else is not on the screen of who reviews the file. The bounds are beyond
// what people write to align something.
const (
	gapOfBlanks = 40  // columns of blanks and tabs in a row
	screenWide  = 80  // columns
	commentWide = 120 // columns: comments stand farther to the right
	gapOfLines  = 100 // empty lines in a row
	tabWide     = 8   // columns from one stop of tabs to the next, as where nothing else is set
)

// aside warns of what stands beside or below the screen, behind nothing but blanks. No reason
// silences it: that would stand there, too.
func (r *Reader) aside() {
	empty := 0
	for i, line := range r.lines {
		// What is seen is a number of columns, of which a tab takes up to eight; what is said is
		// the number of characters.
		column, screen, gap := 0, 0, 0
		seen, warned, tabs := false, false, false
		says := strings.Trim(line, " \t#") != "" // a comment of nothing is empty, too
		for _, ch := range line {
			column++
			wide := 1
			if ch == '\t' {
				wide = tabWide - screen%tabWide
			}
			screen += wide
			if ch == ' ' || ch == '\t' || plain.OddSpace(ch) {
				gap, tabs = gap+wide, tabs || ch == '\t'
				continue
			}
			if gap >= gapOfBlanks && (screen > commentWide || screen > screenWide && ch != '#') && !warned {
				blanks := "blanks"
				if tabs {
					blanks = "columns of tabs"
				}
				r.warnOfAside(i+1, column, fmt.Sprintf("what follows stands behind %d %s, where no screen shows "+
					"it; write it on a line of its own, or nearer", gap, blanks))
				warned = true
			}
			if empty >= gapOfLines && !seen && says {
				r.warnOfAside(i+1, column, fmt.Sprintf("what follows stands behind %d empty lines, where a reader "+
					"takes the file to have ended; take them out", empty))
			}
			gap, seen, tabs = 0, true, false
		}
		empty++
		if seen && says {
			empty = 0
		}
	}
}

// Beyond these, a key is not read by who looks through a file. People write rules on one line that
// are nearly as long, scripts write the whole file on one.
const (
	farKey   = 500 // columns
	behindIn = 200 // columns, behind a text that fills most of them
	longText = 150 // characters
)

// farRight warns of keys that stand far to the right behind others: once for each line.
func (r *Reader) farRight(root *Node) {
	used := 0
	for _, line := range r.lines {
		if strings.TrimSpace(line) != "" {
			used++
		}
	}
	if used > 1 {
		r.farWithin(root, map[int]bool{})
	}
}

func (r *Reader) farWithin(n *Node, said map[int]bool) {
	for _, item := range n.Items {
		r.farWithin(item, said)
	}
	for i, e := range n.Entries {
		far := e.Key.Column > farKey
		if i > 0 && e.Key.Column > behindIn {
			before := n.Entries[i-1].Value
			far = far || before.Kind == Scalar && before.Line == e.Key.Line && len(before.Text) >= longText
		}
		if far && !said[e.Key.Line] {
			said[e.Key.Line] = true
			r.warnOfAside(e.Key.Line, e.Key.Column, "this key stands far to the right, where nobody reads on; write "+
				"it on a line of its own")
		}
		r.farWithin(e.Value, said)
	}
}

func (r *Reader) warnOfAside(line, column int, text string) {
	r.add(&Node{Line: line, Column: column}, Problem{Warning: true, Unseen: true, Text: text})
}

// TextLine is a line of the file that a text takes from its begin to its end, or to the quote that
// closes the text.
type TextLine struct {
	Line   int
	Column int    // of its first character that is no blank, from 1
	Text   string // without blanks around it, and without the backslash that joins it with the next
}

// TextLines returns the lines of the file, but for empty ones, that stand inside texts of several
// lines, in quotes or in blocks, in their order, given the root that [Reader.Read] returned. To who
// reads the file, such a line can look like what the text is not.
func (r *Reader) TextLines(root *Node) (lines []TextLine) {
	_, spans := r.parts(root)
	for _, s := range spans {
		// Behind a block the end is the begin of the next line.
		for number := s.start.line; number <= min(s.end.line, len(r.lines)); number++ {
			line := r.lines[number-1]
			if number == s.end.line {
				line = string(r.line(number)[:max(s.end.column-2, 0)])
			}
			if strings.Trim(line, " \t") == "" || number == s.start.line && s.start.column > 1 {
				continue
			}
			text := strings.TrimLeft(line, " \t")
			column := utf8.RuneCountInString(line) - utf8.RuneCountInString(text) + 1
			// A backslash at the end of a line joins it with the next one.
			lines = append(lines, TextLine{number, column, strings.TrimRight(strings.TrimSuffix(text, `\`), " \t")})
		}
	}
	return lines
}
