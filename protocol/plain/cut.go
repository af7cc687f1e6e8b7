package plain

import "unicode/utf8"

// Cut returns text if it has at most most bytes. Otherwise it returns the whole runes among its
// first most bytes, and an ellipsis. It cleans nothing.
func Cut(text string, most int) string {
	if head := head(text, most); len(head) < len(text) {
		return head + Ellipsis
	}
	return text
}

// CutRunes is Cut for at most most runes. A byte that is no UTF-8 counts as a rune.
func CutRunes(text string, most int) string {
	if head := headRunes(text, most); len(head) < len(text) {
		return head + Ellipsis
	}
	return text
}

// head returns the whole runes among the first most bytes of text.
func head(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := max(most, 0)
	// A border is near: runes have at most 4 bytes, and bytes that begin no rune stand alone.
	for back := 1; back < utf8.UTFMax && back <= end; back++ {
		if _, size := utf8.DecodeRuneInString(text[end-back:]); size > back {
			return text[:end-back]
		}
	}
	return text[:end]
}

// headRunes returns the first most runes of text.
func headRunes(text string, most int) string {
	for i := range text {
		if most <= 0 {
			return text[:i]
		}
		most--
	}
	return text
}
