package sorts_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"pksa/protocol/sorts"
)

// pair is more than a word, and has a number that nobody compares.
type pair struct {
	key    string
	number int
}

// Both sort as the functions of the standard library that they stand for.
func TestAsStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	byKey := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
	whole := func(a, b pair) int { return cmp.Or(byKey(a, b), cmp.Compare(a.number, b.number)) }
	for _, length := range []int{0, 1, 2, 11, 12, 13, 20, 21, 100, 1000} {
		list := make([]pair, length)
		for i := range list {
			list[i] = pair{string(rune('a' + random.IntN(26))), i}
		}
		random.Shuffle(length, func(i, j int) { list[i], list[j] = list[j], list[i] })
		want, got := slices.Clone(list), slices.Clone(list)
		slices.SortStableFunc(want, byKey)
		sorts.Stable(got, byKey)
		if !slices.Equal(got, want) {
			t.Errorf("%d elements, stable: %v, want %v", length, got, want)
		}
		slices.SortFunc(want, whole)
		got = slices.Clone(list)
		sorts.By(got, whole)
		if !slices.Equal(got, want) {
			t.Errorf("%d elements: %v, want %v", length, got, want)
		}
	}
}
