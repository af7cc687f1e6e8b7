package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"pksa/agent/ledger"
)

func TestBegin(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	a := r.admission(s, "x", r.nowMS())
	begin := func(text string) ledger.Begun {
		b, err := r.l.Begin(r.arrival(a.Key, text))
		must(t, err)
		return b
	}
	if b := begin("other"); b.State != ledger.Conflict {
		t.Errorf("other ciphertext: %v", b.State)
	}
	if b := begin("x"); b.State != ledger.InWork {
		t.Errorf("second delivery: %v", b.State)
	}
	out, err := r.l.Admit(ctx, a, allowFresh)
	must(t, err)
	_, err = r.l.Admit(ctx, a, allowFresh)
	wantError(t, err, ledger.ErrNoRun)
	r.l.Drop(a.Key) // judged: of no effect
	b := begin("x")
	if b.State != ledger.InWork {
		t.Errorf("delivery after admission: %v", b.State)
	}
	must(t, r.l.Settle(out.Number, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes")}))
	answer, err := b.Wait(ctx)
	must(t, err)
	if string(answer) != "yes" {
		t.Errorf("answer %q", answer)
	}
	wantError(t, r.l.Settle(out.Number, ledger.Settlement{}), ledger.ErrNoRun)
	for range 2 {
		if b := begin("x"); b.State != ledger.Answered || string(b.Answer) != "yes" {
			t.Errorf("after the answer: %v %q", b.State, b.Answer)
		}
		if b := begin("other"); b.State != ledger.Conflict {
			t.Errorf("other ciphertext after the answer: %v", b.State)
		}
		r.reopen()
	}
}

func TestSilenceIsAnAnswer(t *testing.T) {
	r := newRig(t)
	key := r.arrive("x")
	must(t, r.l.Reject(key, ledger.Rejection{Outcome: "ignored"}))
	for range 2 {
		b, err := r.l.Begin(r.arrival(key, "x"))
		must(t, err)
		if b.State != ledger.Answered || b.Answer != nil {
			t.Errorf("after silence: %v %q", b.State, b.Answer)
		}
		r.reopen()
	}
	wantError(t, r.l.Reject(key, ledger.Rejection{}), ledger.ErrNoRun)
}

func TestDroppedRunIsNewAgain(t *testing.T) {
	r := newRig(t)
	key := r.arrive("x")
	b, err := r.l.Begin(r.arrival(key, "x"))
	must(t, err)
	r.l.Drop(key)
	_, err = b.Wait(ctx)
	wantError(t, err, ledger.ErrNoRun)
	b, err = r.l.Begin(r.arrival(key, "x"))
	must(t, err)
	if b.State != ledger.New {
		t.Errorf("after a drop: %v", b.State)
	}
}

func TestUnfinishedAfterRestart(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	a := r.admission(s, "x", r.nowMS())
	expires := r.clock.now().Add(40 * time.Second)
	out, err := r.l.Admit(ctx, a, func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, TxID: [20]byte{7}, TxBytes: []byte("tx"), TxExpires: expires}
	})
	must(t, err)
	r.reopen()
	list, err := r.l.Unfinished()
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("unfinished: %v", list)
	}
	u := list[0]
	if u.Number != out.Number || u.TxID[0] != 7 || string(u.TxBytes) != "tx" || !u.TxExpires.Equal(expires) ||
		u.Key != a.Key || u.App != "mybot" || u.Session != s.ID || u.Verdict != ledger.Admitted || u.Answered {
		t.Errorf("unfinished: %+v", u)
	}
	b, err := r.l.Begin(r.arrival(a.Key, "x"))
	must(t, err)
	if b.State != ledger.InWork {
		t.Errorf("re-delivered after the restart: %v", b.State)
	}
	must(t, r.l.Settle(u.Number, ledger.Settlement{Outcome: "uncertain", Answer: []byte("maybe"), Open: true}))
	if answer, err := b.Wait(ctx); err != nil || string(answer) != "maybe" {
		t.Errorf("answer %q, %v", answer, err)
	}
	r.reopen()
	list, err = r.l.Unfinished()
	must(t, err)
	if len(list) != 1 || !list[0].Answered {
		t.Fatalf("unfinished though answered: %v", list)
	}
	must(t, r.l.Settle(u.Number, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes")}))
	r.reopen()
	list, err = r.l.Unfinished()
	must(t, err)
	if len(list) != 0 {
		t.Errorf("unfinished at the end: %v", list)
	}
	b, err = r.l.Begin(r.arrival(a.Key, "x"))
	must(t, err)
	if string(b.Answer) != "maybe" {
		t.Errorf("there was a second answer: %q", b.Answer)
	}
}

func TestManyRequestsMakeRoom(t *testing.T) {
	r := newRig(t)
	r.o.Requests = 40
	r.reopen()
	for range 200 {
		must(t, r.l.Reject(r.arrive(fmt.Sprint(r.uuids)), ledger.Rejection{Outcome: "refused", Answer: []byte("no")}))
		must(t, r.l.Flush(ctx))
	}
	r.o.Requests = 4
	r.reopen()
	_, err := r.l.Begin(ledger.Arrival{Key: ledger.RequestKey{UUID: "one more"}})
	wantError(t, err, ledger.ErrBusy)
}

// One commit drops so many requests whose time is over, and the next ones drop the others.
func TestSweepGoesOn(t *testing.T) {
	for _, n := range []int{ledger.SweepMost - 1, ledger.SweepMost, 2*ledger.SweepMost + 1} {
		r := newRig(t)
		for range n {
			no := ledger.Rejection{Outcome: "refused", Answer: []byte("no")}
			must(t, r.l.Reject(r.arrive(fmt.Sprint(r.uuids)), no))
		}
		must(t, r.l.Flush(ctx))
		if got := r.l.TestingKnown(); got != n {
			t.Fatalf("%d requests are known, want %d", got, n)
		}
		var seen []int // how many are known before each commit
		r.aroundCommits(func(commit func() error) error {
			seen = append(seen, r.l.TestingKnown())
			return commit()
		})
		r.clock.add(time.Hour)
		seen = nil
		must(t, r.l.TestingSweep(ctx))
		for range n/ledger.SweepMost + 1 {
			must(t, r.l.Flush(ctx))
		}
		if left := r.l.TestingKnown(); left > 0 {
			t.Errorf("%d of %d requests are known still", left, n)
		}
		for i, known := range seen[1:] {
			if dropped := seen[i] - known; dropped > ledger.SweepMost {
				t.Errorf("one commit dropped %d of %d", dropped, n)
			}
		}
	}
}
