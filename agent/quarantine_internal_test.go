package agent

import (
	"testing"
	"time"

	"pksa/agent/ledger"
)

// A session that fails now and then, or ended, is not remembered for ever.
func TestFailuresAreForgotten(t *testing.T) {
	now := time.Now()
	d := quarantine{limit: damageLimit}
	for range damageLimit {
		d.count(listener{session: 1, relay: "relay"}, now)
	}
	d.count(listener{session: 2, relay: "relay"}, now)
	all := func(ledger.SessionID) bool { return true }
	d.forget(now.Add(faultWindow+time.Second), all)
	if len(d.faults) != 1 {
		t.Errorf("%d counts after the window, want that of the silenced session", len(d.faults))
	}
	if d.forget(now.Add(3*quietMost), all); len(d.faults) != 0 {
		t.Errorf("%d counts after days", len(d.faults))
	}
}

// Of a session that has ended nothing is kept, however long it would be silent: an app that makes
// one session after the other, and a relay that alters a request in each, fill no memory. An app,
// and a session that lives, are as silent as before.
func TestFaultsOfEndedSessionsAreForgotten(t *testing.T) {
	now := time.Now()
	d := quarantine{limit: damageLimit, aDay: damageADay, logins: true}
	const sessions, live = 1000, 7
	for id := range ledger.SessionID(sessions) {
		for range damageLimit {
			d.count(listener{session: 1 + id, relay: "relay"}, now)
		}
	}
	for range damageLimit {
		d.count(listener{app: "app", relay: "relay"}, now)
	}
	d.forget(now, func(id ledger.SessionID) bool { return id <= live })
	if len(d.faults) != live+1 {
		t.Errorf("%d counts are kept, want those of %d sessions and an app", len(d.faults), live)
	}
	for _, who := range []listener{{session: live, relay: "relay"}, {app: "app", relay: "relay"}} {
		if !d.quiet(who, now) {
			t.Errorf("%+v listens again", who)
		}
	}
}
