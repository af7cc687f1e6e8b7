package ledger_test

import (
	"flag"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"pksa/agent/ledger"
)

var longTrail = flag.Int("records", 50_000,
	"how many records the audit trail has in the test of its growth; .ci/long takes 5000000")

// work is what a request or a start costs: what does not depend on how busy the machine is.
type work struct {
	reads int64 // from the store: a value, or a few hundred in a row
	pages int64 // bytes of pages written
}

// TestLongTrail: what is admitted costs the same however long the audit trail is, and so does a
// start, and the ledger's file stays as it is.
func TestLongTrail(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a ledger")
	}
	r, reads := newQuietRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "key")
	r.fill(10_000) // so that segments are written already when the first look is taken
	opening := r.openingReads(reads)
	first, size := r.usual(s, reads), r.l.TestingSize()
	r.fill(*longTrail)
	last := r.usual(s, reads)
	t.Logf("%d records: a request took %+v before and takes %+v now, the file %d bytes and %d", *longTrail, first, last,
		size, r.l.TestingSize())
	if last.reads > first.reads || last.pages > 2*first.pages {
		t.Errorf("a request takes %+v, it took %+v", last, first)
	}
	if now := r.l.TestingSize(); now > 4*size {
		t.Errorf("the file has %d bytes, it had %d", now, size)
	}
	again := r.openingReads(reads)
	t.Logf("a start took %d reads before and takes %d now", opening, again)
	if again > 2*opening+20 {
		t.Errorf("a start takes %d reads, it took %d", again, opening)
	}
}

// newQuietRig is a ledger that logs nothing and counts what is read from its store.
func newQuietRig(t testing.TB) (*rig, *atomic.Int64) {
	r, reads := newRig(t), new(atomic.Int64)
	r.o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	r.around(func(op string, do func() error) error {
		if op == "get" || op == "list" {
			reads.Add(1)
		}
		return do()
	})
	return r, reads
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

// usual is what a request takes, one at a time: the middle of many, so that a segment that is
// written meanwhile does not count.
func (r *rig) usual(s *ledger.Session, reads *atomic.Int64) work {
	r.t.Helper()
	const n = 300
	var allReads, allPages [n]int64
	for i := range n {
		before := work{reads.Load(), r.l.TestingAlloc()}
		must(r.t, r.whole(s, nonces.Add(1)))
		must(r.t, r.l.Flush(ctx)) // the outcome too
		allReads[i], allPages[i] = reads.Load()-before.reads, r.l.TestingAlloc()-before.pages
	}
	slices.Sort(allReads[:])
	slices.Sort(allPages[:])
	return work{allReads[n/2], allPages[n/2]}
}

// openingReads is how many reads a start takes.
func (r *rig) openingReads(reads *atomic.Int64) int64 {
	r.t.Helper()
	must(r.t, r.l.Close())
	before := reads.Load()
	r.open()
	return reads.Load() - before
}

// BenchmarkLongTrail is one request at a time, and a start, behind a trail of -records.
func BenchmarkLongTrail(b *testing.B) {
	r := newRig(b)
	r.o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "key")
	r.fill(*longTrail)
	b.Run("request", func(b *testing.B) {
		for b.Loop() {
			must(b, r.whole(s, nonces.Add(1)))
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			r.reopen()
		}
	})
}
