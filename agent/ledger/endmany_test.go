package ledger_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// actsThatEnd are what an operator does that ends all sessions of mybot, and returns how many of
// them it says have ended; -1 if it does not say.
var actsThatEnd = map[string]func(*rig) (int, error){
	"session revoke": func(r *rig) (int, error) {
		ended, _, err := r.l.EndSessions(ctx, ledger.Revocation{
			Which: func(s *ledger.Session) bool { return s.App == "mybot" }})
		return len(ended), err
	},
	"app rotate": func(r *rig) (int, error) {
		_, ended, err := r.l.RotateSlotAndEnd(ctx, "mybot", "another secret", nil)
		return len(ended), err
	},
	"app remove": func(r *rig) (int, error) {
		ended, err := r.l.RemoveSlot(ctx, "mybot", nil)
		return len(ended), err
	},
	"apply that removes": func(r *rig) (int, error) {
		return -1, r.arranged(false, ledger.Arrangement{Remove: []string{"mybot"}})
	},
	"apply that ends": func(r *rig) (int, error) {
		_, err := r.l.Arrange(ctx, false, func(v ledger.Standing) (a ledger.Arrangement, _ error) {
			for _, s := range v.Sessions {
				if s.App == "mybot" {
					a.End = append(a.End, s.ID)
				}
			}
			return a, nil
		})
		return -1, err
	},
}

