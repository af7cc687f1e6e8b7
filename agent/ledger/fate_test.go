package ledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// broadcast admits a request with a transaction and a charge for a day, and ends it.
func (r *rig) broadcast(s *ledger.Session, tx uint16, outcome string) (number uint64) {
	r.t.Helper()
	until := r.l.Now().Add(24 * time.Hour)
	text := fmt.Sprint("transaction ", tx, " of ", s.App)
	r.clock.add(time.Second)
	out, err := r.l.Admit(ctx, r.admission(s, text, r.nowMS()), func(v ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, TxID: txID(tx, s), TxExpires: v.Now.Add(time.Minute),
			TxBytes: []byte(text), Charges: []ledger.Charge{{Data: []byte(text), Expires: until}}}
	})
	must(r.t, err)
	settlement := ledger.Settlement{Outcome: outcome}
	if outcome == "expired" {
		settlement.ChargedUntil = until
	}
	must(r.t, r.l.Settle(out.Number, settlement))
	must(r.t, r.l.Flush(ctx))
	return out.Number
}

func txID(tx uint16, s *ledger.Session) [20]byte {
	return [20]byte{byte(tx >> 8), byte(tx), byte(s.ID), 1}
}

// states returns what is known of the transactions of a session.
func (r *rig) states(s *ledger.Session, txs ...uint16) string {
	text := ""
	for _, tx := range txs {
		state := ledger.FateState(0)
		for _, f := range r.l.Fates() {
			if f.TxID == txID(tx, s) {
				state = f.State
			}
		}
		text += fmt.Sprint(state)
	}
	return text
}

// TestFates: a failed transaction gets a fate with its outcome; each further state follows with a
// record, holds across restarts, and none comes back.
func TestFates(t *testing.T) {
	r := newRig(t)
	r.slot("app")
	s := r.session("alice", "app", "k")
	number := r.broadcast(s, 1, "expired")
	r.broadcast(s, 2, "accepted")
	want := func(states string) {
		t.Helper()
		for range 2 {
			if got := r.states(s, 1, 2, 3); got != states {
				t.Fatalf("states %s, want %s", got, states)
			}
			r.reopen()
		}
	}
	want("100")
	f := r.l.Fates()[0]
	if f.Number != number || f.Account != "alice" || f.App != "app" || f.TxExpires.IsZero() || f.Record != number+1 {
		t.Errorf("%+v", f)
	}
	set := func(tx uint16, state ledger.FateState) error {
		f.TxID, f.State = txID(tx, s), state
		_, err := r.l.SetFate(ctx, f, ledger.Entry{Type: ledger.RecordEvent, Outcome: "fate", Ref: number})
		return err
	}
	refused := func(tx uint16, states ...ledger.FateState) {
		t.Helper()
		_, last := r.l.Head()
		before := r.records()
		for _, state := range states {
			var fate *ledger.FateError
			if err := set(tx, state); !errors.As(err, &fate) {
				t.Errorf("state %d: %v", state, err)
			}
		}
		if _, now := r.l.Head(); now != last || r.records() != before {
			t.Error("a refused fate left a record")
		}
	}
	refused(1, ledger.Failed, 0, 7)
	must(t, set(1, ledger.Absent))
	want("200")
	refused(1, ledger.Absent, ledger.Failed)
	must(t, set(1, ledger.Released))
	want("300")
	refused(1, ledger.Released, ledger.Absent)
	must(t, set(1, ledger.OnChain))
	want("400")
	refused(1, ledger.Released, ledger.Absent, ledger.OnChain)
	must(t, set(3, ledger.Released)) // of a transaction that nobody called failed
	want("403")
	r.clock.add(25 * time.Hour)
	must(t, r.l.TestingSweep(ctx))
	want("000")
	if _, err := r.l.Verify(ctx); err != nil {
		t.Error(err)
	}
}

// records returns how many records the trail has.
func (r *rig) records() (n int) {
	r.t.Helper()
	for _, err := range r.l.Audit(1) {
		must(r.t, err)
		n++
	}
	return n
}

// TestJudgesSeeFates: a judge counts anew once something was given back, and sees that it was.
func TestJudgesSeeFates(t *testing.T) {
	r := newRig(t)
	r.slot("app")
	s := r.session("alice", "app", "k")
	r.broadcast(s, 1, "expired")
	look := func() (generation uint64, state ledger.FateState) {
		must(t, r.l.Look(ctx, func(v ledger.View) {
			f, _ := v.Fate(txID(1, s))
			generation, state = v.Generation, f.State
		}))
		return generation, state
	}
	before, state := look()
	if state != ledger.Failed {
		t.Errorf("state %d", state)
	}
	f := r.l.Fates()[0]
	f.State = ledger.Released
	_, err := r.l.SetFate(ctx, f, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "limit release"})
	must(t, err)
	if after, state := look(); after == before || state != ledger.Released {
		t.Errorf("generation %d, then %d; state %d", before, after, state)
	}
}

