// Package plain makes text from outside fit to show to a person. Texts of relays, nodes,
// applications and files appear in logs, on terminals and in questions to the operator. They must
// not control a terminal, hide letters, change their order on the screen, or begin a new line.
//
// There are three forms. Each is one line of valid UTF-8 in which every rune is visible:
//   - [Line] for sentences of others, where reading matters more than every byte;
//   - [Quote] for names and texts inside a sentence of ours, exact and with quotes around;
//   - [Escape] for JSON, which stays JSON.
//
// [Cut] and [CutRunes] bound a text. [Nearest] finds the word that a person probably meant.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ellipsis stands where a text was cut.
const Ellipsis = "…"

// Visible reports whether a person sees a rune. Letters, marks, numbers, punctuation, symbols and
// the plain space are visible. Not visible are control characters, other white space, marks that
// set the direction of text (U+202E, U+200F, U+061C), and runes without a shape: zero-width and tag
// characters, soft hyphens, variation selectors, fillers, private and unassigned runes. Such runes
// can carry a second text that only machines read.
func Visible(r rune) bool {
	return unicode.IsPrint(r) && !Hidden(r)
}

// Line returns text as one line of at most limit bytes, with an ellipsis behind it if there was
// more. White space of any kind and length becomes one space, and none stays at the ends. Each rune
// that is not visible, and each byte that is not UTF-8, becomes U+FFFD, so that a person sees that
// something was there.
func Line(text string, limit int) string {
	var b strings.Builder
	gap := ""
	for _, r := range text { // a byte that is not UTF-8 comes as U+FFFD
		if unicode.IsSpace(r) {
			if b.Len() > 0 {
				gap = " "
			}
			continue
		}
		if !Visible(r) {
			r = utf8.RuneError
		}
		if b.Len()+len(gap)+utf8.RuneLen(r) > limit {
			return b.String() + Ellipsis
		}
		b.WriteString(gap)
		b.WriteRune(r)
		gap = ""
	}
	return b.String()
}
