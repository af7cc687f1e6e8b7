package ledger_test

import "testing"

// That a relay was added stands with the session that keeps it, also after a restart, until the
// session ends or the settings name the relay.
func TestAddedRelay(t *testing.T) {
	r := newRig(t)
	r.slot("app")
	n := r.newSession("alice", "app", "k1")
	n.Relay, n.AddedRelay = "wss://a.example/", true
	one, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	n = r.newSession("alice", "app", "k2")
	n.Relay, n.AddedRelay = "wss://b.example/", true
	two, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	check := func(when string, wantOne, wantTwo bool) {
		t.Helper()
		gotOne, _ := r.l.Session(one.ID)
		gotTwo, _ := r.l.Session(two.ID)
		if (gotOne != nil && gotOne.AddedRelay) != wantOne || (gotTwo != nil && gotTwo.AddedRelay) != wantTwo {
			t.Errorf("%s: %+v, %+v", when, gotOne, gotTwo)
		}
	}
	check("made", true, true)
	r.reopen()
	check("after a restart", true, true)
	must(t, r.l.SettleRelays(ctx, func(relay string) bool { return relay == "wss://b.example/" }))
	check("one is in the settings", true, false)
	r.reopen()
	check("after another restart", true, false)
	_, err = r.l.EndSession(ctx, one.ID, nil)
	must(t, err)
	r.reopen()
	check("ended", false, false)
}
