package ledger_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pksa/agent/ledger"
	"pksa/agent/ledger/pg/pgtest"
)

// stands opens a ledger in the place of these options, and expects all that the story has left.
func (st *story) stands(o ledger.Options) {
	st.t.Helper()
	st.o = o
	st.open()
	st.checkUnfinished()
	st.checkOutcomes()
	v, err := st.l.Verify(ctx)
	must(st.t, err)
	head, _ := st.l.Head()
	if v.To != head {
		st.t.Errorf("the trail is whole up to %d of %d", v.To, head)
	}
	must(st.t, st.l.Close())
}

// TestMove moves a ledger from a file into a database and back.
func TestMove(t *testing.T) {
	server := pgtest.Start(t)
	file := options("test").WithSegment(10)
	st := newStoryWith(t, file)
	file = st.o
	base := file.InDatabase(server)
	st.tell()
	must(t, st.l.Flush(ctx))
	must(t, st.l.Close())
	for range 2 {
		done, err := ledger.Move(ctx, st.path, file, base)
		must(t, err)
		if done.Last == 0 || done.Values == 0 || done.Segments == 0 || done.Ended {
			t.Errorf("moved: %+v", done)
		}
		_, err = ledger.Open(st.path, file)
		wantError(t, err, ledger.ErrMissing)
		done, err = ledger.Move(ctx, st.path, file, base)
		if err != nil || !done.Ended {
			t.Errorf("moved once more: %+v, %v", done, err)
		}
		st.stands(base)
		_, err = ledger.Move(ctx, st.path, base, file)
		must(t, err)
		_, err = ledger.Open(st.path, base)
		wantError(t, err, ledger.ErrMissing)
		st.stands(file)
	}
	st.o = file
	st.open()
	st.check(st.signed, st.answered)
}

// TestMoveLeavesNothingToOpen: what is put back in the old place does not open beside the new one.
func TestMoveLeavesNothingToOpen(t *testing.T) {
	server := pgtest.Start(t)
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	copied := filepath.Join(t.TempDir(), "copy")
	text, err := os.ReadFile(r.path)
	must(t, err)
	must(t, os.WriteFile(copied, text, 0o600))
	base := r.o.InDatabase(server)
	_, err = ledger.Move(ctx, r.path, r.o, base)
	must(t, err)
	must(t, os.Rename(copied, r.path))
	_, err = ledger.Open(r.path, r.o)
	wantError(t, err, ledger.ErrElsewhere)
	_, err = ledger.Accept(r.path, r.o, ledger.Acceptance{})
	wantError(t, err, ledger.ErrElsewhere)
	_, err = ledger.Move(ctx, r.path, r.o, base)
	wantError(t, err, ledger.ErrElsewhere)
	// On the way back it is set aside.
	_, err = ledger.Move(ctx, r.path, base, r.o)
	must(t, err)
	left, _ := filepath.Glob(r.path + ".moved-left*")
	if len(left) != 1 {
		t.Errorf("set aside is %q", left)
	}
	r.open()
	if _, ok := r.l.Slot("mybot"); !ok {
		t.Error("the app is lost")
	}
}

