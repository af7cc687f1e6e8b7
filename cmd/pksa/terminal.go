package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// textWidth is how wide texts are printed where no terminal says how wide it is.
const textWidth = 80

// columns returns how wide the terminal at a stream is; 0 if it is none.
func columns(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	wide, _, err := term.GetSize(int(file.Fd()))
	if err != nil || wide <= 0 {
		return textWidth
	}
	return max(wide, 40) // narrower ones would get a word a line
}

// amounts are what is never cut: a number with its unit.
var amounts = regexp.MustCompile(`\b[0-9]+([.,][0-9]+)*( [A-Z]{3,6}\b|%)?`)

// longWord is how long a word may be before it is shortened in the middle: an account's name fits,
// with a sign before it.
const longWord = 17

// fit shortens a text to a width. It first shortens long words in the middle, the longest first,
// and then cuts the end. No amount is cut.
func fit(text string, width int) string {
	for excess := utf8.RuneCountInString(text) - width; excess > 0; {
		words := strings.Split(text, " ")
		longest := 0
		for i, word := range words {
			if utf8.RuneCountInString(word) > utf8.RuneCountInString(words[longest]) {
				longest = i
			}
		}
		size := utf8.RuneCountInString(words[longest])
		if size <= longWord || amounts.FindString(words[longest]) == words[longest] {
			return cutEnd(text, width)
		}
		words[longest] = shortened(words[longest], max(longWord, size-excess))
		text = strings.Join(words, " ")
		excess = utf8.RuneCountInString(text) - width
	}
	return text
}

// shortened takes runes out of the middle of a word.
func shortened(word string, size int) string {
	runes := []rune(word)
	if len(runes) <= size || size < 3 {
		return word
	}
	head := size / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(size-head-1):])
}

// cutEnd cuts a text at a width, before an amount that would be cut.
func cutEnd(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	if width <= 1 {
		return "…"
	}
	end := len(string(runes[:width-1]))
	for _, at := range amounts.FindAllStringIndex(text, -1) {
		if at[0] < end && end < at[1] {
			end = at[0]
		}
	}
	return strings.TrimRight(text[:end], " ") + "…"
}
