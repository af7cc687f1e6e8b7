package protocol

import (
	"unicode"
	"unicode/utf8"
)

// invisible holds the characters that no reader draws: Unicode's default ignorable code points and
// the marks of interlinear annotations. The table stands here and not in package unicode, because a
// new version of Go must not change what is signed.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1}, // soft hyphen
		{Lo: 0x034f, Hi: 0x034f, Stride: 1},
		{Lo: 0x061c, Hi: 0x061c, Stride: 1}, // Arabic letter mark
		{Lo: 0x115f, Hi: 0x1160, Stride: 1},
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1},
		{Lo: 0x180b, Hi: 0x180f, Stride: 1},
		{Lo: 0x200b, Hi: 0x200f, Stride: 1}, // zero width space, joiners, marks of direction
		{Lo: 0x202a, Hi: 0x202e, Stride: 1},
		{Lo: 0x2060, Hi: 0x206f, Stride: 1}, // word joiner, invisible operators
		{Lo: 0x3164, Hi: 0x3164, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // variation selectors
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, // byte order mark
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
		{Lo: 0xfff0, Hi: 0xfffb, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1bca0, Hi: 0x1bca3, Stride: 1},
		{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1},
		{Lo: 0xe0000, Hi: 0xe0fff, Stride: 1}, // tags, more variation selectors
	},
	LatinOffset: 1,
}

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
