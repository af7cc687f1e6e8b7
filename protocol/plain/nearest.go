package plain

import "strings"

// Nearest returns the one of known that word was probably meant to be, or "" if none is near: not
// more than one letter in three is wrong, and not more than three are. Among equals the first in
// the alphabet wins. The case of word does not matter; known words are in lower case.
func Nearest(word string, known []string) string {
	best, least := "", min(1+max(len(word), 3)/3, 4)
	for _, candidate := range known {
		d := distance(strings.ToLower(word), candidate)
		if d < least || d == least && best != "" && candidate < best {
			best, least = candidate, d
		}
	}
	return best
}

// DidYouMean returns what to add to a complaint about a word: a question for the nearest known one,
// or nothing if that is "".
func DidYouMean(nearest string) string {
	if nearest == "" {
		return ""
	}
	return "; did you mean " + quote(nearest) + "?"
}

// distance returns how many bytes of a and b differ: inserted, dropped, replaced, or swapped with
// their neighbour.
func distance(a, b string) int {
	const most = 64 // no known word is longer, and a long one would cost time and memory
	if len(a) > most || len(b) > most {
		return most
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
