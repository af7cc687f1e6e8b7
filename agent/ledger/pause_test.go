package ledger_test

import (
	"testing"

	"pksa/agent/ledger"
)

// A pause holds over restarts until it ends, and stands in the trail once.
func TestPause(t *testing.T) {
	r := newRig(t)
	check := func(when string, want bool) {
		t.Helper()
		if since, paused := r.l.Paused(); paused != want || since.IsZero() == want {
			t.Errorf("%s: paused %t since %s", when, paused, since)
		}
	}
	number := func() uint64 { n, _ := r.l.Head(); return n }
	check("at first", false)
	before := number()
	must(t, r.l.Resume(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "resume"}))
	must(t, r.l.Pause(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "pause"}))
	must(t, r.l.Pause(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "pause"}))
	if n := number(); n != before+1 {
		t.Errorf("%d records", n-before)
	}
	check("paused", true)
	r.reopen()
	check("after a restart", true)
	must(t, r.l.Resume(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "resume"}))
	check("resumed", false)
	r.reopen()
	check("resumed, after a restart", false)
	if n := number(); n < before+2 {
		t.Errorf("%d records", n-before)
	}
}
