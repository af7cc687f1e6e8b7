package relay

import (
	"fmt"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// FuzzEdges draws how many come, and when, to a row of the table of bounds, around its number: the
// proofs of an account that are remembered, the accounts that have answered a connection, and the
// frames that are read at once.
func FuzzEdges(f *testing.F) {
	for row := range uint8(3) {
		for _, beside := range []int8{-1, 0, 1, 2} {
			f.Add(row, beside, uint8(3), uint16(100))
			f.Add(row, beside, uint8(200), uint16(100))
		}
	}
	f.Fuzz(func(t *testing.T, row uint8, beside int8, step uint8, bound uint16) {
		begun := time.Unix(1_800_000_000, 0)
		switch row % 3 {
		case 0: // proofs, which are good for a while; some of them have expired when the last come
			var p spentProofs
			life := time.Duration(1+int(step)) * time.Second
			count, until := max(0, maxSpentOfAccount+int(beside)), []time.Time{}
			for n := range count {
				now := begun.Add(time.Duration(n) * 300 * time.Millisecond)
				kept := until[:0]
				for _, u := range until {
					if now.Before(u) {
						kept = append(kept, u)
					}
				}
				until = kept
				want := len(until) < maxSpentOfAccount
				if got := p.spend("alice", spentProof{nonce: uint64(n), until: now.Add(life)}, now); got != want {
					t.Fatalf("proof %d of life %v is taken: %t, and %d are remembered", n, life, got, len(until))
				}
				if want {
					until = append(until, now.Add(life))
					if p.spend("alice", spentProof{nonce: uint64(n), until: now.Add(life)}, now) {
						t.Fatalf("proof %d is taken twice", n)
					}
				}
			}
		case 1: // accounts that have answered: forgotten all at once
			s := &socket{answered: map[hive.AccountName]struct{}{}}
			count, names := max(0, maxAnswered+int(beside)), 0
			for n := range count {
				name := hive.AccountName(fmt.Sprint("name-", n))
				if names == maxAnswered {
					names = 0
				}
				names++
				s.noteAnsweredLocked(name)
				s.noteAnsweredLocked(name) // it counts once
				if len(s.answered) != names || !s.wasAnswered(name) {
					t.Fatalf("after %d accounts %d are remembered, want %d", n+1, len(s.answered), names)
				}
			}
		case 2: // frames: so many at once, and each of the others a turn later
			var p pace
			atOnce, each := 1+int(bound%2000), time.Second/time.Duration(1+int(step))
			for n := 1; n <= max(1, atOnce+int(beside)); n++ {
				wait, _ := p.reserve(begun, each, atOnce, 1, 1<<62)
				if want := time.Duration(max(0, n-atOnce)) * each; wait != want {
					t.Fatalf("frame %d of %d at once waits for %v, want %v", n, atOnce, wait, want)
				}
			}
		}
	})
}
