package ledger_test

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

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

// Of a trail of many segments, which other cores read ahead, each record comes in its turn, and a
// record that was altered ends it in its turn.
func TestReadAhead(t *testing.T) {
	const most = 300 // records of a segment: two parts of what is read at a time
	r := newRigWith(t, options("test").WithSegment(most))
	for i := range 2000 {
		must(t, r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Content: fmt.Appendf(nil, "%d", i)}))
		if i%100 == 0 {
			must(t, r.l.Flush(t.Context()))
		}
	}
	r.reopen()
	for !r.l.Rotated(t.Context()) {
		runtime.Gosched()
	}
	head, _ := r.l.Head()
	for _, stop := range []uint64{1, 256, 257, 700, head} {
		for _, read := range []func(uint64) iter.Seq2[*ledger.Record, error]{r.l.Scan, r.l.Skim} {
			found := uint64(0)
			for record, err := range read(1) {
				must(t, err)
				if found++; record.Number != found || record.Outcome == "test" && len(record.Content) == 0 {
					t.Fatalf("record %d, want %d", record.Number, found)
				}
				if found == stop {
					break
				}
			}
			if found != stop {
				t.Errorf("%d records, want %d", found, stop)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(r.path), "audit", "*"))
	must(t, err)
	if len(files) < 4 {
		t.Fatalf("%d segments", len(files))
	}
	content, err := os.ReadFile(files[2])
	must(t, err)
	content[len(content)-1] ^= 1
	must(t, os.WriteFile(files[2], content, 0o600))
	altered := func(read func(uint64) iter.Seq2[*ledger.Record, error]) {
		last := uint64(0)
		for record, err := range read(1) {
			if err != nil {
				if !errors.Is(err, ledger.ErrDamaged) || last < 2*most-1 || last > 2*most+1 {
					t.Errorf("after record %d: %v", last, err)
				}
				return
			}
			last = record.Number
		}
		t.Error("an altered segment was not noticed")
	}
	altered(r.l.Scan)
	altered(r.l.Skim)
	must(t, os.Remove(files[2]))
	altered(r.l.Skim) // its records are missing
}

// Who stops on the way through a segment that is longer than what waits of it leaves nobody
// reading.
func TestStopReadingAhead(t *testing.T) {
	const most = 20 * 256 // records of a segment: 16 parts of 256 wait at most
	r := newRigWith(t, options("test").WithSegment(most))
	for i := range 2*most + 100 {
		must(t, r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "test", Content: []byte("1")}))
		if i%1000 == 0 {
			must(t, r.l.Flush(t.Context()))
		}
	}
	r.reopen()
	for !r.l.Rotated(t.Context()) {
		runtime.Gosched()
	}
	before := runtime.NumGoroutine()
	for record, err := range r.l.Scan(1) {
		must(t, err)
		if record.Number == 600 { // it does not read ahead for the first few
			break
		}
	}
	// A goroutine whose work is done may be a step from its end, so look until it is gone.
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
