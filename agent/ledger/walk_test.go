package ledger_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"pksa/agent/ledger"
)

// Whoever reads segments reads no records of the store beside them: a search through years would
// take twice the time.
func TestWalkReadsSegmentsAlone(t *testing.T) {
	const most = 8         // records of a segment
	var lists atomic.Int64 // segments are written beside the test
	r := newRigWith(t, options("test").WithSegment(most).Around(func(op string, do func() error) error {
		if op == "list" {
			lists.Add(1)
		}
		return do()
	}))
	for range 60 {
		if err := r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}); err != nil {
			t.Fatal(err)
		}
		if err := r.l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.reopen()
	for !r.l.Rotated(t.Context()) {
		runtime.Gosched()
	}
	lists.Store(0)
	found := uint64(0)
	for record, err := range r.l.Audit(1) {
		if err != nil {
			t.Fatal(err)
		}
		if found++; record.Number != found {
			t.Fatalf("record %d, want %d", record.Number, found)
		}
	}
	if head, _ := r.l.Head(); found != head || found < 60 {
		t.Errorf("%d records, want %d", found, head)
	}
	if n := lists.Load(); n > 4 {
		t.Errorf("the store was listed %d times", n)
	}
}
