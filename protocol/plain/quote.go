package plain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Quote returns text in double quotes, with escapes as in Go for quotes, backslashes and for all
// that is not visible. Of a text with more than limit bytes it quotes the beginning. The ellipsis
// then stands outside of the quotes, where no text can put one. An uncut result is Go syntax and
// unquotes to the same bytes.
func Quote(text string, limit int) string { return quoteHead(head(text, limit), text) }

// QuoteRunes is Quote for at most limit runes.
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
		case r == utf8.RuneError && size == 1: // this byte is no UTF-8
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

// Escape returns text with all that is not visible, line breaks included, written as JSON writes it
// inside of texts: \u202e. So JSON on one line stays the same JSON. What is not UTF-8 becomes
// U+FFFD.
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
