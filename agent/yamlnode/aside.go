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
	gapOfBlanks = 40  // blanks in a row
	screenWide  = 120 // columns
	gapOfLines  = 100 // empty lines in a row
)

// aside warns of what stands beside or below the screen, behind nothing but blanks. No reason
// silences it: that would stand there, too.
func (r *Reader) aside() {
	empty := 0
	for i, line := range r.lines {
		column, gap := 0, 0
		seen, warned := false, false
		for _, ch := range line {
			column++
			if ch == ' ' || ch == '\t' || plain.OddSpace(ch) {
				gap++
				continue
			}
			if gap >= gapOfBlanks && column > screenWide && !warned {
				r.warnOfAside(i+1, column, fmt.Sprintf("what follows stands behind %d blanks, where no screen shows "+
					"it; write it on a line of its own, or nearer", gap))
				warned = true
			}
			if empty >= gapOfLines && !seen {
				r.warnOfAside(i+1, column, fmt.Sprintf("what follows stands behind %d empty lines, where a reader "+
					"takes the file to have ended; take them out", empty))
			}
			gap, seen = 0, true
		}
		empty++
		if seen {
			empty = 0
		}
	}
}

func (r *Reader) warnOfAside(line, column int, text string) {
	r.add(&Node{Line: line, Column: column}, Problem{Warning: true, Unseen: true, Text: text})
}

// TextLine is a line of the file that a text takes from its begin to its end.
type TextLine struct {
	Line   int
	Column int    // of its first character that is no blank, from 1
	Text   string // without blanks around it
}

// TextLines returns the lines of the file, but for empty ones, that stand inside texts of several
// lines, in quotes or in blocks, in their order, given the root that [Reader.Read] returned. To who
// reads the file, such a line can look like what the text is not.
func (r *Reader) TextLines(root *Node) (lines []TextLine) {
	_, spans := r.parts(root)
	for _, s := range spans {
		// The last line has a closing quote; behind a block it is the next one.
		for number := s.start.line; number < min(s.end.line, len(r.lines)+1); number++ {
			line := r.lines[number-1]
			if strings.Trim(line, " \t") == "" || number == s.start.line && s.start.column > 1 {
				continue
			}
			text := strings.TrimLeft(line, " \t")
			column := utf8.RuneCountInString(line) - utf8.RuneCountInString(text) + 1
			lines = append(lines, TextLine{number, column, strings.TrimRight(text, " \t")})
		}
	}
	return lines
}
