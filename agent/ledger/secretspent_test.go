package ledger_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pksa/agent/ledger"
)

// login admits an auth_req under the secret of a slot, and says what the rules said.
func (r *rig) login(app, text string) ledger.Replay {
	r.t.Helper()
	var said ledger.Replay
	_, err := r.l.Admit(ctx, ledger.Admission{Key: r.arrive(text), Account: "alice", Kind: ledger.KindAuth, App: app},
		func(v ledger.View) ledger.Ruling {
			said = v.Replay
			return ledger.Ruling{Record: []byte(`"denied"`)}
		})
	must(r.t, err)
	return said
}

// A slot has so many logins, counted over restarts and gatherings, whether they are judged or only
// noted. Beyond, none is judged, and none remembered; copies of earlier ones are still known, other
// slots are served, and another secret begins anew.
func TestLoginsOfOneSecret(t *testing.T) {
	const most = 20
	o := options("test").WithSegment(6)
	o.DigestsPerSlot = most
	for _, opened := range []bool{false, true} {
		t.Run(fmt.Sprint("opened again: ", opened), func(t *testing.T) {
			r := newRigWith(t, o)
			r.slot("mybot")
			r.slot("other")
			again := func() {
				if opened {
					r.reopen()
				}
			}
			for i := range most {
				if i%3 == 0 {
					must(t, r.l.NoteLogin(ctx, "mybot", [32]byte{byte(i), 1}))
					must(t, r.l.NoteLogin(ctx, "mybot", [32]byte{byte(i), 1})) // the same again counts once
				} else if got := r.login("mybot", fmt.Sprint(i)); got != ledger.Fresh {
					t.Fatalf("login %d: %v", i, got)
				}
				if i%5 == 4 {
					must(t, r.l.Flush(ctx))
					again()
				}
			}
			for range 2 {
				must(t, r.l.Flush(ctx))
				before := r.l.GatheredDigests()
				if got := r.login("mybot", "one more"); got != ledger.SecretSpent {
					t.Errorf("one login more: %v", got)
				}
				must(t, r.l.NoteLogin(ctx, "mybot", [32]byte{1, 2, 3}))
				if got := r.l.GatheredDigests(); got != before {
					t.Errorf("%d digests, %d before", got, before)
				}
				if got := r.login("mybot", "1"); got != ledger.DigestSeen {
					t.Errorf("a copy: %v", got)
				}
				again()
			}
			if got := r.login("other", "x"); got != ledger.Fresh {
				t.Errorf("another slot: %v", got)
			}
			_, err := r.l.RotateSlot(ctx, "mybot", "another secret of mybot", nil)
			must(t, err)
			if got := r.login("mybot", "one more"); got != ledger.Fresh {
				t.Errorf("under another secret: %v", got)
			}
		})
	}
}

// Logins that are judged in one commit count there, too.
func TestLoginsOfOneSecretInOneCommit(t *testing.T) {
	const most = 3
	o := options("test")
	o.DigestsPerSlot = most
	r := newRigWith(t, o)
	r.slot("mybot")
	var hold atomic.Bool
	held, release := make(chan struct{}), make(chan struct{})
	r.aroundCommits(func(commit func() error) error {
		if hold.CompareAndSwap(true, false) {
			close(held)
			<-release
		}
		return commit()
	})
	hold.Store(true)
	var fresh, spent atomic.Int32
	var all sync.WaitGroup
	for i := range 2 * most {
		key := r.arrive(fmt.Sprint(i))
		all.Go(func() {
			_, err := r.l.Admit(ctx, ledger.Admission{Key: key, Account: "alice", Kind: ledger.KindAuth, App: "mybot"},
				func(v ledger.View) ledger.Ruling {
					switch v.Replay {
					case ledger.Fresh:
						fresh.Add(1)
					case ledger.SecretSpent:
						spent.Add(1)
					}
					return ledger.Ruling{Record: []byte(`"denied"`)}
				})
			if err != nil {
				t.Error(err)
			}
		})
		if i == 0 {
			<-held // the others share the next commit
		}
	}
	close(release)
	all.Wait()
	if fresh.Load() != most || spent.Load() != most {
		t.Errorf("%d logins are fresh and %d are not, want %d each", fresh.Load(), spent.Load(), most)
	}
}
