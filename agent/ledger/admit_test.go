package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

func TestDeniedUsesUpTheNonce(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	deny := func(ledger.View) ledger.Ruling { return ledger.Ruling{} }
	_, err := r.l.Admit(ctx, r.admission(s, "x", r.nowMS()), deny)
	must(t, err)
	_, err = r.l.Admit(ctx, r.admission(s, "y", 0), deny)
	must(t, err)
	if got := r.try(s, "z", r.nowMS()); got != ledger.NonceLow {
		t.Errorf("nonce of a denied request: %v", got)
	}
	if got := r.try(s, "y", 0); got != ledger.DigestSeen {
		t.Errorf("ciphertext of a denied request: %v", got)
	}
}

func TestDemandedNonces(t *testing.T) {
	r := newRig(t)
	r.o.DigestsPerSession = 3 // a refused request without nonce is used up, too
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	a := r.admission(s, "x", 0)
	a.RequireNonce = true
	var said ledger.Replay
	look := func(v ledger.View) ledger.Ruling { said = v.Replay; return allowFresh(v) }
	_, err := r.l.Admit(ctx, a, look)
	must(t, err)
	if said != ledger.NonceRequired {
		t.Errorf("without a demanded nonce: %v", said)
	}
	a = r.admission(s, "auth", 0)
	a.RequireNonce, a.Kind = true, ledger.KindAuth
	_, err = r.l.Admit(ctx, a, look)
	must(t, err)
	if said != ledger.Fresh {
		t.Errorf("an auth request, which has none: %v", said)
	}
	if got := r.try(s, "y", 0); got != ledger.Fresh {
		t.Errorf("second digest: %v", got)
	}
	for range 2 {
		if got := r.try(s, "z", 0); got != ledger.NonceRequired {
			t.Errorf("digest above the cap: %v", got)
		}
		r.reopen()
	}
}

func TestAuthBySlot(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	auth := func(text, key string) (out ledger.Admitting, said ledger.Replay, may error) {
		n := r.newSession("alice", "mybot", key)
		n.Origin = ledger.Service
		a := ledger.Admission{Key: r.arrive(text), Account: "alice", Kind: ledger.KindAuth, App: "mybot"}
		out, err := r.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
			said, may = v.Replay, v.MayOpen(n)
			if known, ok := v.SessionWithKey(n.AuthKey); ok && known.App == "mybot" && v.Replay == ledger.Fresh {
				return ledger.Ruling{Verdict: ledger.Admitted}
			}
			if said != ledger.Fresh || may != nil {
				return ledger.Ruling{}
			}
			return ledger.Ruling{Verdict: ledger.Admitted, NewSession: &n}
		})
		must(t, err)
		return out, said, may
	}
	out, _, _ := auth("a1", "k1")
	s := out.Session
	if s == nil || s.Origin != ledger.Service || uint64(s.ID) != out.Number {
		t.Fatalf("session made: %+v", s)
	}
	for range 2 {
		if out, said, _ := auth("a1", "k1"); said != ledger.DigestSeen || out.Verdict != ledger.Denied {
			t.Errorf("replayed auth: %v, %v", said, out.Verdict)
		}
		r.reopen()
	}
	if out, said, may := auth("a2", "k1"); said != ledger.Fresh || out.Verdict != ledger.Admitted ||
		!errors.Is(may, ledger.ErrKeyLive) {
		t.Errorf("auth again with the live key: %v, %v, %v", said, out.Verdict, may)
	}
	if r.try(s, "x", r.nowMS()) != ledger.Fresh {
		t.Error("the session is of no use")
	}
	_, err := r.l.EndSession(ctx, s.ID, nil)
	must(t, err)
	if _, said, may := auth("a3", "k1"); said != ledger.Fresh || !errors.Is(may, ledger.ErrKeySpent) {
		t.Errorf("auth with a revoked key: %v, %v", said, may)
	}
	_, err = r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	if _, said, _ := auth("a1", "k9"); said != ledger.Fresh {
		t.Errorf("digests of the old secret are kept: %v", said)
	}
}

