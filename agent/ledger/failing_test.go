package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// While no commit succeeds, what has happened is kept for a later one: more of it than one commit
// has. Whoever waits behind it hears of the failure, attempts have pauses, and a ledger can be
// closed. Once a commit succeeds, all is there, in its order.
func TestManyStepsWhileCommitsFail(t *testing.T) {
	for _, opens := range []bool{true, false} {
		for _, kept := range []int{1, 65, 700} {
			t.Run(fmt.Sprintf("opens %v, %d kept", opens, kept), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { keepWhileFailing(t, opens, kept) })
			})
		}
	}
}

func keepWhileFailing(t *testing.T, opens bool, kept int) {
	var failing atomic.Bool
	var attempts atomic.Int64
	r := newRigWith(t, options("test").Around(func(op string, do func() error) error {
		if !failing.Load() || op != "commit" && (opens || op != "open") {
			return do()
		}
		attempts.Add(1)
		return errInjected
	}))
	must(t, r.l.Flush(ctx))
	before, _ := r.l.Head()
	failing.Store(true)
	for i := range kept {
		must(t, r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: fmt.Sprint("event ", i)}))
	}
	begun := time.Now()
	for range 3 {
		soon, cancel := context.WithTimeout(ctx, 10*time.Second)
		if err := r.l.Flush(soon); !errors.Is(err, ledger.ErrCommit) && !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("whoever waits hears %v", err)
		}
		cancel()
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("whoever waits hears of it after %v", took)
	}
	attempts.Store(0)
	time.Sleep(time.Minute)
	synctest.Wait()
	if n := attempts.Load(); n < 20 || n > 150 {
		t.Errorf("%d attempts in a minute", n)
	}
	failing.Store(false)
	time.Sleep(2 * time.Second)
	must(t, r.l.Flush(ctx))
	n := 0
	for rec, err := range r.l.Audit(before + 1) {
		must(t, err)
		if rec.Outcome == fmt.Sprint("event ", n) {
			n++
		}
	}
	if n != kept {
		t.Errorf("%d events of %d are recorded in their order", n, kept)
	}
	failing.Store(true)
	for range kept {
		must(t, r.l.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "late"}))
	}
	closed := time.Now()
	_ = r.l.Close() // the error of what could not be committed
	if took := time.Since(closed); took > 5*time.Second {
		t.Errorf("it closes after %v", took)
	}
}