// TestProofCountsNothingAnew: that a transaction is proven to be on no chain changes no count, so a
// judge does not read all charges again, and the charges of one request are found without the
// others, gathered or not.
func TestProofCountsNothingAnew(t *testing.T) {
	r := newRig(t)
	r.slot("app")
	s := r.session("alice", "app", "k")
	r.broadcast(s, 1, "expired")
	r.broadcast(s, 2, "expired")
	look := func() (generation uint64, charges []ledger.Charge) {
		must(t, r.l.Look(ctx, func(v ledger.View) {
			f := r.l.Fates()[0]
			generation, charges = v.Generation, v.ChargesOf(f.Number, f.Until)
			if other := v.ChargesOf(f.Number, r.clock.now()); other != nil {
				t.Errorf("charges that have expired: %v", other)
			}
		}))
		return generation, charges
	}
	before, charges := look()
	if len(charges) != 1 {
		t.Fatalf("%d charges of the request", len(charges))
	}
	f := r.l.Fates()[0]
	f.State = ledger.Absent
	_, err := r.l.SetFate(ctx, f, ledger.Entry{Type: ledger.RecordEvent, Outcome: "never"})
	must(t, err)
	if after, _ := look(); after != before {
		t.Errorf("generation %d, then %d", before, after)
	}
	r.fill(5000) // so that the charges are gathered
	r.reopen()
	if _, again := look(); len(again) != 1 || string(again[0].Data) != string(charges[0].Data) {
		t.Errorf("after a restart: %v, want %v", again, charges)
	}
}

// TestChargesOfAskedRequest: what was charged after a person's yes is found by the number of the
// request, as its fate names it: at once, after a restart, gathered, and led back.
func TestChargesOfAskedRequest(t *testing.T) {
	r := newRigWith(t, options("test").WithSegment(8))
	r.slot("app")
	s := r.session("alice", "app", "k")
	number := r.asked(s, 1)
	want := func(when string) {
		t.Helper()
		for _, again := range []string{"", ", after a restart"} {
			fates := r.l.Fates()
			if len(fates) != 1 || fates[0].Number != number {
				t.Fatalf("%s%s: fates %+v", when, again, fates)
			}
			must(t, r.l.Look(ctx, func(v ledger.View) {
				if c := v.ChargesOf(number, fates[0].Until); len(c) != 1 || string(c[0].Data) != "asked" {
					t.Errorf("%s%s: charges %v", when, again, c)
				}
			}))
			r.reopen()
		}
	}
	want("in the trail")
	r.fill(20)
	want("gathered")
	r.clock.add(-time.Hour)
	_, err := r.l.TurnBack(ctx, ledger.TurnBack{Now: r.clock.now(),
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) {
			held[0].Expires = held[0].Expires.Add(-time.Hour)
			return held[:1], nil
		},
		Audit: func(ledger.TurnedBack) []byte { return nil }})
	must(t, err)
	want("led back")
}

// asked admits a request after a person's yes, charges for a day, and ends it as failed.
func (r *rig) asked(s *ledger.Session, tx uint16) (number uint64) {
	r.t.Helper()
	r.clock.add(time.Second)
	out, err := r.l.Admit(ctx, r.admission(s, "asked", r.nowMS()), func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Pending, TxID: txID(tx, s)}
	})
	must(r.t, err)
	r.try(s, "meanwhile", r.nowMS()+1)
	until := r.l.Now().Add(24 * time.Hour)
	_, err = r.l.Decide(ctx, out.Number, func(v ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, TxID: txID(tx, s), TxExpires: v.Now.Add(time.Minute),
			TxBytes: []byte("tx"), Charges: []ledger.Charge{{Data: []byte("asked"), Expires: until}}}
	})
	must(r.t, err)
	must(r.t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "expired", ChargedUntil: until}))
	must(r.t, r.l.Flush(ctx))
	return out.Number
}

// TestFateThatIsNotCommitted: a release that did not get to the disk gives nothing back; one that
// did although the disk reported an error gives back once.
func TestFateThatIsNotCommitted(t *testing.T) {
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprint("written ", written), func(t *testing.T) {
			r := newRig(t)
			r.slot("app")
			s := r.session("alice", "app", "k")
			r.broadcast(s, 1, "expired")
			fail := false
			r.aroundCommits(func(commit func() error) error {
				if !fail {
					return commit()
				}
				fail = false
				if written {
					must(t, commit())
				}
				return errInjected
			})
			f := r.l.Fates()[0]
			f.State, fail = ledger.Released, true
			_, err := r.l.SetFate(ctx, f, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "limit release"})
			wantError(t, err, ledger.ErrCommit)
			want := "1"
			if written {
				want = "3"
			}
			if got := r.states(s, 1); got != want {
				t.Errorf("state %s, want %s", got, want)
			}
			_, err = r.l.SetFate(ctx, f, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "limit release"})
			var twice *ledger.FateError
			if errors.As(err, &twice) != written {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

// TestFatesOfOneApp: an application whose transactions all fail pushes out its own fates, the
// oldest first, and never one that was given back.
func TestFatesOfOneApp(t *testing.T) {
	r := newRig(t)
	r.slot("busy")
	r.slot("other")
	busy, other := r.session("alice", "busy", "k1"), r.session("alice", "other", "k2")
	r.broadcast(other, 1, "expired")
	r.broadcast(busy, 1, "expired")
	f := r.l.Fates()[1]
	f.State = ledger.Released
	_, err := r.l.SetFate(ctx, f, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "limit release"})
	must(t, err)
	for tx := range uint16(300) {
		r.broadcast(busy, tx+2, "expired")
	}
	if n := len(r.l.Fates()); n != 1+1+256 {
		t.Errorf("%d fates", n)
	}
	if got := r.states(other, 1) + r.states(busy, 1, 2, 45, 46, 301); got != "130011" {
		t.Errorf("states %s", got)
	}
	r.reopen()
	if n := len(r.l.Fates()); n != 1+1+256 {
		t.Errorf("%d fates after a restart", n)
	}
}
