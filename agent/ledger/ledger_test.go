package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

func TestOpenRefuses(t *testing.T) {
	r := newRig(t)
	t.Run("missing", func(t *testing.T) {
		_, err := ledger.Open(filepath.Join(t.TempDir(), "none.db"), r.o)
		wantError(t, err, ledger.ErrMissing)
	})
	t.Run("second copy", func(t *testing.T) {
		_, err := ledger.Open(r.path, r.o)
		wantError(t, err, ledger.ErrLocked)
	})
	must(t, r.l.Close())
	t.Run("another keystore", func(t *testing.T) {
		_, err := ledger.Open(r.path, options("other"))
		wantError(t, err, ledger.ErrOther)
	})
	t.Run("same id, another key", func(t *testing.T) {
		o := options("other")
		o.ID = r.o.ID
		_, err := ledger.Open(r.path, o)
		wantError(t, err, ledger.ErrOther)
	})
	t.Run("create over it", func(t *testing.T) {
		wantError(t, ledger.Create(r.path, r.o), ledger.ErrExists)
	})
	t.Run("not a ledger", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		must(t, os.WriteFile(path, []byte(strings.Repeat("not a ledger ", 4000)), 0o600))
		_, err := ledger.Open(path, r.o)
		wantError(t, err, ledger.ErrDamaged)
	})
}

func TestFileModes(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{r.path, strings.TrimSuffix(r.path, ".db") + ".mark"} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode())
		}
	}
}

func TestClosedLedger(t *testing.T) {
	r := newRig(t)
	must(t, r.l.Close())
	must(t, r.l.Close())
	_, err := r.l.AddSlot(ctx, "mybot", "s", nil)
	wantError(t, err, ledger.ErrClosed)
	if r.l.Err() == nil {
		t.Error("a closed ledger says that it can commit")
	}
}

func TestSlots(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"", "any", "My", "-a", "_a", "a b", "ä", strings.Repeat("a", 33)} {
		_, err := r.l.AddSlot(ctx, name, "s", nil)
		wantError(t, err, ledger.ErrSlotName)
	}
	r.slot("mybot")
	r.slot(strings.Repeat("a", 32))
	_, err := r.l.AddSlot(ctx, "mybot", "s", nil)
	wantError(t, err, ledger.ErrSlotExists)
	s, err := r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	if string(s.Secret) != "new" {
		t.Error("secret was not rotated")
	}
	_, err = r.l.RotateSlot(ctx, "none", "new", nil)
	wantError(t, err, ledger.ErrNoSlot)
	r.reopen()
	if s, ok := r.l.Slot("mybot"); !ok || string(s.Secret) != "new" || len(r.l.Slots()) != 2 {
		t.Errorf("after opening again: %v", r.l.Slots())
	}
	_, err = r.l.RemoveSlot(ctx, "mybot", nil)
	must(t, err)
	_, err = r.l.RemoveSlot(ctx, "mybot", nil)
	wantError(t, err, ledger.ErrNoSlot)
	r.reopen()
	if len(r.l.Slots()) != 1 {
		t.Errorf("slots after removal: %v", r.l.Slots())
	}
}

func TestSessions(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	a, b := r.session("alice", "mybot", "k1"), r.session("alice", "mybot", "k2")
	r.session("bob", "mybot", "k3")
	order := func() string {
		var ids []string
		for _, s := range r.l.SessionsOf("alice") {
			ids = append(ids, s.ID.String())
		}
		return strings.Join(ids, " ")
	}
	if got, want := order(), fmt.Sprint(b.ID, " ", a.ID); got != want {
		t.Fatalf("order %s, want %s", got, want)
	}
	r.clock.add(time.Second)
	if r.try(a, "x", r.nowMS()) != ledger.Fresh {
		t.Fatal("request is not fresh")
	}
	for range 2 {
		if got, want := order(), fmt.Sprint(a.ID, " ", b.ID); got != want {
			t.Fatalf("order after use %s, want %s", got, want)
		}
		s, _ := r.l.Session(a.ID)
		if s.LastNonce != r.nowMS() || s.Token != a.Token || s.LastUsed != r.clock.now() {
			t.Fatalf("session after use: %+v", s)
		}
		r.reopen()
	}
	r.clock.add(24*time.Hour - time.Second)
	if n := len(r.l.Sessions()); n != 0 {
		t.Errorf("%d sessions live after their end", n)
	}
	if r.try(a, "y", r.nowMS()) != ledger.SessionEnded {
		t.Error("an expired session is of use")
	}
}

