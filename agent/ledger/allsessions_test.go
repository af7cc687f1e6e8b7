package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// All accounts together have so many sessions, at the edge. Beyond, an idle one of the same app and
// account leaves, or the new one is refused; what is live stays, also after a start with a smaller
// bound. A place that is left is free again.
func TestSessionsOfAllAccounts(t *testing.T) {
	const most = 6
	o := options("test")
	o.Sessions = most
	r := newRigWith(t, o)
	r.slot("mybot")
	var all []*ledger.Session
	for n := range most {
		s, err := r.admitSession(fmt.Sprint("acc", n%3), "mybot", fmt.Sprint("k", n))
		if err != nil {
			t.Fatalf("session %d: %v", n+1, err)
		}
		all = append(all, s)
	}
	for range 2 {
		_, err := r.admitSession("acc0", "mybot", "one more")
		wantError(t, err, ledger.ErrAllSessions)
		_, err = r.l.AddSession(ctx, r.newSession("acc7", "mybot", "by hand"), nil)
		wantError(t, err, ledger.ErrAllSessions)
		r.reopen()
	}
	r.end(all[0])
	if _, err := r.admitSession("acc7", "mybot", "in its place"); err != nil {
		t.Errorf("a place that is free: %v", err)
	}
	// An idle one makes room for one of its account and app only.
	r.clock.add(time.Hour)
	_, err := r.admitSession("acc8", "mybot", "of another account")
	wantError(t, err, ledger.ErrAllSessions)
	if _, err := r.admitSession("acc1", "mybot", "of the same"); err != nil {
		t.Errorf("beside an idle one: %v", err)
	}
	if got := len(r.l.Sessions()); got != most {
		t.Errorf("%d sessions, want %d", got, most)
	}
	// Fewer are allowed now: nothing that lives is ended for that.
	must(t, r.l.Close())
	r.o.Sessions = 2
	r.open()
	if got := len(r.l.Sessions()); got != most {
		t.Errorf("%d sessions are left", got)
	}
	_, err = r.admitSession("acc9", "mybot", "none")
	wantError(t, err, ledger.ErrAllSessions)
}

// One sweep ends so many sessions that have expired, at the edge, and the next one goes on. None of
// them lives meanwhile.
func TestExpiredSessionsEndInPortions(t *testing.T) {
	const most = 3
	for _, held := range []int{most - 1, most, most + 1} {
		r := newRigWith(t, options("test").WithExpireMost(most))
		r.slot("mybot")
		for n := range held {
			r.session(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
		}
		r.clock.add(48 * time.Hour)
		if got := len(r.l.Sessions()); got != 0 {
			t.Errorf("%d live that have expired", got)
		}
		for _, left := range []int{max(0, held-most), 0} {
			must(t, r.l.TestingSweep(ctx))
			if got := r.l.TestingCount("sessions"); got != left {
				t.Errorf("of %d sessions %d are left, want %d", held, got, left)
			}
		}
	}
}
