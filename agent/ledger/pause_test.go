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

// One app is paused alone, and stays so over restarts and with another secret, until that ends or
// the app is removed.
func TestPauseOfAnApp(t *testing.T) {
	r := newRig(t)
	r.slot("other")
	entry := func(outcome, app string) ledger.Entry {
		return ledger.Entry{Type: ledger.RecordAdmin, Outcome: outcome, App: app}
	}
	check := func(when string, want bool) {
		t.Helper()
		since, paused := r.l.PausedApp("mybot")
		s, _ := r.l.Slot("mybot")
		if paused != want || since.IsZero() == want || !s.Paused.Equal(since) {
			t.Errorf("%s: paused %t since %s, slot since %s", when, paused, since, s.Paused)
		}
		if _, paused := r.l.PausedApp("other"); paused {
			t.Errorf("%s: another app is paused", when)
		}
		if _, paused := r.l.Paused(); paused {
			t.Errorf("%s: the wallet is paused", when)
		}
	}
	wantError(t, r.l.Pause(ctx, entry("pause", "mybot")), ledger.ErrNoSlot)
	r.slot("mybot")
	check("at first", false)
	before, _ := r.l.Head()
	must(t, r.l.Resume(ctx, entry("resume", "mybot")))
	must(t, r.l.Pause(ctx, entry("pause", "mybot")))
	must(t, r.l.Pause(ctx, entry("pause", "mybot")))
	if n, _ := r.l.Head(); n != before+1 {
		t.Errorf("%d records", n-before)
	}
	check("paused", true)
	r.reopen()
	check("after a restart", true)
	_, err := r.l.RotateSlot(ctx, "mybot", "another secret", nil)
	must(t, err)
	check("with another secret", true)
	must(t, r.l.Resume(ctx, entry("resume", "mybot")))
	check("resumed", false)
	r.reopen()
	check("resumed, after a restart", false)

	must(t, r.l.Pause(ctx, entry("pause", "mybot")))
	_, err = r.l.RemoveSlot(ctx, "mybot", nil)
	must(t, err)
	r.slot("mybot")
	check("made anew", false)
	r.reopen()
	check("made anew, after a restart", false)
}
