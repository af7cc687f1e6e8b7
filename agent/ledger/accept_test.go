package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// restored puts a copy back that was made before what happens between, and without its mark, as a
// backup has none.
func restored(t *testing.T, r *rig, between func()) {
	t.Helper()
	path, err := r.l.Copy()
	must(t, err)
	between()
	must(t, r.l.Close())
	must(t, os.Rename(path, r.path))
	must(t, os.Remove(strings.TrimSuffix(r.path, ".db")+".mark"))
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	r.clock.add(time.Second)
}

// fullCharge stands for all that limits have.
func fullCharge(lost ledger.LostCharge) (ledger.Charge, error) {
	return ledger.Charge{Data: []byte("full"), Expires: lost.At.Add(time.Hour)}, nil
}

// Of a restored ledger nothing goes on that was not confirmed by name: neither a secret nor a
// session, nor the room of limits.
func TestAcceptTrustsNobody(t *testing.T) {
	for name, keep := range map[string][]string{"nobody": nil, "one": {"kept"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot("kept")
			r.slot("leaked")
			kept, leaked := r.session("alice", "kept", "k1"), r.session("alice", "leaked", "k2")
			if r.try(kept, "before", r.nowMS()) != ledger.Fresh {
				t.Fatal("not fresh")
			}
			restored(t, r, func() {
				_, _, err := r.l.RotateSlotAndEnd(ctx, "leaked", "the new secret", nil)
				must(t, err)
			})
			done, err := ledger.Accept(r.path, r.o, ledger.Acceptance{Keep: keep, Charge: fullCharge})
			must(t, err)
			r.open()
			for range 2 {
				closed, ended := []string{"kept", "leaked"}, 2
				if keep != nil {
					closed, ended = []string{"leaked"}, 1
				}
				if !slices.Equal(done.Closed, closed) || len(done.Ended) != ended || !done.Limits {
					t.Errorf("accepted: %+v", done)
				}
				for _, s := range r.l.Slots() {
					counts := s.Secret == ledger.Secret("secret of "+s.Name)
					if counts != slices.Contains(keep, s.Name) || s.NoncesOnly != counts {
						t.Errorf("the secret of %s counts: %v; nonces only: %v", s.Name, counts, s.NoncesOnly)
					}
				}
				if got := r.try(leaked, "x", r.nowMS()+1); got != ledger.SessionEnded {
					t.Errorf("the revoked session: %v", got)
				}
				if got := r.try(kept, "y", r.nowMS()-1); keep != nil && got != ledger.NonceForgotten {
					t.Errorf("a nonce of before: %v", got)
				}
				if got := r.charges(); !slices.Equal(got, []string{"full"}) {
					t.Errorf("limits are charged %q", got)
				}
				r.reopen()
			}
			r.clock.add(2 * time.Hour)
			if got := r.charges(); len(got) != 0 {
				t.Errorf("after the window limits are charged %q", got)
			}
			// The operator confirms it later, with a new secret.
			_, err = r.l.RotateSlot(ctx, "leaked", "the newest secret", nil)
			must(t, err)
			_, err = r.l.Verify(ctx)
			must(t, err)
		})
	}
}

// A name that no slot has is told before anything changes.
func TestAcceptKeepsNoStranger(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	restored(t, r, func() {})
	before, err := os.ReadFile(r.path)
	must(t, err)
	_, err = ledger.Accept(r.path, r.o, ledger.Acceptance{Keep: []string{"mybot", "mybto"}})
	wantError(t, err, ledger.ErrNoSlot)
	if !strings.Contains(err.Error(), "mybto") {
		t.Errorf("it says %v", err)
	}
	after, err := os.ReadFile(r.path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the ledger was changed")
	}
	broken := errors.New("no charge")
	_, err = ledger.Accept(r.path, r.o, ledger.Acceptance{Charge: func(ledger.LostCharge) (ledger.Charge, error) {
		return ledger.Charge{}, broken
	}})
	wantError(t, err, broken)
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrRestored)
	_, err = ledger.Accept(r.path, r.o, ledger.Acceptance{Keep: []string{"mybot"}})
	must(t, err)
	r.open()
}

// A copy is made while requests go on, is whole, and is removed if nobody did so for a day.
func TestCopyWhileItRuns(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
				r.try(s, "load", r.nowMS()+n)
			}
		}
	}()
	var paths []string
	for range 3 {
		path, err := r.l.Copy()
		must(t, err)
		paths = append(paths, path)
	}
	close(stop)
	<-ended
	for _, path := range paths {
		done, err := ledger.Accept(path, r.o, ledger.Acceptance{KeepAll: true})
		must(t, err)
		l, err := ledger.Open(path, r.o)
		must(t, err)
		if _, ok := l.Slot("mybot"); !ok || done.Last < 2 {
			t.Errorf("the copy ends at record %d", done.Last)
		}
		_, err = l.Verify(ctx)
		must(t, errors.Join(err, l.Close()))
	}
	old := time.Now().Add(-25 * time.Hour)
	must(t, os.Chtimes(paths[0], old, old))
	path, err := r.l.Copy()
	must(t, err)
	left, err := filepath.Glob(r.path + ".copy-*")
	must(t, err)
	if slices.Contains(left, paths[0]) || !slices.Contains(left, path) {
		t.Errorf("left are %q", left)
	}
}