// TestMoveFails fails each operation of a move in turn, done and not done. The ledger is in one of
// the two places then, and the next move brings it where it goes.
func TestMoveFails(t *testing.T) {
	var ops []string
	for fail := 0; fail == 0 || fail <= len(ops); fail++ {
		for _, applied := range []bool{true, false} {
			r := newRigWith(t, options("test").WithSegment(10))
			r.slot("mybot")
			sessions := r.manySessions(3)
			r.inFlight(sessions[:1], 30, 1)
			must(t, r.l.Close())
			n, refused := 0, false
			count := func(op string, do func() error) error {
				if n++; fail == 0 && applied {
					ops = append(ops, op)
				}
				if n != fail {
					return do()
				}
				if applied {
					if err := do(); err != nil {
						refused = true // as where there is nothing yet
						return err
					}
				}
				return errInjected
			}
			disk := ledger.NewMemDisk()
			file, memory := r.o, r.o.InMemory(disk)
			_, err := ledger.Move(ctx, r.path, file.Around(count), memory.Around(count))
			if fail > 0 && !refused && !errors.Is(err, errInjected) {
				t.Errorf("operation %d, %s, applied %v: %v", fail, ops[fail-1], applied, err)
			}
			disk.PowerCut()
			both := 0
			for _, o := range []ledger.Options{file, memory} {
				if l, err := ledger.Open(r.path, o); err == nil {
					both++
					must(t, l.Close())
				}
			}
			if both > 1 {
				t.Errorf("operation %d, applied %v: the ledger opens in both places", fail, applied)
			}
			if both == 0 || fail > 0 {
				if _, err := ledger.Move(ctx, r.path, file, memory); err != nil && both == 0 {
					t.Errorf("operation %d, %s, applied %v: it opens nowhere, and moving it again: %v", fail,
						ops[fail-1], applied, err)
				}
			}
			r.o = memory
			r.open()
			if len(r.l.Sessions()) != 3 {
				t.Errorf("operation %d, applied %v: %d sessions are left", fail, applied, len(r.l.Sessions()))
			}
			must(t, r.l.Close())
		}
	}
	t.Logf("%d operations: %v", len(ops), tally(ops))
}

// TestMoveIsInterrupted: a move that ends with its context leaves the ledger where it was.
func TestMoveIsInterrupted(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	stopped, stop := context.WithCancel(ctx)
	stop()
	_, err := ledger.Move(stopped, r.path, r.o, r.o.InMemory(ledger.NewMemDisk()))
	wantError(t, err, context.Canceled)
	r.open()
}

// TestMoveBelievesNoOldCopy: a copy that an earlier move has left does not become the ledger
// because the ledger is lost.
func TestMoveBelievesNoOldCopy(t *testing.T) {
	r := newRig(t)
	r.slot("mybot")
	must(t, r.l.Close())
	disk := ledger.NewMemDisk()
	file, memory := r.o, r.o.InMemory(disk)
	fails := func(op string, do func() error) error {
		if op == "retire" {
			return errInjected
		}
		return do()
	}
	_, err := ledger.Move(ctx, r.path, file.Around(fails), memory)
	wantError(t, err, errInjected)
	r.o = file
	r.open()
	r.slot("later")
	must(t, r.l.Close())
	before, err := os.ReadFile(r.mark())
	must(t, err)
	must(t, os.Remove(r.path))
	_, err = ledger.Move(ctx, r.path, file, memory)
	wantError(t, err, ledger.ErrMissing)
	_, err = ledger.Open(r.path, memory)
	wantError(t, err, ledger.ErrElsewhere)
	if after, err := os.ReadFile(r.mark()); string(after) != string(before) {
		t.Errorf("the mark is another one: %s, %v", after, err)
	}
}

// TestMoveCompares: a copy that is not whole takes the place of nothing.
func TestMoveCompares(t *testing.T) {
	for _, bucket := range []string{"meta", "authkeys", "audit", "digests", "segment", "more"} {
		r := newRigWith(t, options("test").WithSegment(10))
		r.slot("mybot")
		sessions := r.manySessions(2)
		r.inFlight(sessions, 30, 1)
		r.try(sessions[0], "without a nonce", 0)
		for range 3 {
			r.reopen() // until all that is full is gathered
			r.inFlight(sessions, 15, 1)
		}
		must(t, r.l.Close())
		_, err := ledger.Move(ctx, r.path, r.o, r.o.InMemory(ledger.NewMemDisk()).Careless(bucket))
		if err == nil {
			t.Errorf("a copy without a value of %s is taken", bucket)
		} else {
			t.Log(bucket, err)
		}
		r.open()
		if len(r.l.Sessions()) != 2 {
			t.Error("sessions are lost")
		}
	}
}
