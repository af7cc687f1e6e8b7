package ledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// future is a rig whose ledger was written far ahead, under a clock that is right again.
type future struct {
	*rig
	honest, wrong, digests, late *ledger.Session
	before, refused              int64 // nonces: one that was taken before, one that was refused meanwhile
	charge                       ledger.Charge
}

func newFuture(t *testing.T) *future {
	const far = 400 * 24 * time.Hour
	r := newRig(t)
	r.slot("mybot")
	f := &future{rig: r, before: r.nowMS()}
	long := func(key string) *ledger.Session {
		n := r.newSession("alice", "mybot", key)
		n.Expires = r.clock.now().Add(2 * far)
		s, err := r.l.AddSession(ctx, n, nil)
		must(t, err)
		return s
	}
	f.honest, f.wrong, f.digests = long("k1"), long("k2"), long("k3")
	f.want(f.honest, "first", f.before, ledger.Fresh)
	r.clock.add(far)
	r.reopen() // the wrong clock was there at a start
	f.want(f.wrong, "from the future", r.nowMS(), ledger.Fresh)
	f.want(f.digests, "without a nonce", 0, ledger.Fresh)
	n := r.newSession("alice", "mybot", "k4")
	n.Expires = r.clock.now().Add(24 * time.Hour)
	var err error
	f.late, err = r.l.AddSession(ctx, n, nil)
	must(t, err)
	f.charge = ledger.Charge{Data: []byte("paid"), Expires: r.clock.now().Add(time.Hour)}
	_, err = r.l.Admit(ctx, r.admission(f.late, "paid", 0), func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, Charges: []ledger.Charge{f.charge}}
	})
	must(t, err)
	r.clock.add(-far + 10*time.Minute)
	r.reopen()
	f.refused = r.nowMS()
	f.want(f.honest, "refused meanwhile", f.refused, ledger.NonceBehind)
	return f
}

func (f *future) want(s *ledger.Session, text string, nonce int64, want ledger.Replay) {
	f.t.Helper()
	if got := f.try(s, text, nonce); got != want {
		f.t.Errorf("%s: %v, want %v", text, got, want)
	}
}

func (f *future) turn() (ledger.TurnedBack, error) {
	now := f.clock.now()
	return f.l.TurnBack(ctx, ledger.TurnBack{
		Now: now,
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) {
			if len(held) != 1 || string(held[0].Data) != "paid" || !held[0].Expires.Equal(f.charge.Expires) {
				return nil, fmt.Errorf("holds %v", held)
			}
			held[0].Expires = now.Add(time.Hour)
			return held, nil
		},
		Audit: func(ledger.TurnedBack) []byte { return []byte(`{"act":"test"}`) },
	})
}

// charges counts what counts in the ledger.
func (f *future) charges() (n int) {
	must(f.t, f.l.Look(ctx, func(v ledger.View) {
		for range v.Charges() {
			n++
		}
	}))
	return n
}

