package plain

import "unicode/utf8"

// Cut returns text if it has at most limit bytes. Otherwise it returns the whole runes among its
// first limit bytes, and an ellipsis. It cleans nothing.
func Cut(text string, limit int) string {
	if head := head(text, limit); len(head) < len(text) {
		return head + Ellipsis
	}
	return text
}

// CutRunes cuts like [Cut], to at most limit runes. A byte that is not UTF-8 counts as a rune.
func CutRunes(text string, limit int) string {
	if head := headRunes(text, limit); len(head) < len(text) {
		return head + Ellipsis
	}
	return text
}

// head returns the whole runes among the first limit bytes of text.
func head(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(limit, 0)
	// A border is near: runes have at most 4 bytes, and bytes that begin no rune stand alone.
	for back := 1; back < utf8.UTFMax && back <= end; back++ {
		if _, size := utf8.DecodeRuneInString(text[end-back:]); size > back {
			return text[:end-back]
		}
	}
	return text[:end]
}

// headRunes returns the first limit runes of text.
func headRunes(text string, limit int) string {
	for i := range text {
		if limit <= 0 {
			return text[:i]
		}
		limit--
	}
	return text
}
