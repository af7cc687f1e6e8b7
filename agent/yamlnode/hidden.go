package yamlnode

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"pksa/protocol/plain"
)

// decoded returns a file as UTF-8. The second result is false if it is neither that nor UTF-16 with
// a byte order mark.
func decoded(src []byte) (string, bool) {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case utf8.Valid(src):
		return strings.TrimPrefix(string(src), "\ufeff"), true
	case len(src) < 2:
		return "", false
	case src[0] == 0xfe && src[1] == 0xff:
		order = binary.BigEndian
	case src[0] != 0xff || src[1] != 0xfe:
		return "", false
	}
	var units []uint16
	for i := 2; i+1 < len(src); i += 2 {
		units = append(units, order.Uint16(src[i:]))
	}
	return string(utf16.Decode(units)), true
}

// linesOf splits a text as editors do.
func linesOf(text string) []string {
	return strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
}

// mostHidden is how many hidden characters of a file are complained about one by one.
const mostHidden = 20

// hidden complains about characters that nobody sees, comments included: what a person reads must
// be what is in force. It reports whether there are any. Only where comments are is not known yet,
// so it puts styles of pictures aside for [Reader.stylesOutside].
func (r *Reader) hidden(lines []string) bool {
	found := 0
	for i, line := range lines {
		column, before := 0, rune(0)
		for _, ch := range line {
			column++
			last := before
			before = ch
			switch at := (place{i + 1, column}); {
			case ch == '\t' || !plain.Hidden(ch):
			case ch == emojiStyle && isPicture(last):
				r.styles = append(r.styles, at)
			default:
				if found++; found <= mostHidden {
					r.complainOfHidden(at, ch)
				}
			}
		}
	}
	if found > mostHidden {
		r.Complain(&Node{Line: len(lines), Column: 1}, "%d more characters that nobody sees are not listed",
			found-mostHidden)
	}
	return found > 0
}

func (r *Reader) complainOfHidden(at place, ch rune) {
	r.Complain(&Node{Line: at.line, Column: at.column}, "here is a character that nobody sees (%s); leave it out%s",
		plain.Describe(ch), escapeHint(ch))
}

// emojiStyle has the symbol before it shown as a picture. Keyboards write it behind many symbols,
// and in a comment it hides nothing.
const emojiStyle = '\ufe0f'

// isPicture reports whether a character is a symbol that is seen, or another one that Unicode shows
// as a picture.
func isPicture(ch rune) bool {
	return ch > unicode.MaxASCII && !plain.Hidden(ch) && ch != utf8.RuneError &&
		(unicode.In(ch, unicode.So, unicode.Sm) || strings.ContainsRune("\u203c\u2049\u2139\u3030\u303d", ch))
}

// stylesOutside complains about styles of pictures that stand in no comment, of the file with that
// root. It reports whether there are any.
func (r *Reader) stylesOutside(root *Node) bool {
	if len(r.styles) == 0 {
		return false
	}
	behind := map[int]int{} // by line, where its comment begins
	for _, c := range r.Comments(root) {
		behind[c.Line] = c.Column
	}
	found := 0
	for _, at := range r.styles {
		if column, ok := behind[at.line]; ok && column < at.column {
			continue
		}
		if found++; found <= mostHidden {
			r.complainOfHidden(at, emojiStyle)
		}
	}
	return found > 0
}

// escapeHint returns how a text holds the character on purpose.
func escapeHint(ch rune) string {
	return fmt.Sprintf(`, or write "%s" inside a text in double quotes if it belongs there`, escaped(ch))
}

// escaped returns the escape of YAML for a character.
func escaped(ch rune) string {
	switch {
	case ch > 0xffff:
		return fmt.Sprintf(`\U%08x`, ch)
	case ch > 0xff:
		return fmt.Sprintf(`\u%04x`, ch)
	}
	return fmt.Sprintf(`\x%02x`, ch)
}

var (
	// A space at one of these places looks like the one that YAML wants there.
	structureBefore = regexp.MustCompile(`(?:^|[-:,?\[\]{}&*!|>'"%@#])[\p{Zs}\t]*$`)
	structureBehind = regexp.MustCompile(`^[\p{Zs}\t]*(?:$|[-:,?\[\]{}&*!|>'"%@#])`)
)

// oddSpaces looks at spaces that are not the usual one. Where YAML wants a blank, or at the end of
// a line, they make something else of the line than what it shows. Inside a text they are a
// character that a person may not have meant. In comments they mean nothing.
func (r *Reader) oddSpaces(root *Node) {
	var odd []place
	for i, line := range r.lines {
		column := 0
		for _, ch := range line {
			if column++; plain.OddSpace(ch) {
				odd = append(odd, place{i + 1, column})
			}
		}
	}
	if odd == nil {
		return
	}
	comments, texts := r.parts(root)
	for _, at := range odd {
		for len(comments) > 0 && comments[0].Line < at.line {
			comments = comments[1:]
		}
		for len(texts) > 0 && !at.before(texts[0].end) {
			texts = texts[1:]
		}
		line := r.line(at.line)
		ch, n := line[at.column-1], &Node{Line: at.line, Column: at.column}
		inText := len(texts) > 0 && !at.before(texts[0].start)
		switch {
		case len(comments) > 0 && comments[0].Line == at.line && comments[0].Column < at.column:
		case !inText && (structureBefore.MatchString(string(line[:at.column-1])) ||
			structureBehind.MatchString(string(line[at.column:]))):
			r.Complain(n, "here is %s, which looks like a blank and is none; write a blank instead", plain.Describe(ch))
		default:
			r.add(n, Problem{Warning: true, Unseen: true, Text: fmt.Sprintf(`here is %s, which looks like a blank and `+
				`is none; write a blank, or "%s" inside a text in double quotes if it is meant`, plain.Describe(ch),
				escaped(ch))})
		}
	}
}
