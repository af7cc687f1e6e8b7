package plain

import "strings"

// Nearest returns the known word that a person probably meant, or "" if no known word is near. A
// word is near if at most one letter in three is wrong, and at most three letters are. Of two
// equally near words, the first in the alphabet wins. The case of word does not matter; known words
// are in lower case.
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

// DidYouMean returns the end of a complaint about an unknown word: a question that names the
// nearest known word, or nothing if nearest is "".
func DidYouMean(nearest string) string {
	if nearest == "" {
		return ""
	}
	return "; did you mean " + quote(nearest) + "?"
}

// distance returns the number of changes of a byte between a and b: inserted, dropped, replaced, or
// swapped with its neighbour.
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