// manySessions is a ledger in which one commit ends three sessions at most, with so many of mybot
// and one of another app.
func manySessions(t *testing.T, held int) *rig {
	r := newRigWith(t, options("test").WithExpireMost(3))
	r.slot("mybot")
	r.slot("other")
	for n := range held {
		r.session(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
	}
	r.session("alice", "other", "of another app")
	return r
}

// left returns how many sessions of mybot live, and fails if the one of the other app does not.
func (r *rig) left() int {
	r.t.Helper()
	all := r.l.Sessions()
	if !slices.ContainsFunc(all, func(s *ledger.Session) bool { return s.App == "other" }) {
		r.t.Error("the session of another app has ended")
	}
	return len(all) - 1
}

// Acts that end many sessions end so many in one commit, at its edges, and all of them in the end.
// Where the process is killed before one of these commits, what the others did stays, the app has
// the secret that it had, and the same act again ends the rest. No auth_key comes back.
func TestActsEndSessionsInPortions(t *testing.T) {
	for name, act := range actsThatEnd {
		for _, held := range []int{2, 3, 4, 7} {
			commits := (held + 2) / 3
			for killed := range commits + 1 { // before the last: none is
				t.Run(fmt.Sprint(name, " ", held, " killed ", killed), func(t *testing.T) {
					r := manySessions(t, held)
					before, _ := r.l.Slot("mybot")
					n := 0
					r.aroundCommits(func(commit func() error) error {
						if n++; n == killed+1 && killed < commits {
							return errInjected
						}
						return commit()
					})
					ended, err := act(r)
					if killed == commits {
						must(t, err)
						if n != commits || r.left() != 0 || ended != held && ended != -1 {
							t.Errorf("%d commits, %d are left, %d said to have ended", n, r.left(), ended)
						}
					} else {
						if err == nil {
							t.Fatal("a commit that failed is not told")
						}
						r.reopen()
						slot, ok := r.l.Slot("mybot")
						if r.left() != held-3*killed || !ok || slot.Secret != before.Secret {
							t.Errorf("%d commits: %d sessions are left, the app is there: %t", killed, r.left(), ok)
						}
						r.clock.add(10 * time.Minute)
						_, err := act(r)
						must(t, err)
					}
					r.reopen()
					if r.left() != 0 {
						t.Errorf("%d sessions are left", r.left())
					}
					r.keysStayAway(name, held)
					_, err = r.l.Verify(ctx)
					must(t, err)
				})
			}
		}
	}
}

// keysStayAway looks that no auth_key of a revoked session makes one again, whatever the secret.
func (r *rig) keysStayAway(act string, held int) {
	r.t.Helper()
	if _, there := r.l.Slot("mybot"); !there {
		return
	}
	for n := range held {
		again := r.newSession(fmt.Sprint("acc", n), "mybot", fmt.Sprint("k", n))
		if _, err := r.l.AddSession(ctx, again, nil); err == nil {
			r.t.Errorf("%s: the auth_key of session %d makes one again", act, n)
		}
	}
}

// An arrangement that cannot be made ends no session, however many it would end.
func TestArrangementThatFailsEndsNothing(t *testing.T) {
	r := manySessions(t, 7)
	a := ledger.Arrangement{Remove: []string{"mybot"}, Add: []ledger.Slot{{Name: "other", Secret: "any"}}}
	if err := r.arranged(false, a); err == nil {
		t.Error("an app was added twice")
	}
	if r.left() != 7 {
		t.Errorf("%d sessions are left", r.left())
	}
	must(t, r.arranged(true, ledger.Arrangement{Remove: []string{"mybot"}}))
	if r.left() != 7 {
		t.Errorf("after a try %d sessions are left", r.left())
	}
	if _, _, err := r.l.RotateSlotAndEnd(ctx, "mybot", "secret of other", nil); err == nil || r.left() != 7 {
		t.Errorf("%d sessions are left", r.left())
	}
}

// missing returns the sessions of mybot that are wanted and do not live, and ends one that lives.
func missing(r *rig, wanted int, end ledger.SessionID) func(ledger.Standing) (ledger.Arrangement, error) {
	return func(v ledger.Standing) (a ledger.Arrangement, _ error) {
		for n := range wanted {
			key := ledger.Secret(fmt.Sprint("k", n))
			if !slices.ContainsFunc(v.Sessions, func(s *ledger.Session) bool { return s.AuthKey == key }) {
				a.Open = append(a.Open, r.newSession(fmt.Sprint("acc", n%2), "mybot", string(key)))
			}
		}
		if slices.ContainsFunc(v.Sessions, func(s *ledger.Session) bool { return s.ID == end }) {
			a.End = append(a.End, end)
		}
		return a, nil
	}
}

// An arrangement that opens many sessions opens so many in one commit, at its edges, and all of
// them in the end, in order; what else it changes stands in the first. Where the process is killed
// before one of these commits, what the others opened stays, and the same act again opens the rest.
func TestSessionsOpenInPortions(t *testing.T) {
	for _, wanted := range []int{2, 3, 4, 7} {
		commits := (wanted + 2) / 3
		for killed := range commits + 1 { // before the last: none is
			t.Run(fmt.Sprint(wanted, " killed ", killed), func(t *testing.T) {
				r := newRigWith(t, options("test").WithExpireMost(3))
				r.slot("mybot")
				old := r.session("alice", "mybot", "that is to end").ID
				n := 0
				r.aroundCommits(func(commit func() error) error {
					if n++; n == killed+1 && killed < commits {
						return errInjected
					}
					return commit()
				})
				opened, err := r.l.Arrange(ctx, false, missing(r, wanted, old))
				open := func() int { return len(r.l.Sessions()) }
				if killed == commits {
					must(t, err)
					if n != commits || len(opened) != wanted || open() != wanted {
						t.Errorf("%d commits, %d said to be opened, %d are", n, len(opened), open())
					}
					for i, s := range opened {
						if s.AuthKey != ledger.Secret(fmt.Sprint("k", i)) {
							t.Errorf("opened as number %d: %s", i, s.AuthKey)
						}
					}
				} else {
					if err == nil {
						t.Fatal("a commit that failed is not told")
					}
					r.reopen()
					want := 3 * killed
					if killed == 0 {
						want = 1 // the old one
					}
					if open() != want {
						t.Errorf("%d commits: %d sessions live, want %d", killed, open(), want)
					}
					_, err := r.l.Arrange(ctx, false, missing(r, wanted, old))
					must(t, err)
				}
				r.reopen()
				if open() != wanted {
					t.Errorf("%d sessions live in the end", open())
				}
				_, err = r.l.Verify(ctx)
				must(t, err)
			})
		}
	}
}

// Where one of many sessions cannot be opened, none is, and a try opens none. What keeps the later
// ones from being opened when the first are is told, and is no complaint about a plan that did
// nothing.
func TestSessionsThatCannotAllBeOpened(t *testing.T) {
	r := newRigWith(t, options("test").WithExpireMost(3))
	r.slot("mybot")
	plan, err := missing(r, 7, 0)(ledger.Standing{})
	must(t, err)
	twice := plan
	twice.Open = append(slices.Clone(plan.Open), plan.Open[5])
	var refused *ledger.ArrangeError
	if err := r.arranged(false, twice); !errors.As(err, &refused) || refused.Open != 7 || len(r.l.Sessions()) != 0 {
		t.Errorf("got %v, and %d sessions", err, len(r.l.Sessions()))
	}
	must(t, r.arranged(true, plan))
	if n := len(r.l.Sessions()); n != 0 {
		t.Errorf("after a try %d sessions live", n)
	}
	first := true
	r.aroundCommits(func(commit func() error) error {
		if first { // another one takes the key of the fifth meanwhile
			first = false
			go r.l.AddSession(ctx, r.newSession("alice", "mybot", "k4"), nil)
			for r.l.Awaited() == 0 {
				runtime.Gosched()
			}
		}
		return commit()
	})
	err = r.arranged(false, plan)
	if err == nil || errors.As(err, &refused) || len(r.l.Sessions()) != 4 ||
		!strings.HasPrefix(err.Error(), "3 sessions were opened, and 4 were not: session 5: ") {
		t.Errorf("got %v, and %d sessions", err, len(r.l.Sessions()))
	}
}
