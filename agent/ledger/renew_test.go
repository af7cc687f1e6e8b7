package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// renew sends an auth_req in an ended session, which is admitted if it may have it again within a
// week.
func (r *rig) renew(rem *ledger.Remnant, text string) *ledger.Session {
	r.t.Helper()
	out, err := r.l.Admit(ctx, ledger.Admission{Key: r.arrive(text), Account: rem.Account, Kind: ledger.KindAuth,
		Remnant: rem.ID}, func(v ledger.View) ledger.Ruling {
		n := r.newSession(rem.Account, rem.App, string(rem.AuthKey))
		if v.Replay != ledger.Fresh || v.MayRenew(rem.ID, 7*24*time.Hour) != nil || v.MayOpen(n) != nil {
			return ledger.Ruling{}
		}
		return ledger.Ruling{Verdict: ledger.Admitted, NewSession: &n}
	})
	must(r.t, err)
	return out.Session
}

// auth sends an auth_req in a live session.
func (r *rig) auth(s *ledger.Session, text string) {
	r.t.Helper()
	a := r.admission(s, text, 0)
	a.Kind = ledger.KindAuth
	_, err := r.l.Admit(ctx, a, allowFresh)
	must(r.t, err)
}

// TestRenewedAboveItsNonces: a session that is had again goes on above the nonces of before, and
// knows the auth_reqs of before when it ends again.
func TestRenewedAboveItsNonces(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	r.auth(s, "first")
	nonce := r.nowMS() + 23*time.Hour.Milliseconds()
	if got := r.try(s, "payment", nonce); got != ledger.Fresh {
		t.Fatalf("payment: %v", got)
	}
	r.expire()
	rem := r.l.RemnantsOf("alice")[0]
	if r.renew(rem, "first") != nil {
		t.Error("what came in the live session renews")
	}
	again := r.renew(rem, "second")
	if again == nil || again.LastNonce != nonce || again.Digests != 2 {
		t.Fatalf("renewed: %+v", again)
	}
	r.reopen()
	if got := r.try(again, "payment", nonce); got != ledger.NonceForgotten {
		t.Errorf("the payment again: %v", got)
	}
	r.expire()
	rem = r.l.RemnantsOf("alice")[0]
	for _, text := range []string{"first", "second"} {
		if r.renew(rem, text) != nil {
			t.Errorf("%s renews the session once more", text)
		}
	}
	if r.renew(rem, "third") == nil {
		t.Error("a new one does not")
	}
}

// TestNotRenewed: what a person ended, what is not known whole, and what came too late.
func TestNotRenewed(t *testing.T) {
	for name, end := range map[string]func(*rig, *ledger.Session){
		"revoked": func(r *rig, s *ledger.Session) { r.end(s) },
		"replaced": func(r *rig, s *ledger.Session) {
			r.expire()
			r.clock.add(8 * 24 * time.Hour)
		},
		"too many auth_reqs": func(r *rig, s *ledger.Session) {
			for i := range 65 {
				r.auth(s, fmt.Sprint("login ", i))
			}
			r.expire()
		},
		"too many noted": func(r *rig, s *ledger.Session) {
			r.expire()
			for i := range 65 {
				must(r.t, r.l.NoteAuth(ctx, s.ID, [32]byte{1, byte(i)}))
			}
		},
		"requests without nonce": func(r *rig, s *ledger.Session) {
			r.try(s, "without", 0)
			r.expire()
		},
		"told one without nonce": func(r *rig, s *ledger.Session) {
			r.expire()
			r.tell(s.ID, "without", 0)
		},
		"rotated": func(r *rig, s *ledger.Session) {
			r.expire()
			_, err := r.l.RotateSlot(ctx, "mybot", "another secret", nil)
			must(r.t, err)
		},
		"restored": func(r *rig, s *ledger.Session) {
			r.expire()
			must(r.t, r.l.Close())
			must(r.t, os.Remove(r.path[:len(r.path)-len("db")]+"mark"))
			_, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
			must(r.t, err)
			r.open()
		},
		"restored while it lived": func(r *rig, s *ledger.Session) {
			must(r.t, r.l.Close())
			must(r.t, os.Remove(r.path[:len(r.path)-len("db")]+"mark"))
			_, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
			must(r.t, err)
			r.open()
			r.expire()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("mybot")
			end(r, r.session("alice", "mybot", "k1"))
			if list := r.l.RemnantsOf("alice"); len(list) != 1 || r.renew(list[0], "new") != nil {
				t.Error("renewed, or nothing is left")
			}
		})
	}
}

