package plain

import (
	"fmt"
	"unicode"
)

// Undrawn reports whether no reader draws a rune: Unicode's default ignorable code points and the
// marks of interlinear annotations.
func Undrawn(r rune) bool { return unicode.Is(undrawn, r) }

// undrawn holds what [Undrawn] tells. The table stands here and not in package unicode, because a
// new version of Go must not change what is signed.
var undrawn = &unicode.RangeTable{
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

// Hidden reports whether nobody sees a rune in an editor: what is not drawn, control characters,
// marks that set the direction of text, and ends of lines that are no usual ones. A tab and a line
// feed are hidden here, too. Spaces of any width, letters of any script, private and unassigned
// runes are not.
func Hidden(r rune) bool {
	return Undrawn(r) || unicode.Is(blank, r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// blank holds letters, marks and symbols of Unicode that are nothing to the eye, or that stand for
// something which a text does not hold.
var blank = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // of Braille
		{Lo: 0xfffc, Hi: 0xfffc, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x13441, Hi: 0x13442, Stride: 1}, // of Egyptian
		{Lo: 0x16fe4, Hi: 0x16fe4, Stride: 1}, // of Khitan
		{Lo: 0x1d159, Hi: 0x1d159, Stride: 1}, // of music
	},
}

// OddSpace reports whether a rune looks like a space and is not the usual one.
func OddSpace(r rune) bool { return r != ' ' && unicode.Is(unicode.Zs, r) }

// hiddenKinds say what runes are, in the words of people. The first that has a rune tells.
var hiddenKinds = []struct {
	low, high rune
	what      string
}{
	{'\r', '\r', "a carriage return without a line feed, which ends the line for some programs"},
	{0x85, 0x85, "an end of line that editors do not show"},
	{0x2028, 0x2029, "an end of line that editors do not show"},
	{0x61c, 0x61c, "a mark that changes the direction of text"},
	{0x200e, 0x200f, "a mark that changes the direction of text"},
	{0x202a, 0x202e, "a mark that changes the direction of text"},
	{0x2066, 0x2069, "a mark that changes the direction of text"},
	{0xa0, 0xa0, "a no-break space"},
	{0xad, 0xad, "a soft hyphen"},
	{0x200b, 0x200b, "a space without width"},
	{0x200c, 0x200d, "a joiner without width"},
	{0x2060, 0x2060, "a joiner without width"},
	{0xfeff, 0xfeff, "a byte order mark"},
	{0x180b, 0x180d, "a selector of the form of the character before it"},
	{0xfe00, 0xfe0f, "a selector of the form of the character before it"},
	{0xe0100, 0xe01ef, "a selector of the form of the character before it"},
	{0xe0000, 0xe007f, "an invisible tag"},
	{0x115f, 0x1160, "a filler"},
	{0x3164, 0x3164, "a filler"},
	{0xffa0, 0xffa0, "a filler"},
	{0x16fe4, 0x16fe4, "a filler"},
	{0xfffc, 0xfffc, "a mark for an object that is not there"},
}

// Describe returns the number of a rune that is hard to see, and what it is: "U+200B, a space
// without width".
func Describe(r rune) string {
	what := "an invisible character"
	switch {
	case OddSpace(r):
		what = "a space that is not the usual one"
	case unicode.IsControl(r):
		what = "a control character"
	}
	for _, kind := range hiddenKinds {
		if kind.low <= r && r <= kind.high {
			what = kind.what
			break
		}
	}
	return fmt.Sprintf("%U, %s", r, what)
}
