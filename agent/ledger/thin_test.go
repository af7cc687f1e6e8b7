package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// tombstones is how many auth_keys of ended sessions are known.
func (r *rig) tombstones() int {
	r.t.Helper()
	must(r.t, r.l.Flush(ctx))
	return r.l.TestingCount("authkeys") - len(r.l.Sessions())
}

// One rotation or removal drops so many tombstones that guard nothing, at the edge. The others stay
// for the next one. Those of revoked auth_keys are dropped in any case.
func TestTombstonesThatARotationDrops(t *testing.T) {
	const most = 4
	for _, held := range []int{most - 1, most, most + 1} {
		for _, remove := range []bool{false, true} {
			t.Run(fmt.Sprint(held, " removed: ", remove), func(t *testing.T) {
				r := newRigWith(t, options("test").WithThinMost(most))
				r.slot("mybot")
				for i := range held {
					r.session("alice", "mybot", fmt.Sprint("expired ", i))
				}
				r.expire()
				for i := range 2 * most {
					r.end(r.session("alice", "mybot", fmt.Sprint("revoked ", i)))
				}
				if got := r.tombstones(); got != held+2*most {
					t.Fatalf("%d tombstones", got)
				}
				var err error
				if remove {
					_, err = r.l.RemoveSlot(ctx, "mybot", nil)
				} else {
					_, err = r.l.RotateSlot(ctx, "mybot", "another secret", nil)
				}
				must(t, err)
				left := max(0, held-most)
				if got := r.tombstones(); got != left {
					t.Errorf("%d are left, want %d", got, left)
				}
				if remove {
					r.slot("other") // what is left is no other app's
					refused := 0
					for i := range held {
						n := r.newSession("alice", "other", fmt.Sprint("expired ", i))
						if _, err := r.l.AddSession(ctx, n, nil); err != nil {
							wantError(t, err, ledger.ErrKeyElsewhere)
							refused++
						}
					}
					if refused != left {
						t.Errorf("%d auth_keys of a removed app are refused, want %d", refused, left)
					}
					return
				}
				_, err = r.l.RotateSlot(ctx, "mybot", "a third secret", nil)
				must(t, err)
				if got := r.tombstones(); got != 0 {
					t.Errorf("%d are left after the second rotation", got)
				}
			})
		}
	}
}

// TestTombstonesReviveNothing: whatever sessions begin and end, and however few tombstones a
// rotation drops, no request is fresh again in a session of its auth_key, and no auth_key makes a
// session again that was revoked under the secret that its app still has.
func TestTombstonesReviveNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		w := &revivals{rig: newRigWith(t, options("test").WithThinMost(1)), rand: rand.New(rand.NewPCG(seed, 1)),
			judged: map[string][]judgedOnce{}, revoked: map[string]int{}, secrets: map[string]int{}}
		for range 80 {
			w.step()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

// revivals is somebody who tries to have a request judged twice.
type revivals struct {
	*rig
	rand    *rand.Rand
	judged  map[string][]judgedOnce // by auth_key
	revoked map[string]int          // app and auth_key: the number of the app's secret then
	secrets map[string]int          // how many secrets an app had; none now if negative
	made    int
}

type judgedOnce struct {
	text  string
	nonce int64
}

func (w *revivals) step() {
	app := fmt.Sprint("app", w.rand.IntN(2))
	switch n := w.rand.IntN(16); {
	case w.secrets[app] <= 0:
		w.made++
		_, err := w.l.AddSlot(ctx, app, ledger.Secret(fmt.Sprint("secret ", w.made)), nil)
		must(w.t, err)
		w.secrets[app] = w.made
	case n < 5:
		key := fmt.Sprint("k", w.rand.IntN(4))
		_, err := w.l.AddSession(ctx, w.newSession(fmt.Sprint("acc", w.rand.IntN(2)), app, key), nil)
		if secret, was := w.revoked[app+key]; err == nil && was && secret == w.secrets[app] {
			w.t.Errorf("%s makes a session of %s again", key, app)
		}
	case n < 10:
		w.ask()
	case n < 12:
		if all := w.l.Sessions(); len(all) > 0 {
			s := all[w.rand.IntN(len(all))]
			w.end(s)
			w.revoked[s.App+string(s.AuthKey)] = w.secrets[s.App]
		}
	case n == 12:
		w.made++
		_, err := w.l.RotateSlot(ctx, app, ledger.Secret(fmt.Sprint("secret ", w.made)), nil)
		must(w.t, err)
		w.secrets[app] = w.made
	case n == 13:
		_, err := w.l.RemoveSlot(ctx, app, nil)
		must(w.t, err)
		w.secrets[app] = -1
	case n == 14:
		w.clock.add([]time.Duration{time.Second, 11 * time.Minute, 25 * time.Hour}[w.rand.IntN(3)])
	default:
		w.reopen()
	}
}

// ask asks for something in a live session: new, or what was asked with its auth_key before.
func (w *revivals) ask() {
	all := w.l.Sessions()
	if len(all) == 0 {
		return
	}
	s := all[w.rand.IntN(len(all))]
	key := string(s.AuthKey)
	for _, old := range w.judged[key] {
		if w.try(s, old.text, old.nonce) == ledger.Fresh {
			w.t.Errorf("%q of %s is fresh again", old.text, key)
		}
	}
	w.made++
	w.clock.add(time.Millisecond)
	one := judgedOnce{text: fmt.Sprint("request ", w.made), nonce: w.nowMS() * int64(w.rand.IntN(2))}
	if w.try(s, one.text, one.nonce) == ledger.Fresh {
		w.judged[key] = append(w.judged[key], one)
	}
}
