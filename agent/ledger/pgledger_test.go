package ledger_test

import (
	"fmt"
	"testing"

	"pksa/agent/ledger/pg/pgtest"
)

// TestLedgerInDatabase fails commits of a ledger in a database, applied and not applied: what holds
// in a file holds there.
func TestLedgerInDatabase(t *testing.T) {
	server := pgtest.Start(t)
	stride := 5
	if testing.Short() {
		stride = 9
	}
	for fail := 1; fail <= 18; fail += stride {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d applied %v", fail, applied), func(t *testing.T) {
				tellWithFailure(t, options("test").InDatabase(server), fail, applied)
			})
		}
	}
}

// TestTrailInDatabase writes segments, drops what is in them, and reads all of the trail again.
func TestTrailInDatabase(t *testing.T) {
	server := pgtest.Start(t)
	r := newRigWith(t, options("test").WithSegment(40).InDatabase(server))
	r.slot("mybot")
	sessions := r.manySessions(100)
	r.inFlight(sessions, 150, 16)
	for range 2 {
		r.reopen()
		v, err := r.l.Verify(ctx)
		must(t, err)
		head, _ := r.l.Head()
		records := uint64(0)
		for _, err := range r.l.Audit(1) {
			must(t, err)
			records++
		}
		if head < 300 || records != head {
			t.Errorf("%d of %d records were read: %+v", records, head, v)
		}
	}
}
