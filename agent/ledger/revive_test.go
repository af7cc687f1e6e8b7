package ledger_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// login judges an auth_req that opened with the secret of mybot. It makes a session with the
// auth_key k1 if it may.
func login(t *testing.T, r *rig, text string) *ledger.Session {
	t.Helper()
	out, err := r.l.Admit(ctx, ledger.Admission{Key: r.arrive(text), Account: "alice", Kind: ledger.KindAuth,
		App: "mybot"}, func(v ledger.View) ledger.Ruling {
		n := r.newSession("alice", "mybot", "k1")
		n.Origin = ledger.Service
		if v.Replay != ledger.Fresh || v.MayOpen(n) != nil {
			return ledger.Ruling{}
		}
		return ledger.Ruling{Verdict: ledger.Admitted, NewSession: &n}
	})
	must(t, err)
	return out.Session
}

// An auth_req that was refused before its auth_key had a session renews nothing, also if the relay
// leaves auth_key out of the message, so that no secret of an app opens it.
func TestRefusedLoginRenewsNothing(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	_, err := r.l.Admit(ctx, ledger.Admission{Key: r.arrive("refused"), Account: "alice", Kind: ledger.KindAuth,
		App: "mybot"}, func(ledger.View) ledger.Ruling { return ledger.Ruling{} })
	must(t, err)
	if login(t, r, "granted") == nil {
		t.Fatal("no session")
	}
	r.expire()
	left := r.l.RemnantsOf("alice")[0]
	if s := r.renew(left, "refused"); s != nil {
		t.Errorf("a refused login renewed session %d as %d", left.ID, s.ID)
	}
}

// What renewed a session does not make one with the secret of the app, when that has ended too.
func TestRenewalIsNoLoginLater(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	if login(t, r, "granted") == nil {
		t.Fatal("no session")
	}
	r.expire()
	s := r.renew(r.l.RemnantsOf("alice")[0], "renewing")
	if s == nil {
		t.Fatal("not renewed")
	}
	r.expire()
	if login(t, r, "renewing") != nil {
		t.Error("a login that renewed a session made another one")
	}
}

// A login that came while its app was silenced makes no session when it comes again.
func TestNotedLoginMakesNoSession(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.NoteLogin(ctx, "mybot", sha256.Sum256([]byte("silenced"))))
	r.reopen()
	if login(t, r, "silenced") != nil {
		t.Error("a login that was delivered before made a session")
	}
}

// A revoked auth_key makes no session again, also where the app gets the secret again with which
// the auth_req opened that had made the session.
func TestRevokedKeyOutlivesItsSecret(t *testing.T) {
	for name, change := range map[string]func(r *rig) error{
		"rotated there and back": func(r *rig) error {
			_, err := r.l.RotateSlot(ctx, "mybot", "another secret", nil)
			must(t, err)
			_, err = r.l.RotateSlot(ctx, "mybot", "secret of mybot", nil)
			return err
		},
		"removed and made again": func(r *rig) error {
			_, err := r.l.RemoveSlot(ctx, "mybot", nil)
			must(t, err)
			_, err = r.l.AddSlot(ctx, "mybot", "secret of mybot", nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("mybot")
			r.end(login(t, r, "granted"))
			must(t, change(r))
			r.reopen()
			if login(t, r, "granted") != nil {
				t.Error("a revoked session was made again by the auth_req that had made it")
			}
		})
	}
}

// At the bound of digests nothing is used up. A request may be told so only if its auth_key makes
// no other session, where it would be fresh.
func TestFullOfLogins(t *testing.T) {
	r := newRig(t)
	must(t, r.l.Close())
	r.o.DigestsPerSession = 70
	r.open()
	r.slot("mybot")
	s := login(t, r, "first")
	for i := range 70 {
		r.auth(s, "login "+string(rune(0x100+i)))
	}
	if got := r.try(s, "payment", 0); got != ledger.NonceForgotten {
		t.Errorf("a request beyond the bound: %v", got)
	}
	r.expire()
	again := login(t, r, "last")
	if again == nil {
		t.Fatal("no session again")
	}
	if got := r.try(again, "payment", 0); got != ledger.Fresh {
		t.Errorf("a request that was told nothing: %v", got)
	}
}

// The window of nonces can be set wider, after an app was removed and made again.
func TestWiderWindowRevivesNothing(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	n := r.nowMS()
	if r.try(s, "payment", n) != ledger.Fresh {
		t.Fatal("not fresh")
	}
	r.clock.add(11 * time.Minute)
	_, err := r.l.RemoveSlot(ctx, "mybot", nil)
	must(t, err)
	_, err = r.l.AddSlot(ctx, "mybot", "a new secret", nil)
	must(t, err)
	must(t, r.l.Close())
	r.o.NonceBehind = time.Hour
	r.open()
	if got := r.try(r.session("alice", "mybot", "k1"), "payment", n); got == ledger.Fresh {
		t.Error("a request that was carried out is fresh again")
	}
}
