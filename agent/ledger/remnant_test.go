package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// tell asks whether a request in an ended session may be told so.
func (r *rig) tell(id ledger.SessionID, text string, nonce int64) ledger.Replay {
	r.t.Helper()
	var said ledger.Replay
	_, err := r.l.Admit(ctx, ledger.Admission{Key: r.arrive(text), Account: "alice", Kind: "sign", Remnant: id,
		Nonce: nonce}, func(v ledger.View) ledger.Ruling {
		said = v.Replay
		return ledger.Ruling{Record: []byte(`"ended"`)}
	})
	must(r.t, err)
	return said
}

func (r *rig) end(s *ledger.Session) {
	r.t.Helper()
	_, err := r.l.EndSession(ctx, s.ID, nil)
	must(r.t, err)
}

// expire lets all sessions of a day come to their end.
func (r *rig) expire() {
	r.t.Helper()
	r.clock.add(25 * time.Hour)
	must(r.t, r.l.TestingSweep(ctx))
}

func ids2(list []*ledger.Remnant) (ids []ledger.SessionID) {
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestRemnantTellsOnce: only a request that was surely never judged may be told that its session
// has ended, and with that it is used up.
func TestRemnantTellsOnce(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	paid := r.nowMS()
	r.try(s, "payment", paid)
	r.try(s, "without", 0)
	r.clock.add(time.Minute)
	r.end(s)
	if got := r.l.RemnantsOf("alice"); len(got) != 1 || got[0].ID != s.ID || got[0].AuthKey != "k1" ||
		got[0].LastNonce != paid || !got[0].Known || got[0].Expired {
		t.Fatalf("remnants %+v", got)
	}
	now := r.nowMS()
	r.reopen()
	for i, c := range []struct {
		text  string
		nonce int64
		want  ledger.Replay
	}{
		{"payment", paid, ledger.SessionEnded},
		{"overtaken by it", paid - 1, ledger.SessionOver},
		{"overtaken by it", paid - 1, ledger.SessionEnded},
		{"held back", now - time.Hour.Milliseconds(), ledger.SessionEnded},
		{"would lock", now + 25*time.Hour.Milliseconds(), ledger.SessionEnded},
		{"without", 0, ledger.SessionEnded},
		{"later", now, ledger.SessionOver},
		{"later", now, ledger.SessionEnded},
		{"overtaken", now - 1, ledger.SessionOver},
		{"overtaken", now - 1, ledger.SessionEnded},
		{"later without", 0, ledger.SessionOver},
		{"later without", 0, ledger.SessionEnded},
	} {
		if got := r.tell(s.ID, c.text, c.nonce); got != c.want {
			t.Errorf("request %d, %s: %v, want %v", i, c.text, got, c.want)
		}
		r.reopen()
	}
}

// TestToldIsNeverJudged: what was told that its session has ended is not carried out when its
// auth_key has a session again.
func TestToldIsNeverJudged(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	for _, c := range []struct {
		text  string
		nonce bool
	}{{"with", true}, {"without", false}} {
		key := "key of " + c.text
		s := r.session("alice", "mybot", key)
		r.expire()
		nonce := int64(0)
		if c.nonce {
			nonce = r.nowMS() + 5000
		}
		if got := r.tell(s.ID, c.text, nonce); got != ledger.SessionOver {
			t.Fatalf("%s: %v", c.text, got)
		}
		again, err := r.l.AddSession(ctx, r.newSession("alice", "mybot", key), nil)
		if !c.nonce {
			wantError(t, err, ledger.ErrKeySpent)
			continue
		}
		must(t, err)
		if got := r.try(again, c.text, nonce); got != ledger.NonceForgotten {
			t.Errorf("%s: judged in the next session: %v", c.text, got)
		}
		if len(r.l.RemnantsOf("alice")) != 0 {
			t.Error("the session lives again, and its remnant is still there")
		}
		if got := r.tell(s.ID, "late", nonce+1); got != ledger.SessionEnded {
			t.Errorf("a request on its way when the session lived again: %v", got)
		}
		r.end(again)
	}
}

// TestToldAfterRotation: a rotation drops the tombstones that guard nothing, and what is told later
// holds all the same.
func TestToldAfterRotation(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	r.end(s)
	_, err := r.l.RotateSlot(ctx, "mybot", "another secret", nil)
	must(t, err)
	nonce := r.nowMS()
	if got := r.tell(s.ID, "told", nonce); got != ledger.SessionOver {
		t.Fatalf("%v", got)
	}
	again := r.session("alice", "mybot", "k1")
	if got := r.try(again, "told", nonce); got != ledger.NonceForgotten {
		t.Errorf("judged: %v", got)
	}
}

// TestRemnantForgetsNothing: of a session whose requests without nonce are not all known, none
// without nonce is told anything.
func TestRemnantForgetsNothing(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	for i := range 65 {
		r.try(s, fmt.Sprint("request ", i), 0)
	}
	r.end(s)
	if r.tell(s.ID, "unknown", 0) != ledger.SessionEnded {
		t.Error("told, although the memory is not whole")
	}
	if r.tell(s.ID, "with nonce", r.nowMS()) != ledger.SessionOver {
		t.Error("a nonce is known to be new")
	}
	other := r.session("alice", "mybot", "k2")
	r.end(other)
	told := 0
	for i := range 100 {
		if r.tell(other.ID, fmt.Sprint("later ", i), 0) == ledger.SessionOver {
			told++
		}
	}
	if told != 64 {
		t.Errorf("%d requests without nonce were told", told)
	}
}

// TestRemnantBounds: remnants are few and leave after a month, and some endings leave none.
func TestRemnantBounds(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.slot("other")
	kept := r.session("alice", "other", "kept")
	r.end(kept)
	var newest ledger.SessionID
	for i := range 40 {
		r.clock.add(time.Second)
		s := r.session("alice", "mybot", fmt.Sprint("key ", i))
		r.end(s)
		newest = s.ID
	}
	r.reopen()
	list := r.l.RemnantsOf("alice")
	if len(list) != 33 || list[0].ID != newest || list[32].ID != kept.ID {
		t.Errorf("%d remnants: %v", len(list), ids2(list))
	}
	quiet := r.session("alice", "mybot", "quiet")
	_, _, err := r.l.EndSessions(ctx, ledger.Revocation{IDs: []ledger.SessionID{quiet.ID}, Quiet: true})
	must(t, err)
	if got := r.l.RemnantsOf("alice")[0].ID; got != newest {
		t.Errorf("a quiet end left remnant %v", got)
	}
	gone, err := r.l.ForgetRemnant(ctx, newest, nil)
	must(t, err)
	if gone.ID != newest || r.l.RemnantsOf("alice")[0].ID == newest {
		t.Error("forgotten, and still there")
	}
	_, err = r.l.ForgetRemnant(ctx, newest, nil)
	wantError(t, err, ledger.ErrNoRemnant)
	_, err = r.l.RemoveSlot(ctx, "mybot", nil)
	must(t, err)
	if got := ids2(r.l.Remnants()); len(got) != 1 || got[0] != kept.ID {
		t.Errorf("left after the app was removed: %v", got)
	}
	r.clock.add(30*24*time.Hour - 41*time.Second)
	must(t, r.l.TestingSweep(ctx))
	if len(r.l.Remnants()) != 1 {
		t.Error("gone before a month")
	}
	r.clock.add(2 * time.Second)
	must(t, r.l.TestingSweep(ctx))
	if len(r.l.Remnants()) != 0 {
		t.Error("still there after a month")
	}
}

// TestMovedLeavesNoRemnant: after another copy of the wallet has served, nobody is told that a
// session has ended, and no nonce of before counts.
func TestMovedLeavesNoRemnant(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	lives := r.session("alice", "mybot", "k2")
	r.end(s)
	r.clock.add(time.Minute)
	before := r.nowMS()
	e := ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}
	must(t, r.l.Yield(ctx, ledger.Yield{At: r.clock.now()}, e))
	must(t, r.l.Moved(ctx, e))
	for range 2 {
		if len(r.l.Remnants()) != 0 {
			t.Error("a remnant is left")
		}
		if got := r.try(lives, "carried out by the other copy", before); got != ledger.NonceForgotten {
			t.Errorf("a nonce of before: %v", got)
		}
		r.reopen()
	}
	r.clock.add(time.Second)
	if got := r.try(lives, "new", r.nowMS()); got != ledger.Fresh {
		t.Errorf("a new nonce: %v", got)
	}
}

