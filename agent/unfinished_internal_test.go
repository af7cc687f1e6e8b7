package agent

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// The ids of the last minutes are looked for from the newest record on, in steps that double, and
// no further than needed: the next record may stand in a large file. Around a record that cannot be
// read the steps begin with one again, so that nothing beside it is missed.
func TestIDsAreLookedForInGrowingSteps(t *testing.T) {
	for _, tt := range []struct {
		name   string
		newer  int    // records of the last minutes
		lost   uint64 // record that cannot be read
		ranges string // that are read
		known  int    // ids
		waits  bool
	}{
		{"none", 0, 0, "[99 100)", 0, false},
		{"one", 1, 0, "[99 100) [97 99)", 1, false},
		{"twenty", 20, 0, "[99 100) [97 99) [93 97) [85 93) [69 85)", 20, false},
		{"the fourth is lost", 20, 96, "[99 100) [97 99) [93 97) [96 97)", 3, true},
		{"the seventh is lost", 20, 94, "[99 100) [97 99) [93 97) [96 97) [94 96) [95 96) [93 95) [94 95)", 5, true},
		{"what is lost is older", 3, 90, "[99 100) [97 99) [93 97)", 3, false},
		{"all", 99, 0, "[99 100) [97 99) [93 97) [85 93) [69 85) [37 69) [1 37)", 99, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPayments(t)
			defer func() { _ = p.l.Close() }()
			a, ranges := &Agent{ledger: p.l, log: slog.New(slog.DiscardHandler)}, ""
			now := p.l.Now()
			idOf := func(n uint64) hive.TxID { return hive.TxID{byte(n), 1} }
			a.rememberBefore(100, func(from, to uint64) (list []madeAt, ok bool) {
				ranges += fmt.Sprintf(" [%d %d)", from, to)
				for n := from; n < to; n++ {
					at := now.Add(-maxSkew - time.Second)
					if n >= 100-uint64(tt.newer) {
						at = now.Add(-time.Second)
					}
					list = append(list, madeAt{n, idOf(n), at})
				}
				return list, tt.lost < from || tt.lost >= to
			})
			if ranges != " "+tt.ranges {
				t.Errorf("read:%s, want %s", ranges, tt.ranges)
			}
			known := 0
			for n := range uint64(100) {
				if !a.recent.take(idOf(n), now.Add(time.Minute), now) && n >= 100-uint64(tt.newer) {
					known++
				}
			}
			if waits := a.recent.waits(time.Now()); known != tt.known || waits != tt.waits {
				t.Errorf("%d ids of the last minutes are known, want %d; waits: %v", known, tt.known, waits)
			}
		})
	}
}

// Of the ids of transactions that may be on their way so many are kept. With more, nothing is made
// until some have expired; and where one of an earlier process has no room, none for its time.
func TestRecentIDsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 100_000
	now := time.Unix(1_700_000_000, 0)
	expires := now.Add(time.Minute)
	var ids recentIDs
	idOf := func(n int) hive.TxID { return hive.TxID{byte(n), byte(n >> 8), byte(n >> 16), 1} }
	for n := range most + 2 {
		if ok := ids.take(idOf(n), expires, now); ok != (n < most) {
			t.Fatalf("the id after %d others is taken: %t", n, ok)
		}
	}
	ids.remember(idOf(1), expires, now)
	if ids.waits(now) {
		t.Error("an id that is known keeps others from being made")
	}
	ids.remember(idOf(most), expires, now)
	if last := expires.Add(maxSkew); !ids.waits(last.Add(-1)) || ids.waits(last) {
		t.Error("an id of an earlier process without room keeps no other from being made")
	}
	if ids.take(idOf(most), expires, expires.Add(maxSkew)) {
		t.Error("an id is forgotten while its transaction could be on its way")
	}
	if !ids.take(idOf(most), expires, expires.Add(maxSkew+time.Second)) {
		t.Error("there is no room, though all have expired")
	}
}
