package yamlnode

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// escapes warns of texts in double quotes that spell out a plain letter as an escape, or break a
// word in two: no search finds such a key, name or value, and who reviews the file reads past it.
// What writers of JSON escape by themselves, such as < and &, is no letter.
func (r *Reader) escapes(root *Node) {
	for _, n := range textsOf(nil, root) {
		if n.source.Style&yaml.DoubleQuotedStyle != 0 {
			r.escapesOf(n)
		}
	}
}

func (r *Reader) escapesOf(n *Node) {
	from := n.Column // behind the opening quote
	for number := n.Line; number <= len(r.lines); number++ {
		line := r.line(number)
		for i := from; i < len(line); i++ {
			switch {
			case line[i] == '"':
				return
			case line[i] != '\\':
			case i+1 == len(line):
				before, behind := line[max(i-1, 0)], []rune(strings.TrimLeft(r.lineText(number+1), " \t"))
				if len(behind) > 0 && inWord(before) && inWord(behind[0]) {
					r.Warn(&Node{Line: number, Column: i + 1}, "this backslash makes one word of what stands around "+
						"it, which no search finds; write the word on one line")
					return
				}
			default:
				if ch := escapedLetter(line[i+1:]); ch != 0 {
					r.Warn(&Node{Line: number, Column: i + 1}, "here is an escape that stands for %s, so no search "+
						"finds the word; write %[1]s itself", quote(string(ch)))
					return
				}
				i++
			}
		}
		from = 0
	}
}

// lineText returns a line, counted from 1; nothing if there is no such line.
func (r *Reader) lineText(number int) string {
	if number > len(r.lines) {
		return ""
	}
	return r.lines[number-1]
}

// inWord reports whether a character can be a part of a name, of a key or of a number.
func inWord(ch rune) bool {
	return 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' || ch > 127 ||
		strings.ContainsRune("-_.$", ch)
}

// escapedLetter returns the character of a word that an escape stands for, given what follows its
// backslash; 0 if it stands for another one.
func escapedLetter(text []rune) rune {
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[text[0]]
	if digits == 0 || len(text) <= digits {
		return 0
	}
	code, err := strconv.ParseUint(string(text[1:digits+1]), 16, 32)
	if err != nil || code > 127 || !inWord(rune(code)) {
		return 0
	}
	return rune(code)
}
