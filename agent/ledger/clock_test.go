package ledger_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// A wall clock that steps far ahead ends no session, lets no charge expire, and leaves no record
// from the future; and the time goes on. When somebody knows that it is right, it counts.
func TestSteppedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		if got := r.try(s, "before", r.nowMS()); got != ledger.Fresh {
			t.Fatalf("before: %v", got)
		}
		const step = 10 * 365 * 24 * time.Hour
		before := r.l.Now()
		r.clock.add(step)
		r.l.TestingStep(step)
		r.clock.add(time.Second)
		time.Sleep(time.Minute + time.Second) // a sweep
		if got := r.l.Now().Sub(before); got != time.Second {
			t.Errorf("time went on by %s", got)
		}
		if _, ok := r.l.Session(s.ID); !ok {
			t.Error("the step ended a session")
		}
		if _, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}); err != nil {
			t.Error(err)
		}
		r.clock.add(-step) // the clock is mended
		r.reopen()
		if ahead := r.l.Now().Sub(r.clock.now()); ahead != 0 {
			t.Errorf("the ledger is %s ahead", ahead)
		}
		if _, ok := r.l.Session(s.ID); !ok {
			t.Error("a session is gone")
		}

		r.clock.add(step)
		r.l.TestingStep(step)
		r.l.AgreeClock()
		if got := r.l.Now(); !got.Equal(r.clock.now()) {
			t.Errorf("the clock is right, and the ledger says %s", got)
		}
		if _, ok := r.l.Session(s.ID); ok {
			t.Error("a session outlived its end")
		}
		must(t, r.l.Close())
	})
}