// TestRestoredRemnantIsSilent: nonces at or below the floor of a restored ledger, and requests
// without nonce, are told nothing.
func TestRestoredRemnantIsSilent(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	r.end(s)
	r.clock.add(time.Minute)
	lost := r.nowMS()
	must(t, r.l.Close())
	must(t, os.Remove(r.path[:len(r.path)-len("db")]+"mark"))
	_, err := ledger.Accept(r.path, r.o, ledger.Acceptance{KeepAll: true})
	must(t, err)
	r.open()
	for text, nonce := range map[string]int64{"lost": lost, "without": 0} {
		if got := r.tell(s.ID, text, nonce); got != ledger.SessionEnded {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got := r.tell(s.ID, "later", lost+1); got != ledger.SessionOver {
		t.Errorf("later: %v", got)
	}
}

// TestRenewalsAgainstModel sends auth_reqs at random, new and old, to a session that lives, expires
// and is had again, while the ledger is opened anew: none that was ever delivered makes a session.
func TestRenewalsAgainstModel(t *testing.T) {
	for seed := range uint64(3) {
		chance := rand.New(rand.NewPCG(seed, 11))
		r := newRig(t)
		r.o = r.o.WithSegment(16)
		r.reopen()
		r.slot("mybot")
		live := r.session("alice", "mybot", "the key")
		var ended *ledger.Remnant
		var all []string
		last, renewals, refused := int64(0), 0, 0
		for step := range 150 {
			r.clock.add(time.Duration(1+chance.IntN(60)) * time.Second)
			text := fmt.Sprint("auth_req ", step)
			fresh := len(all) == 0 || chance.IntN(3) == 0
			if !fresh {
				text = all[chance.IntN(len(all))]
			}
			switch {
			case live != nil:
				r.auth(live, text)
			case live == nil && chance.IntN(6) == 0:
				must(t, r.l.NoteAuth(ctx, ended.ID, r.arrival(ledger.RequestKey{}, text).Digest))
			case live == nil:
				if live = r.renew(ended, text); live != nil {
					if !fresh {
						t.Fatalf("seed %d, step %d: %s was delivered before, and renews", seed, step, text)
					}
					if live.LastNonce < last {
						t.Fatalf("seed %d, step %d: it goes on at %d, below %d", seed, step, live.LastNonce, last)
					}
					renewals++
				} else {
					refused++
				}
			}
			all = append(all, text)
			if nonce := r.nowMS(); live != nil && r.try(live, fmt.Sprint("payment ", step), nonce) == ledger.Fresh {
				last = nonce
			}
			switch chance.IntN(8) {
			case 0:
				r.reopen()
			case 1, 2:
				if live != nil {
					r.expire()
					live, ended = nil, r.l.RemnantsOf("alice")[0]
				}
			}
		}
		if renewals < 3 || refused < 3 {
			t.Errorf("seed %d: %d renewals, %d refused", seed, renewals, refused)
		}
	}
}

// TestNotedWhileItLived: an auth_req that came in a live session and was not judged renews nothing,
// also after a crash and when its record is gathered.
func TestNotedWhileItLived(t *testing.T) {
	r := newRig(t)
	r.o = r.o.WithSegment(4)
	r.reopen()
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	digest := r.arrival(ledger.RequestKey{}, "noted").Digest
	for i := range 6 {
		r.clock.add(time.Second)
		r.try(s, fmt.Sprint("request ", i), r.nowMS())
		if i%2 == 0 {
			r.auth(s, fmt.Sprint("login ", i))
		}
		must(t, r.l.NoteAuth(ctx, s.ID, digest))
		r.reopen()
	}
	r.expire()
	rem := r.l.RemnantsOf("alice")[0]
	if !rem.Known || !rem.Expired {
		t.Fatalf("remnant %+v", rem)
	}
	for _, text := range []string{"noted", "login 0", "login 4"} {
		if r.renew(rem, text) != nil {
			t.Errorf("%s renews", text)
		}
	}
	if r.renew(rem, "new") == nil {
		t.Error("a new one does not")
	}
}
