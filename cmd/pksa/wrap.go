package main

import (
	"strings"
	"unicode/utf8"
)

// wrapped breaks the lines of a text that are wider than a terminal, between words. Lines go on two
// columns further in. A command between backquotes stays on one line if it fits there: people copy
// it. Words that are too long, such as keys and links, stay whole. Width 0 is no terminal, where
// lines stay as they are for programs that read them.
func wrapped(text string, width int) string {
	if width <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = wrappedLine(line, width)
	}
	return strings.Join(lines, "\n")
}

func wrappedLine(line string, width int) string {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	next := strings.Repeat(" ", min(indent+2, width/2))
	var done strings.Builder
	for begin := indent; utf8.RuneCountInString(line) > width; begin = len(next) {
		at := breakAt(line, begin, width)
		if at < 0 {
			break
		}
		done.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = next + strings.TrimLeft(line[at:], " ")
	}
	return done.String() + line
}

// breakAt returns the place of the blank at which a line is broken: the last within the width that
// stands in no command, or else the last one, or the first beyond the width; -1 if there is none.
func breakAt(line string, begin, width int) int {
	best, inside, beyond := -1, -1, -1
	quoted, column := false, 0
	for i, r := range line {
		switch {
		case r == '`':
			quoted = !quoted
		case r != ' ' || i <= begin:
		case column > width:
			if beyond < 0 {
				beyond = i
			}
		case quoted:
			inside = i
		default:
			best = i
		}
		column++
	}
	switch {
	case best >= 0:
		return best
	case inside >= 0:
		return inside
	}
	return beyond
}
