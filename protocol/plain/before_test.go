package plain_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
)

// The eight cleaners as they were, run over the same runes: which of them let a rune through?
func TestBefore(t *testing.T) {
	cleaners := []struct {
		letter string
		clean  func(string) string
	}{
		{"n", func(text string) string { // agent/node
			text = strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x80 && r < 0xa0 || r >= 0x2028 && r <= 0x202e ||
					r >= 0x2066 && r <= 0x2069 {
					return ' '
				}
				return r
			}, text)
			return strings.Join(strings.Fields(text), " ")
		}},
		{"l", func(s string) string { // agent/link
			return strings.Map(func(r rune) rune {
				if unicode.IsPrint(r) {
					return r
				}
				return unicode.ReplacementChar
			}, s)
		}},
		{"g", func(s string) string { return fmt.Sprintf("%q", s) }}, // agent/ledger, whose one caller quoted
		{"e", strconv.Quote}, // agent/effect.go
		{"r", func(text string) string { // agent/policy/report.go
			var b strings.Builder
			for _, r := range text {
				if strconv.IsPrint(r) {
					b.WriteRune(r)
				} else {
					b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
				}
			}
			return b.String()
		}},
		{"p", strconv.Quote}, // agent/policy/problem.go
		{"c", strconv.Quote}, // agent/client
		{"w", func(text string) string { // cmd/pksa/auditwords.go
			var b strings.Builder
			for _, r := range text {
				switch {
				case r == '\n' || r == '\t' || unicode.IsPrint(r):
					b.WriteRune(r)
				case r > 0xffff:
					high, low := utf16.EncodeRune(r)
					fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
				default:
					fmt.Fprintf(&b, `\u%04x`, r)
				}
			}
			return b.String()
		}},
	}
	for _, c := range hidden {
		var went string
		for _, one := range cleaners {
			if strings.ContainsRune(one.clean("a"+string(c.r)+"b"), c.r) {
				went += one.letter
			}
		}
		if went != c.went {
			t.Errorf("%U %s: let through by %q, recorded as %q", c.r, c.name, went, c.went)
		}
	}
}