// A ledger of the future is led back: it frees nothing and takes nothing twice, and honest
// applications go on.
func TestTurnBack(t *testing.T) {
	f := newFuture(t)
	done, err := f.turn()
	must(t, err)
	if len(done.Ended) != 1 || done.Ended[0].ID != f.wrong.ID {
		t.Errorf("%d sessions ended", len(done.Ended))
	}
	for range 2 { // and after another start
		if ahead := f.l.Now().Sub(f.clock.now()); ahead > 0 {
			t.Errorf("still %s ahead", ahead)
		}
		f.want(f.honest, "first", f.before, ledger.DigestSeen)
		f.want(f.honest, "refused meanwhile", f.refused, ledger.DigestSeen)
		f.want(f.digests, "without a nonce", 0, ledger.DigestSeen)
		f.want(f.wrong, "from the future, again", f.wrong.LastNonce, ledger.SessionEnded)
		if _, err := f.l.AddSession(ctx, f.newSession("alice", "mybot", "k2"), nil); !errors.Is(err,
			ledger.ErrKeySpent) {
			t.Errorf("a key with a nonce of the future: %v", err)
		}
		if s, ok := f.l.Session(f.late.ID); !ok || s.Expires.After(f.clock.now().Add(24*time.Hour)) {
			t.Errorf("the session of the future: %+v", s)
		}
		if n := f.charges(); n != 1 {
			t.Errorf("%d charges count", n)
		}
		if turns := f.l.Turns(); len(turns) != 1 {
			t.Errorf("led back at %v", turns)
		}
		f.clock.add(time.Second)
		f.want(f.honest, fmt.Sprint("afterwards ", f.nowMS()), f.nowMS(), ledger.Fresh)
		f.want(f.digests, fmt.Sprint("afterwards, without ", f.nowMS()), 0, ledger.Fresh)
		f.reopen()
	}
	if _, err := f.l.Verify(ctx); err != nil {
		t.Error(err)
	}
	f.clock.add(time.Hour)
	if n := f.charges(); n != 0 {
		t.Errorf("%d charges count after their time", n)
	}
	if _, err := f.turn(); !errors.Is(err, ledger.ErrNotAhead) {
		t.Errorf("led back once more: %v", err)
	}
}

// Cut off before its commit, leading back has changed nothing; after it, all is done.
func TestTurnBackCutOff(t *testing.T) {
	cut := errors.New("cut off")
	f := newFuture(t)
	fail := false
	f.aroundCommits(func(commit func() error) error {
		if fail {
			fail = false
			return cut
		}
		return commit()
	})
	fail = true
	if _, err := f.turn(); !errors.Is(err, ledger.ErrCommit) {
		t.Fatalf("before its commit: %v", err)
	}
	must(t, f.l.Close())
	f.open()
	if f.l.Now().Sub(f.clock.now()) < 24*time.Hour || len(f.l.Turns()) != 0 {
		t.Errorf("the ledger is at %s, led back at %v", f.l.Now(), f.l.Turns())
	}
	if _, ok := f.l.Session(f.wrong.ID); !ok {
		t.Error("a session ended")
	}
	late := false
	f.aroundCommits(func(commit func() error) error {
		err := commit()
		if late {
			late = false
			return cut
		}
		return err
	})
	late = true
	if _, err := f.turn(); !errors.Is(err, ledger.ErrCommit) {
		t.Fatalf("after its commit: %v", err)
	}
	must(t, f.l.Close())
	f.open()
	if _, err := f.turn(); !errors.Is(err, ledger.ErrNotAhead) {
		t.Errorf("led back once more: %v", err)
	}
	if n := f.charges(); n != 1 {
		t.Errorf("%d charges count", n)
	}
	f.want(f.honest, "refused meanwhile", f.refused, ledger.DigestSeen)
}

// A charge of the future that was given back stays given back: its fate names it by the end that it
// has then.
func TestTurnBackTakesFatesAlong(t *testing.T) {
	f := newFuture(t)
	tx, number := [20]byte{7}, uint64(0)
	for rec, err := range f.l.Audit(1) {
		must(t, err)
		if rec.Verdict == ledger.Admitted && rec.Session == f.late.ID {
			number = rec.Number
		}
	}
	_, err := f.l.SetFate(ctx, ledger.Fate{TxID: tx, Number: number, State: ledger.Released, Until: f.charge.Expires},
		ledger.Entry{Type: ledger.RecordAdmin})
	must(t, err)
	_, err = f.turn()
	must(t, err)
	for range 2 { // and after another start
		fates := f.l.Fates()
		if len(fates) != 1 {
			t.Fatalf("fates: %+v", fates)
		}
		must(t, f.l.Look(ctx, func(v ledger.View) {
			if n := len(v.ChargesOf(number, fates[0].Until)); n != 1 {
				t.Errorf("the fate names %d charges", n)
			}
		}))
		f.reopen()
	}
}
