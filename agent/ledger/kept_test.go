package ledger_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// While the disk is full, what has happened waits for it: for so many bytes, beyond which no
// request is taken up. When there is room again all of it is recorded.
func TestKeptStepsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, options("test").InMemory(ledger.NewMemDisk()))
		var full atomic.Bool
		r.aroundCommits(func(commit func() error) error {
			if full.Load() {
				return errInjected
			}
			return commit()
		})
		full.Store(true)
		const each, most = 8 << 10, 8 << 20
		kept := 0
		for ; kept < 2*most/each; kept++ {
			key := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint("full ", kept)}
			if _, err := r.l.Begin(r.arrival(key, key.UUID)); err != nil {
				wantError(t, err, ledger.ErrBusy)
				break
			}
			must(t, r.l.Reject(key, ledger.Rejection{Outcome: "failed", Record: make([]byte, each-512)}))
		}
		if kept != most/each+1 {
			t.Errorf("%d rejections wait, want %d", kept, most/each+1)
		}
		time.Sleep(10 * time.Second) // attempts, after each of which they wait again
		if _, err := r.l.Begin(r.arrival(ledger.RequestKey{UUID: "later"}, "later")); !errors.Is(err, ledger.ErrBusy) {
			t.Errorf("after some attempts: %v", err)
		}
		full.Store(false)
		time.Sleep(10 * time.Second)
		must(t, r.l.Flush(ctx))
		r.arrive("at last")
		if number, _ := r.l.Head(); number != uint64(kept) {
			t.Errorf("%d records, want %d", number, kept)
		}
	})
}