func TestSessionKeys(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	r.slot("other")
	add := func(n ledger.NewSession) error { _, err := r.l.AddSession(ctx, n, nil); return err }

	wantError(t, add(r.newSession("alice", "none", "k1")), ledger.ErrNoSlot)
	wantError(t, add(r.newSession("", "mybot", "k1")), ledger.ErrSession)
	wantError(t, add(r.newSession("alice", "mybot", "")), ledger.ErrSession)
	past := r.newSession("alice", "mybot", "k1")
	past.Expires = r.clock.now()
	wantError(t, add(past), ledger.ErrSession)

	negative := r.newSession("alice", "mybot", "k1")
	negative.LastNonce = -1
	wantError(t, add(negative), ledger.ErrSession)

	s := r.session("alice", "mybot", "k1")
	wantError(t, add(r.newSession("alice", "mybot", "k1")), ledger.ErrKeyLive)
	wantError(t, add(r.newSession("alice", "other", "k1")), ledger.ErrKeyElsewhere)
	wantError(t, add(r.newSession("bob", "mybot", "k1")), ledger.ErrKeyElsewhere)

	_, err := r.l.EndSession(ctx, s.ID, nil)
	must(t, err)
	_, err = r.l.EndSession(ctx, s.ID, nil)
	wantError(t, err, ledger.ErrNoSession)
	r.reopen()
	wantError(t, add(r.newSession("alice", "mybot", "k1")), ledger.ErrKeySpent)
	wantError(t, add(r.newSession("bob", "mybot", "k1")), ledger.ErrKeyElsewhere)
}

func TestExpiredKeyResumesAboveItsNonce(t *testing.T) {
	for name, swept := range map[string]bool{"not swept": false, "opened again": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("mybot")
			n := r.newSession("alice", "mybot", "k1")
			n.Expires = r.clock.now().Add(time.Minute)
			s, err := r.l.AddSession(ctx, n, nil)
			must(t, err)
			nonce := r.nowMS() + 120_000
			if r.try(s, "x", nonce) != ledger.Fresh {
				t.Fatal("not fresh")
			}
			r.clock.add(time.Minute)
			if swept {
				r.reopen()
			}
			again := r.session("alice", "mybot", "k1")
			if again.LastNonce != nonce || again.ID == s.ID {
				t.Fatalf("resumed as %+v", again)
			}
			if got := r.try(again, "x", nonce); got != ledger.NonceForgotten {
				t.Errorf("replay in the resumed session: %v", got)
			}
			if got := r.try(again, "y", nonce+1); got != ledger.Fresh {
				t.Errorf("next nonce in the resumed session: %v", got)
			}
		})
	}
}

func TestSessionFromAnotherWalletGoesOnAboveItsNonce(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	n := r.newSession("alice", "mybot", "k1")
	n.LastNonce = r.nowMS()
	s, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	r.reopen()
	if got := r.try(s, "x", r.nowMS()); got != ledger.NonceForgotten {
		t.Errorf("nonce that the other wallet took: %v", got)
	}
	if got := r.try(s, "y", r.nowMS()+1); got != ledger.Fresh {
		t.Errorf("next nonce: %v", got)
	}
}

func TestNoncelessKeyIsSpent(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	n := r.newSession("alice", "mybot", "k1")
	n.Expires = r.clock.now().Add(time.Minute)
	s, err := r.l.AddSession(ctx, n, nil)
	must(t, err)
	if r.try(s, "x", 0) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	r.clock.add(time.Minute)
	_, err = r.l.AddSession(ctx, r.newSession("alice", "mybot", "k1"), nil)
	wantError(t, err, ledger.ErrKeySpent)
	_, err = r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	_, err = r.l.AddSession(ctx, r.newSession("alice", "mybot", "k1"), nil)
	wantError(t, err, ledger.ErrKeySpent)
}

func TestNoncelessKeyIsSpentPastItsSecret(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	for key, nonce := range map[string]int64{"k1": 0, "k2": r.nowMS()} {
		s := r.session("alice", "mybot", key)
		if r.try(s, "x", nonce) != ledger.Fresh {
			t.Fatal("not fresh")
		}
		_, err := r.l.EndSession(ctx, s.ID, nil)
		must(t, err)
	}
	r.clock.add(time.Hour)
	_, err := r.l.RotateSlot(ctx, "mybot", "new", nil)
	must(t, err)
	_, err = r.l.AddSession(ctx, r.newSession("alice", "mybot", "k1"), nil)
	wantError(t, err, ledger.ErrKeySpent)
	r.session("alice", "mybot", "k2") // it was revoked as long as the old secret lived
}

