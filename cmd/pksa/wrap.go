package main

import (
	"strings"
	"unicode/utf8"
)

// wrapped breaks the lines of a text that are wider than a terminal, between words. Lines go on two
// columns further in. People copy commands: one between backquotes stays on one line, and one that
// says where the home is and stands alone on a line stays so, however long they are. Words that are
// too long, such as keys and links, stay whole as well. Width 0 is no terminal, where lines stay as
// they are for programs that read them.
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
	if strings.HasPrefix(line[indent:], "pksa --home ") {
		return line
	}
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
// stands in no command, or else the first beyond the width; -1 if there is none.
func breakAt(line string, begin, width int) int {
	best, beyond := -1, -1
	quoted, column := false, 0
	for i, r := range line {
		switch {
		case r == '`':
			quoted = !quoted
		case r != ' ' || i <= begin || quoted:
		case column > width:
			if beyond < 0 {
				beyond = i
			}
		default:
			best = i
		}
		column++
	}
	if best >= 0 {
		return best
	}
	return beyond
}