// An acceptance of many sessions takes several commits. Where the process is killed before one of
// them, the ledger opens with no program, and the same act again does all of it: no session of a
// slot that is not kept lives, the others demand nonces, and no number is given twice.
func TestAcceptInPortions(t *testing.T) {
	for _, held := range []int{2, 3, 4, 7} {
		commits := (held + 2) / 3
		for killed := range commits + 1 { // before the last: none is
			t.Run(fmt.Sprint(held, " killed ", killed), func(t *testing.T) {
				r := newRigWith(t, options("test").WithExpireMost(3))
				r.slot("kept")
				r.slot("leaked")
				for n := range held {
					r.session(fmt.Sprint("acc", n), []string{"kept", "leaked"}[n%2], fmt.Sprint("k", n))
				}
				path, err := r.l.Copy()
				must(t, err)
				r.session("alice", "kept", "that the copy lacks")
				taken := r.lastNumber()
				must(t, r.l.Close())
				must(t, os.Rename(path, r.path))
				_, err = ledger.Open(r.path, r.o)
				wantError(t, err, ledger.ErrRestored)
				r.clock.add(time.Second)
				n := 0
				broken := r.o.Around(func(op string, do func() error) error {
					if op == "commit" {
						if n++; n == killed+1 && killed < commits {
							return errInjected
						}
					}
					return do()
				})
				a := ledger.Acceptance{Keep: []string{"kept"}, Charge: fullCharge}
				done, err := ledger.Accept(r.path, broken, a)
				if killed < commits {
					if err == nil {
						t.Fatal("a commit that failed is not told")
					}
					_, err := ledger.Open(r.path, r.o)
					wantError(t, err, ledger.ErrRestored)
					done, err = ledger.Accept(r.path, r.o, a)
					must(t, err)
				} else {
					must(t, err)
					if n != commits || len(done.Ended) != held/2 || !slices.Equal(done.Closed, []string{"leaked"}) {
						t.Errorf("%d commits, %+v", n, done)
					}
				}
				if done.Mark != taken {
					t.Errorf("the mark is said to speak of record %d, want %d", done.Mark, taken)
				}
				r.open()
				for _, s := range r.l.Sessions() {
					if s.App != "kept" || !s.NoncesOnly {
						t.Errorf("%s lives, and demands nonces: %t", s.App, s.NoncesOnly)
					}
				}
				if n := len(r.l.Sessions()); n != held-held/2 {
					t.Errorf("%d sessions live", n)
				}
				last := uint64(0)
				for record, err := range r.l.Audit(1) {
					must(t, err)
					switch {
					case last == 0 && record.Type != ledger.RecordAccepted:
					case last == 0 && record.Number != taken+1, last != 0 && record.Number != last+1:
						t.Errorf("record %d follows %d, and %d were taken", record.Number, last, taken)
						fallthrough
					default:
						last = record.Number
					}
				}
				again := r.newSession("acc1", "leaked", "k1")
				if _, err := r.l.AddSession(ctx, again, nil); err == nil {
					t.Error("an auth_key of a slot that was not kept makes a session again")
				}
				_, err = r.l.Verify(ctx)
				must(t, err)
			})
		}
	}
}

// A ledger whose last record is another than the one of that number in its mark does not fit it,
// and what accepting it changed is told.
func TestAcceptOfAnotherRecord(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	other, err := os.ReadFile(r.path)
	must(t, err)
	mark, err := os.ReadFile(strings.TrimSuffix(r.path, ".db") + ".mark")
	must(t, err)
	r.open()
	r.slot("one")
	must(t, r.l.Close())
	newer, err := os.ReadFile(strings.TrimSuffix(r.path, ".db") + ".mark")
	must(t, err)
	must(t, os.WriteFile(r.path, other, 0o600))
	must(t, os.WriteFile(strings.TrimSuffix(r.path, ".db")+".mark", mark, 0o600))
	r.open()
	r.slot("other")
	must(t, r.l.Close())
	must(t, os.WriteFile(strings.TrimSuffix(r.path, ".db")+".mark", newer, 0o600))
	for n := range 2 {
		done, err := ledger.Accept(r.path, r.o, ledger.Acceptance{})
		must(t, err)
		if done.Fits != (n == 1) || done.Last < done.Mark || len(done.Closed) != 2-2*n {
			t.Errorf("accepted, time %d: %+v", n+1, done)
		}
	}
}
