package ledger_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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

// A ledger with much to take back is led back in several commits. Where the process is killed
// before one of them, it is as far ahead as before, nothing is free, and the same act again does
// the rest. The time of its records goes back once.
func TestTurnBackInPortions(t *testing.T) {
	const most = 3
	for _, held := range []int{most - 1, most, most + 1, 2*most + 1} {
		for _, kind := range []string{"nonces", "times", "remnants", "keys"} {
			commits := (held + most - 1) / most
			for killed := range commits + 1 { // before the last: none is
				t.Run(fmt.Sprint(kind, " ", held, " killed ", killed), func(t *testing.T) {
					turnBackInPortions(t, kind, held, commits, killed)
				})
			}
		}
	}
}

func turnBackInPortions(t *testing.T, kind string, held, commits, killed int) {
	const far = 400 * 24 * time.Hour
	r := newRigWith(t, options("test").WithExpireMost(3))
	r.slot("mybot")
	session := func(n int, life time.Duration) *ledger.Session {
		s := r.newSession(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
		s.Expires = r.clock.now().Add(life)
		made, err := r.l.AddSession(ctx, s, nil)
		must(t, err)
		return made
	}
	var all []*ledger.Session
	if kind != "times" {
		for n := range held {
			all = append(all, session(n, far+time.Hour))
		}
	}
	r.clock.add(far)
	r.reopen()
	for n := range held {
		switch kind {
		case "times":
			all = append(all, session(n, 24*time.Hour))
		case "nonces", "keys":
			if got := r.try(all[n], "x", r.nowMS()); got != ledger.Fresh {
				t.Fatal(got)
			}
		case "remnants":
			r.end(all[n])
		}
	}
	if kind == "keys" {
		r.clock.add(2 * time.Hour) // they end, and leave nothing but their keys
		for _, s := range all {
			must(t, r.l.EndExpired(ctx, s.Account))
			_, err := r.l.ForgetRemnant(ctx, s.ID, nil)
			must(t, err)
		}
	}
	_, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "of the future"})
	must(t, err)
	r.clock.add(-far + 10*time.Minute)
	r.reopen()
	n, fail := 0, killed < commits
	r.aroundCommits(func(commit func() error) error {
		if n++; fail && n == killed+1 {
			return errInjected
		}
		return commit()
	})
	turn := func() (ledger.TurnedBack, error) {
		return r.l.TurnBack(ctx, ledger.TurnBack{Now: r.clock.now(),
			Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return held, nil },
			Audit:   func(ledger.TurnedBack) []byte { return nil }})
	}
	done, err := turn()
	if fail {
		wantError(t, err, ledger.ErrCommit)
		fail = false
		r.reopen()
		if r.l.Now().Sub(r.clock.now()) < 24*time.Hour || len(r.l.Turns()) != 0 {
			t.Errorf("the ledger is at %s, led back at %v", r.l.Now(), r.l.Turns())
		}
		_, err = turn()
		must(t, err)
	} else {
		must(t, err)
		if n != commits || kind == "nonces" && len(done.Ended) != held {
			t.Errorf("%d commits, want %d; %d sessions ended", n, commits, len(done.Ended))
		}
	}
	for range 2 { // and after another start
		turnedBackWhole(t, r, kind, all)
		r.reopen()
	}
	_, err = turn()
	wantError(t, err, ledger.ErrNotAhead)
}

// turnedBackWhole looks that nothing is of the future, nothing is free, and no time goes back but
// that of the one record.
func turnedBackWhole(t *testing.T, r *rig, kind string, all []*ledger.Session) {
	t.Helper()
	now := r.clock.now()
	if r.l.Now().After(now) || len(r.l.Turns()) != 1 {
		t.Fatalf("the ledger is at %s, led back at %v", r.l.Now(), r.l.Turns())
	}
	live := r.l.Sessions()
	if kind == "times" && len(live) != len(all) || kind != "times" && len(live) != 0 {
		t.Errorf("%d sessions live", len(live))
	}
	for _, s := range live {
		if s.Created.After(now) || s.LastUsed.After(now) || s.Expires.After(now.Add(24*time.Hour)) {
			t.Errorf("a session of the future: %+v", s)
		}
	}
	for _, v := range r.l.Remnants() {
		if v.Ended.After(now) {
			t.Errorf("a session has ended at %s", v.Ended)
		}
	}
	for n := range all {
		again := r.newSession(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
		if _, err := r.l.AddSession(ctx, again, nil); err == nil {
			t.Errorf("the auth_key of session %d makes one again", n)
		}
	}
	last := time.Time{}
	for rec, err := range r.l.Audit(1) {
		must(t, err)
		if rec.Time.Before(last) && rec.Number != r.l.Turns()[0] {
			t.Errorf("record %d is of %s, the one before of %s", rec.Number, rec.Time, last)
		}
		last = rec.Time
	}
	_, err := r.l.Verify(ctx)
	must(t, err)
}

// A sweep while a ledger is led back ends no session that was led back already: by the time of the
// ledger it has expired until the last commit.
func TestSweepWhileTurningBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const far = 400 * 24 * time.Hour
		r := newRigWith(t, options("test").WithExpireMost(3))
		r.slot("mybot")
		r.clock.add(far)
		r.reopen()
		for n := range 10 {
			r.session(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
		}
		r.clock.add(-far + 10*time.Minute)
		r.reopen()
		r.aroundCommits(func(commit func() error) error {
			time.Sleep(time.Minute + time.Second) // the next one may be a sweep
			return commit()
		})
		_, err := r.l.TurnBack(ctx, ledger.TurnBack{Now: r.clock.now(),
			Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return held, nil },
			Audit:   func(ledger.TurnedBack) []byte { return nil }})
		must(t, err)
		if n := len(r.l.Sessions()); n != 10 {
			t.Errorf("%d sessions are left", n)
		}
		must(t, r.l.Close())
	})
}
