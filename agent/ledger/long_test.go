package ledger_test

import (
	"flag"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pksa/agent/ledger"
)

var longTrail = flag.Int("records", 50_000,
	"how many records the audit trail has in the test of its growth; a long run takes 10000000")

// TestLongTrail: what is admitted costs the same however long the audit trail is, and the ledger's
// file stays as it is.
func TestLongTrail(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a ledger")
	}
	r := newRig(t)
	r.o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "key")
	r.fill(10_000) // so that segments are written already when the first times are taken
	first := r.usual(s)
	size := r.l.TestingSize()
	began := time.Now()
	r.fill(*longTrail)
	took := time.Since(began)
	last := r.usual(s)
	t.Logf("%d records in %s; a request took %s before and takes %s now, the file %d bytes and %d", *longTrail, took,
		first, last, size, r.l.TestingSize())
	if last > 3*first+2*time.Millisecond {
		t.Errorf("a request takes %s, it took %s", last, first)
	}
	if now := r.l.TestingSize(); now > 4*size {
		t.Errorf("the file has %d bytes, it had %d", now, size)
	}
	began = time.Now()
	r.reopen()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("opening takes %s", took)
	} else {
		t.Logf("opening takes %s", took)
	}
}

// fill adds so many records to the trail.
func (r *rig) fill(n int) {
	r.t.Helper()
	e := ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Account: "alice", Content: make([]byte, 100)}
	for i := range n {
		must(r.t, r.l.Note(e))
		if i%4096 == 0 {
			must(r.t, r.l.Flush(ctx))
		}
	}
	must(r.t, r.l.Flush(ctx))
}

// usual is how long a request takes, one at a time: the middle of many.
func (r *rig) usual(s *ledger.Session) time.Duration {
	r.t.Helper()
	times := make([]time.Duration, 300)
	for i := range times {
		began := time.Now()
		must(r.t, r.whole(s, nonces.Add(1)))
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
