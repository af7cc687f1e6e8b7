package ledger_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// slowSegments is a ledger whose segments are written while requests are committed, and take until
// they may go on.
type slowSegments struct {
	*rig
	s     *ledger.Session
	next  int          // number of the next request
	begun atomic.Int64 // segments that were begun
	free  chan struct{}
	cut   atomic.Bool // nothing is done any more
	fails atomic.Bool // the next commit fails
}

// newSlowSegments makes one in a bubble, on a disk in memory. A segment waits before it is written,
// or behind it.
func newSlowSegments(t *testing.T, disk *ledger.MemDisk, behind bool) *slowSegments {
	x := &slowSegments{free: make(chan struct{})}
	o := options("test").WithSegment(8).InMemory(disk).Beside(true)
	x.rig = newRigWith(t, o.Around(func(op string, do func() error) error {
		if x.cut.Load() || op == "commit" && x.fails.CompareAndSwap(true, false) {
			return errInjected
		}
		if op != "writeSegment" {
			return do()
		}
		x.begun.Add(1)
		if !behind {
			<-x.free
			if x.cut.Load() {
				return errInjected
			}
			return do()
		}
		err := do()
		<-x.free
		return err
	}))
	x.slot("mybot")
	x.s = x.session("alice", "mybot", "k1")
	return x
}

// requests has so many requests judged, each of which leaves a record.
func (x *slowSegments) requests(n int) {
	x.t.Helper()
	for range n {
		if got := x.try(x.s, fmt.Sprint("text ", x.next), 0); got != ledger.Fresh {
			x.t.Fatalf("request %d: %v", x.next, got)
		}
		x.next++
	}
}

// whole checks that the trail has this many records, and that no request counts as new.
func (x *slowSegments) whole(records uint64) {
	x.t.Helper()
	v, err := x.l.Verify(ctx)
	must(x.t, err)
	if v != (ledger.Verified{From: 1, To: records}) {
		x.t.Errorf("verified %v, want %d records", v, records)
	}
	for i := range x.next {
		if got := x.try(x.s, fmt.Sprint("text ", i), 0); got != ledger.DigestSeen {
			x.t.Errorf("request %d: %v", i, got)
		}
	}
}

// Nobody waits for a segment. While one is being written the trail is whole, too.
func TestRequestsBesideASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSlowSegments(t, ledger.NewMemDisk(), false)
		x.requests(20)
		synctest.Wait()
		if x.begun.Load() != 1 {
			t.Fatalf("%d segments were begun", x.begun.Load())
		}
		if v, err := x.l.Verify(ctx); err != nil || v != (ledger.Verified{From: 1, To: 22}) {
			t.Errorf("verified %v: %v", v, err)
		}
		close(x.free)
		synctest.Wait()
		if x.begun.Load() != 2 || x.l.TestingCount("audit") != 22-2*8 {
			t.Errorf("%d segments, %d records beside them", x.begun.Load(), x.l.TestingCount("audit"))
		}
		x.whole(22)
	})
}

// A disk that takes segments more slowly than requests come must not let the file grow without end:
// beyond some segments requests wait for it.
func TestRequestsWaitForSegmentsThatLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSlowSegments(t, ledger.NewMemDisk(), false)
		const many = 120
		done := make(chan struct{})
		go func() {
			defer close(done)
			x.requests(many)
		}()
		synctest.Wait()
		if n := x.l.TestingCount("audit"); n < 4*8 || n > 6*8 {
			t.Errorf("%d records in the file, while none leaves it", n)
		}
		close(x.free)
		<-done
		x.whole(many + 2)
	})
}

// Whoever closes the ledger, or opens its store again after a failure, waits for the segment: its
// records are read from the store.
func TestSegmentOfAStoreThatIsGivenUp(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for _, why := range []string{"closed", "failed"} {
			t.Run(fmt.Sprint(why, ", written ", behind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { giveUp(t, why == "failed", behind) })
			})
		}
	}
}

func giveUp(t *testing.T, fails, behind bool) {
	x := newSlowSegments(t, ledger.NewMemDisk(), behind)
	x.requests(20)
	synctest.Wait()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if !fails {
			must(t, x.l.Close())
			return
		}
		x.fails.Store(true)
		_, err := x.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"})
		wantError(t, err, ledger.ErrCommit)
	}()
	synctest.Wait()
	select {
	case <-ended:
		t.Error("nobody waited for the segment")
	default:
	}
	close(x.free)
	<-ended
	if !fails {
		x.open()
	}
	synctest.Wait()
	x.requests(1)
	synctest.Wait()
	if n := x.l.TestingCount("audit"); n != 23-2*8 {
		t.Errorf("%d records in the file", n)
	}
	x.whole(23)
}

// The process ends while a segment is written, before it is there and behind that, and after
// requests that were judged meanwhile.
func TestKilledBesideASegment(t *testing.T) {
	for _, behind := range []bool{false, true} {
		t.Run(fmt.Sprint("written ", behind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := ledger.NewMemDisk()
				x := newSlowSegments(t, disk, behind)
				x.requests(25)
				synctest.Wait()
				x.cut.Store(true)
				close(x.free)
				_ = x.l.Close()
				disk.PowerCut()
				x.cut.Store(false)
				x.open()
				time.Sleep(time.Minute + time.Second)
				x.requests(1)
				synctest.Wait()
				if n := x.l.TestingCount("audit"); n > 2*8 {
					t.Errorf("%d records in the file", n)
				}
				x.whole(28)
			})
		})
	}
}
