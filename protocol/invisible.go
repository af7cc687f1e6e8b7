package protocol

import (
	"unicode"
	"unicode/utf8"
)

const (
	zeroWidthNonJoiner = 0x200c
	zeroWidthJoiner    = 0x200d
	textStyle          = 0xfe0e // shows the symbol before it as text
	emojiStyle         = 0xfe0f // shows it as a picture
	keycap             = 0x20e3
)

// joiningScripts are the scripts whose letters change their form by a joiner, so that it is seen.
var joiningScripts = []*unicode.RangeTable{unicode.Arabic, unicode.Bengali, unicode.Devanagari, unicode.Gujarati,
	unicode.Gurmukhi, unicode.Kannada, unicode.Khmer, unicode.Malayalam, unicode.Mongolian, unicode.Myanmar,
	unicode.Oriya, unicode.Sinhala, unicode.Syriac, unicode.Tamil, unicode.Telugu}

// joins reports whether the invisible character at text[i:i+size] belongs to what is seen around
// it: between two letters of a script with joiners, or as a part of an emoji.
func joins(text string, i, size int) bool {
	r, _ := utf8.DecodeRuneInString(text[i:])
	// At the ends of the text these are U+FFFD, which counts as a symbol but is never drawn here.
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	after, _ := utf8.DecodeRuneInString(text[i+size:])
	if before == utf8.RuneError {
		return false
	}
	switch r {
	case zeroWidthJoiner:
		if isPicture(before) && unicode.Is(unicode.So, after) && after != utf8.RuneError {
			return true
		}
		fallthrough
	case zeroWidthNonJoiner:
		return unicode.In(before, joiningScripts...) && unicode.In(after, joiningScripts...)
	case textStyle, emojiStyle:
		return unicode.Is(unicode.So, before) || after == keycap
	}
	return false
}

// isPicture reports whether r ends a picture to which a joiner may add the next: the symbol itself,
// its colour of skin, or its style.
func isPicture(r rune) bool { return unicode.In(r, unicode.So, unicode.Sk) || r == emojiStyle }
