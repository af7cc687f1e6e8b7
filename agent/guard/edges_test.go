package guard

import (
	"strings"
	"testing"

	"pksa/agent/node"
	"pksa/protocol/hive"
)

// authorityOf returns an authority whose value has so many bytes, of names of 16 characters and
// some that are shorter.
func authorityOf(size int) hive.Authority {
	const around, shortest, longest = len(",  weight 1"), 3, 16
	a := hive.Authority{WeightThreshold: 1}
	for left := size - len("threshold 1"); left > 0; {
		take := min(left, around+longest)
		if rest := left - take; rest > 0 && rest < around+shortest {
			take = left - around - shortest
		}
		name := hive.AccountName(strings.Repeat("a", take-around))
		a.AccountAuths = append(a.AccountAuths, hive.AccountWeight{Account: name, Weight: 1})
		left -= take
	}
	return a
}

// A value of so many bytes is kept as it is, and of a longer one its digest.
func TestValuesOfAnyLength(t *testing.T) {
	const most = 8 << 10
	for _, size := range []int{most - 1, most, most + 1} {
		s := situation(func(s *node.Situation) { s.Account.Posting = authorityOf(size) })
		if digest := strings.HasPrefix(s[Posting], "sha256 "); digest != (size > most) ||
			!digest && len(s[Posting]) != size {
			t.Errorf("of %d bytes %d are kept: %.80s", size, len(s[Posting]), s[Posting])
		}
	}
}