func TestPairedSessionKeepsItsAuth(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	n := r.newSession("alice", "mybot", "k1")
	out, err := r.l.Admit(ctx, ledger.Admission{Key: r.arrive("a1"), Account: "alice", Kind: ledger.KindAuth},
		func(ledger.View) ledger.Ruling { return ledger.Ruling{Verdict: ledger.Admitted, NewSession: &n} })
	must(t, err)
	for range 2 {
		a := r.admission(out.Session, "a1", 0)
		a.Kind = ledger.KindAuth
		var said ledger.Replay
		_, err = r.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
			said = v.Replay
			if v.Session.Nonceless || v.Session.Digests != 1 {
				t.Errorf("session: %+v", v.Session)
			}
			return ledger.Ruling{}
		})
		must(t, err)
		if said != ledger.DigestSeen {
			t.Errorf("the pairing's auth again: %v", said)
		}
		r.reopen()
	}
}

func TestImpossibleRulings(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.slot("other")
	s := r.session("alice", "mybot", "k1")
	n, foreign := r.newSession("alice", "mybot", "k2"), r.newSession("alice", "other", "k2")
	for name, c := range map[string]struct {
		nonce  int64
		app    string
		ruling ledger.Ruling
		want   error
	}{
		"admits a replay":          {1, "", ledger.Ruling{Verdict: ledger.Admitted}, ledger.ErrRuling},
		"asks about a replay":      {1, "", ledger.Ruling{Verdict: ledger.Pending}, ledger.ErrRuling},
		"charges what it denies":   {0, "", ledger.Ruling{Charges: []ledger.Charge{{}}}, ledger.ErrRuling},
		"makes a session, denying": {0, "", ledger.Ruling{NewSession: &n}, ledger.ErrRuling},
		"makes a session in another": {0, "", ledger.Ruling{Verdict: ledger.Admitted, NewSession: &n},
			ledger.ErrRuling},
		"unknown verdict": {0, "", ledger.Ruling{Verdict: 9}, ledger.ErrRuling},
		"session of another app": {0, "mybot", ledger.Ruling{Verdict: ledger.Admitted, NewSession: &foreign},
			ledger.ErrRuling},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.admission(s, "x", c.nonce)
			if c.app != "" {
				a.Session, a.App = 0, c.app
			}
			_, err := r.l.Admit(ctx, a, func(ledger.View) ledger.Ruling { return c.ruling })
			wantError(t, err, c.want)
			must(t, r.l.Reject(a.Key, ledger.Rejection{Outcome: "failed"}))
		})
	}
	if got := r.try(s, "x", 0); got != ledger.Fresh {
		t.Errorf("impossible rulings used up the digest: %v", got)
	}
}

func TestPanicFailsOneRequest(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	var generation uint64
	note := func(v ledger.View) ledger.Ruling { generation = v.Generation; return allowFresh(v) }
	_, err := r.l.Admit(ctx, r.admission(s, "a", r.nowMS()), note)
	must(t, err)
	before := generation
	a := r.admission(s, "b", r.nowMS()+1)
	_, err = r.l.Admit(ctx, a, func(ledger.View) ledger.Ruling { panic("k1 and other secrets") })
	wantError(t, err, ledger.ErrPanic)
	_, err = r.l.Admit(ctx, a, note) // nothing was used up, the run is still there
	must(t, err)
	if generation == before {
		t.Error("the generation does not tell of the panic")
	}
}