// TestRemnantHidesItsKey: whatever prints a remnant does not print its auth_key.
func TestRemnantHidesItsKey(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.end(r.session("alice", "mybot", "the key of alice"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, *r.l.Remnants()[0]); strings.Contains(text, "the key of alice") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// TestRemnantsAgainstModel sends requests at random, new and old, while sessions end, live again
// and the ledger is opened anew: what was carried out is never told that its session has ended, and
// what was told is never carried out.
func TestRemnantsAgainstModel(t *testing.T) {
	for seed := range uint64(4) {
		chance := rand.New(rand.NewPCG(seed, 10))
		r := newRig(t)
		r.o = r.o.WithSegment(32)
		r.reopen()
		r.slot("mybot")
		type sent struct {
			text  string
			nonce int64
		}
		var all []sent
		judged, told := map[string]bool{}, map[string]bool{}
		counts := map[string]int{}
		live := r.session("alice", "mybot", "the key")
		ended := ledger.SessionID(0)
		for step := range 300 {
			r.clock.add(time.Duration(chance.IntN(60_000)) * time.Millisecond)
			q := sent{fmt.Sprint("request ", step), r.nowMS() + chance.Int64N(20_000) - 10_000}
			if seed%2 == 1 && chance.IntN(8) == 0 {
				q.nonce = 0
			}
			if len(all) > 0 && chance.IntN(2) == 0 {
				q = all[len(all)-1-chance.IntN(min(len(all), 12))]
			}
			all = append(all, q)
			switch {
			case live != nil:
				if r.try(live, q.text, q.nonce) == ledger.Fresh {
					if judged[q.text] || told[q.text] {
						t.Fatalf("seed %d, step %d: %s is judged twice, or was told", seed, step, q.text)
					}
					judged[q.text] = true
					counts["judged"]++
				}
			case r.tell(ended, q.text, q.nonce) == ledger.SessionOver:
				if judged[q.text] || told[q.text] {
					t.Fatalf("seed %d, step %d: %s is told, and was judged or told", seed, step, q.text)
				}
				told[q.text] = true
				counts["told"]++
			}
			switch n := chance.IntN(24); {
			case n == 0:
				r.reopen()
			case n == 1 && live != nil:
				ended = live.ID
				live = nil
				r.clock.add(25 * time.Hour)
				must(t, r.l.TestingSweep(ctx))
			case n < 4 && live == nil:
				s, err := r.l.AddSession(ctx, r.newSession("alice", "mybot", "the key"), nil)
				if err != nil {
					wantError(t, err, ledger.ErrKeySpent)
					s = r.session("alice", "mybot", fmt.Sprint("key ", step))
					all = nil // nothing of before opens with it
				}
				live = s
				counts["again"]++
			}
		}
		if counts["judged"] < 20 || counts["told"] < 5 || counts["again"] < 2 {
			t.Errorf("seed %d: %v", seed, counts)
		}
	}
}

// TestRemnantOfManyRequests: of a session that judged more than it remembers, a nonce below those
// is told nothing.
func TestRemnantOfManyRequests(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	first := r.nowMS()
	for i := range int64(70) {
		r.clock.add(10 * time.Millisecond)
		r.try(s, fmt.Sprint("request ", i), first+10*i)
	}
	r.end(s)
	r.reopen()
	for text, c := range map[string]struct {
		nonce int64
		want  ledger.Replay
	}{
		"request 2":            {first + 20, ledger.SessionEnded},
		"perhaps judged":       {first + 25, ledger.SessionEnded},
		"request 30":           {first + 300, ledger.SessionEnded},
		"surely never judged":  {first + 305, ledger.SessionOver},
		"another of the nonce": {first + 310, ledger.SessionOver},
	} {
		if got := r.tell(s.ID, text, c.nonce); got != c.want {
			t.Errorf("%s: %v, want %v", text, got, c.want)
		}
	}
}
