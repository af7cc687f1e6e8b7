package protocol

import "unicode/utf8"

// checkBounds refuses text that would be expensive to read, and allocates nothing: text that is not
// UTF-8, that nests too deep, or that has an object with too many names. Without it, a frame of one
// mebibyte of short names costs ten times its size in memory. It knows only strings, escapes,
// brackets and colons, so text that passes may still be no JSON.
func checkBounds(text []byte) (Reason, bool) {
	if !utf8.Valid(text) {
		return ReasonUTF8, false
	}
	var names [MaxDepth + 1]int // colons seen in the container at each depth
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '{', '[':
			if depth == MaxDepth {
				return ReasonDepth, false
			}
			depth++
			names[depth] = 0
		case '}', ']':
			if depth == 0 {
				return ReasonSyntax, false
			}
			depth--
		case ':':
			if names[depth]++; names[depth] > MaxNames {
				return ReasonNames, false
			}
		}
	}
	return "", true
}

// stringEnd returns the index of the quote that closes the string opened at start, or the length of
// the text.
func stringEnd[T []byte | string](text T, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text)
}