func TestPendingAndDecide(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	ask := func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Pending, TxID: [20]byte{7}, TxBytes: []byte("tx")}
	}
	yes := func(v ledger.View) ledger.Ruling {
		if v.Replay != ledger.Fresh {
			return ledger.Ruling{}
		}
		return ledger.Ruling{Verdict: ledger.Admitted,
			Charges: []ledger.Charge{{Data: []byte("c"), Expires: v.Now.Add(time.Hour)}}}
	}
	out, err := r.l.Admit(ctx, r.admission(s, "x", r.nowMS()), ask)
	must(t, err)
	if r.try(s, "y", r.nowMS()) != ledger.NonceLow {
		t.Error("a pending request does not hold its nonce")
	}
	_, err = r.l.Decide(ctx, out.Number, ask)
	wantError(t, err, ledger.ErrRuling)
	decided, err := r.l.Decide(ctx, out.Number, yes)
	must(t, err)
	if decided.Number != out.Number || decided.Verdict != ledger.Admitted {
		t.Errorf("decided: %+v", decided)
	}
	_, err = r.l.Decide(ctx, out.Number, yes)
	wantError(t, err, ledger.ErrNotPending)
	list, err := r.l.Unfinished()
	must(t, err)
	if i := slices.IndexFunc(list, func(u ledger.Unfinished) bool { return u.Number == out.Number }); i < 0 ||
		list[i].Verdict != ledger.Admitted || string(list[i].TxBytes) != "tx" {
		t.Errorf("unfinished: %+v", list)
	}
	if got := r.charges(); len(got) != 1 || got[0] != "c" {
		t.Errorf("charges: %v", got)
	}

	out, err = r.l.Admit(ctx, r.admission(s, "z", r.nowMS()+1), ask)
	must(t, err)
	_, err = r.l.EndSession(ctx, s.ID, nil)
	must(t, err)
	decided, err = r.l.Decide(ctx, out.Number, yes)
	must(t, err)
	if decided.Verdict != ledger.Denied {
		t.Error("a pending request was admitted after its session's end")
	}
}

// charges are all charges that a judge sees, by way of a request that belongs to nobody.
func (r *rig) charges() (all []string) {
	r.t.Helper()
	a := ledger.Admission{Key: r.arrive(fmt.Sprint("look ", r.uuids)), Account: "nobody", Kind: "sign"}
	_, err := r.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
		for c := range v.Charges() {
			all = append(all, string(c.Data))
		}
		return ledger.Ruling{}
	})
	must(r.t, err)
	return all
}

func TestExpiryBoundsGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.o.Now = time.Now
		r.reopen()
		r.clock.ms.Store(time.Now().UnixMilli())
		r.slot("mybot")
		s := r.session("alice", "mybot", "k1")
		a := r.admission(s, "x", r.nowMS())
		out, err := r.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
			return ledger.Ruling{Verdict: ledger.Admitted,
				Charges: []ledger.Charge{{Data: []byte("c"), Expires: v.Now.Add(time.Hour)}}}
		})
		must(t, err)
		must(t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes")}))
		state := func() ledger.BeginState {
			b, err := r.l.Begin(r.arrival(a.Key, "x"))
			must(t, err)
			if b.State == ledger.New {
				r.l.Drop(a.Key)
			}
			return b.State
		}
		time.Sleep(10 * time.Minute)
		if got := state(); got != ledger.Answered {
			t.Errorf("within the margin: %v", got)
		}
		time.Sleep(3 * time.Minute)
		if got := state(); got != ledger.New {
			t.Errorf("after the margin: %v", got)
		}
		if n := len(r.charges()); n != 1 {
			t.Errorf("%d charges before their end", n)
		}
		time.Sleep(time.Hour)
		if n := len(r.charges()); n != 0 {
			t.Errorf("%d charges after their end", n)
		}
		time.Sleep(24 * time.Hour)
		ended := false
		for rec, err := range r.l.Audit(0) {
			must(t, err)
			ended = ended || rec.Type == ledger.RecordEnded && rec.Session == s.ID
		}
		if !ended {
			t.Error("the trail does not tell of the session's end")
		}
		must(t, r.l.Close())
	})
}

func TestCommitsAreShared(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	commits := 0
	gate := make(chan struct{})
	r.aroundCommits(func(commit func() error) error {
		commits++
		if commits == 1 {
			<-gate // while one is synced, the others gather
		}
		return commit()
	})
	var wg sync.WaitGroup
	const n = 64
	admit := func(i int, a ledger.Admission) {
		wg.Go(func() {
			if _, err := r.l.Admit(ctx, a, allowFresh); err != nil {
				t.Error(err)
			}
		})
	}
	tickets := make([]ledger.Admission, n)
	for i := range tickets {
		tickets[i] = r.admission(s, fmt.Sprint(i), 0)
		tickets[i].Ticket = r.l.Ticket("link", "alice")
	}
	last := r.l.Ticket("link", "alice")
	for i, a := range tickets {
		admit(i, a)
	}
	last.Turn() // all stand in the queue, or in the first commit
	last.Release()
	close(gate)
	wg.Wait()
	if commits > 3 {
		t.Errorf("%d commits for %d requests", commits, n)
	}
}
