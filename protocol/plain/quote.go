package plain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Quote returns text in double quotes, with the escapes of Go for quotes, backslashes and
// everything that is not visible. If text has more than limit bytes, it quotes the beginning, and
// an ellipsis follows. The ellipsis stands outside the quotes, so that no text can pretend to be
// cut. A result without an ellipsis is Go syntax for the same bytes.
func Quote(text string, limit int) string { return quoteHead(head(text, limit), text) }

// QuoteRunes quotes like [Quote], at most limit runes.
func QuoteRunes(text string, limit int) string { return quoteHead(headRunes(text, limit), text) }

func quoteHead(head, text string) string {
	if len(head) < len(text) {
		return quote(head) + Ellipsis
	}
	return quote(head)
}

func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1: // a byte that is not UTF-8
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case Visible(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		text = text[size:]
	}
	b.WriteByte('"')
	return b.String()
}

// Escape returns text with JSON's escapes, such as \u202e, for everything that is not visible, line
// breaks included. JSON on one line stays the same JSON. A byte that is not UTF-8 becomes U+FFFD.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case Visible(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
