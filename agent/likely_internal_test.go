package agent

import (
	"slices"
	"testing"
)

func TestLikelyFirst(t *testing.T) {
	for n := range 3 * surelyNewest {
		list := make([]int, n)
		for i := range list {
			list[i] = i // how many were used later
		}
		tried := slices.Collect(likelyFirst(list))
		if each := slices.Sorted(slices.Values(tried)); !slices.Equal(each, list) {
			t.Fatalf("of %d, these are tried: %v", n, tried)
		}
		if first := min(n, surelyNewest); !slices.Equal(tried[:first], list[:first]) {
			t.Errorf("of %d, these are tried first: %v", n, tried[:first])
		}
		for at, i := range tried {
			if at > 2*i {
				t.Errorf("of %d, number %d is tried at place %d", n, i, at)
			}
			if fromEnd := n - 1 - i; at > surelyNewest+2*fromEnd+1 {
				t.Errorf("of %d, number %d from the end is tried at place %d", n, fromEnd, at)
			}
		}
		// Who has found it goes no further: a further call would panic.
		for most := range n {
			seen := 0
			for range likelyFirst(list) {
				if seen++; seen > most {
					break
				}
			}
		}
	}
}