func TestRemovedSlotEndsSessions(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	if r.try(s, "x", r.nowMS()) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	ended, err := r.l.RemoveSlot(ctx, "mybot", nil)
	must(t, err)
	if len(ended) != 1 || len(r.l.Sessions()) != 0 {
		t.Fatalf("ended %v, live %v", ended, r.l.Sessions())
	}
	r.slot("again")
	fresh := r.session("alice", "again", "k1")
	if got := r.try(fresh, "x", r.nowMS()); got != ledger.NonceForgotten {
		t.Errorf("replay of what the removed app had sent: %v", got)
	}
}

func TestSessionCap(t *testing.T) {
	r := newRig(t)
	r.o.SessionsPerAccount = 2
	r.reopen()
	r.slot("mybot")
	r.session("alice", "mybot", "k1")
	s := r.session("alice", "mybot", "k2")
	_, err := r.l.AddSession(ctx, r.newSession("alice", "mybot", "k3"), nil)
	wantError(t, err, ledger.ErrSessions)
	_, err = r.l.EndSession(ctx, s.ID, nil)
	must(t, err)
	r.session("alice", "mybot", "k3")
}

func TestSecretsDoNotShow(t *testing.T) {
	r := newRig(t)
	slot := r.slot("mybot")
	s := r.session("alice", "mybot", "the-auth-key")
	text, err := json.Marshal(s)
	must(t, err)
	all := fmt.Sprintf("%v %+v %#v %s %q %x %+v", *s, *s, *s, s.AuthKey, s.AuthKey, s.AuthKey, slot) + string(text) +
		fmt.Sprintf("%#v", slot)
	for _, secret := range []string{"the-auth-key", "secret of", string(s.Token)} {
		if strings.Contains(all, secret) {
			t.Errorf("%q shows in %s", secret, all)
		}
	}
	must(t, r.l.Close())
	file, err := os.ReadFile(r.path)
	must(t, err)
	for _, secret := range []string{"the-auth-key", "secret of", string(s.Token), "alice"} {
		if strings.Contains(string(file), secret) {
			t.Errorf("%q stands in the file in clear", secret)
		}
	}
}

func TestAudit(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	_, err := r.l.Append(ctx, ledger.Entry{Type: ledger.RecordStart, Outcome: "start", Content: []byte(`{"v":1}`)})
	must(t, err)
	a, err := r.l.Admit(ctx, r.admission(s, "x", r.nowMS()), allowFresh)
	must(t, err)
	must(t, r.l.Settle(a.Number, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes"), Record: []byte("{}")}))
	must(t, r.l.Flush(ctx))
	for range 2 {
		var got []string
		for rec, err := range r.l.Audit(0) {
			must(t, err)
			got = append(got, fmt.Sprint(rec.Number, rec.Type, rec.Ref, rec.Verdict, rec.Outcome, string(rec.Content)))
		}
		want := []string{
			"1 3 0 0slot added", `2 3 0 0session added{"by":"test"}`, `3 1 0 0start{"v":1}`, `4 4 0 2"allowed"`,
			"5 6 4 2accepted{}",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("trail is\n%s", strings.Join(got, "\n"))
		}
		v, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 1, To: 5}) {
			t.Errorf("verified %v", v)
		}
		r.reopen()
	}
	n := 0
	for rec, err := range r.l.Audit(4) {
		must(t, err)
		if rec.Number != 4 || !rec.Time.Equal(r.clock.now()) {
			t.Errorf("from 4 comes %v", rec)
		}
		n++
		break
	}
	if n != 1 {
		t.Error("no record from 4 on")
	}
}

func TestLedgerTimeNeverGoesBack(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	before := r.clock.now()
	r.clock.add(-time.Hour)
	if !r.l.Now().Equal(before) {
		t.Errorf("ledger time %v, want %v", r.l.Now(), before)
	}
	r.reopen()
	s := r.session("alice", "mybot", "k1")
	if !s.Created.Equal(before) {
		t.Errorf("session made at %v, want %v", s.Created, before)
	}
}

var errInjected = errors.New("injected")
