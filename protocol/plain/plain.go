// Package plain makes text from outside fit to show a person. What relays, nodes, applications and
// files say ends up in logs, on terminals and in questions to the operator. It must not steer a
// terminal, hide letters, show them in another order than they have, or begin a line of its own.
//
// There are three forms, and each is one line of valid UTF-8 in which a person sees every rune:
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

// Visible reports whether a person sees a rune as what it is: letters, marks, numbers, punctuation,
// symbols and the plain space. Control characters, other white space, and marks that set the
// direction of text (U+202E, U+200F, U+061C) are not visible. Neither are runes without a shape:
// zero-width and tag characters, soft hyphens, variation selectors, fillers, and what Unicode has
// not assigned. They can carry a second text that only machines read.
func Visible(r rune) bool {
	const brailleBlank = '\u2800' // a symbol to Unicode, nothing to the eye
	return unicode.IsPrint(r) && r != brailleBlank &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Line returns text as one line of at most limit bytes, with an ellipsis behind it if there was
// more. White space of any kind and length becomes one space, and none stays at the ends. What is
// not visible or not UTF-8 becomes U+FFFD, so that a person sees that something was there. The work
// is bounded by the white space skipped, not by the length of text.
func Line(text string, limit int) string {
	var b strings.Builder
	gap := ""
	for _, r := range text { // a byte that is no UTF-8 comes as U+FFFD
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
