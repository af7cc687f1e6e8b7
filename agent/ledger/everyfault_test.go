package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
	"pksa/keystore/durable"
)

// fate is what becomes of an operation.
type fate int

const (
	done    fate = iota // it is done, and says so
	lost                // it is not done, and says so
	unheard             // it is done, and reports an error
)

func (f fate) String() string { return [...]string{"done", "lost", "unheard"}[f] }

// faults decides on every operation of a ledger's store, and on every replacement of its mark.
type faults struct {
	mu     sync.Mutex
	counts bool                             // operations are numbered from here on
	ops    []string                         // in their order
	decide func(number int, op string) fate // nil: all are done
	few    int                              // changes that a commit gathers; zero: as a wallet
}

func (f *faults) around(op string, do func() error) error {
	switch f.next(op) {
	case lost:
		return errInjected
	case unheard:
		if err := do(); err != nil {
			return err
		}
		return errInjected
	}
	return do()
}

func (f *faults) next(op string) fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.counts {
		return done
	}
	f.ops = append(f.ops, op)
	if f.decide == nil {
		return done
	}
	return f.decide(len(f.ops)-1, op)
}

// count numbers operations from now on, or no more.
func (f *faults) count(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts = on
}

func (f *faults) met() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

// in returns options for a ledger in memory with these faults.
func (f *faults) in(disk *ledger.MemDisk) ledger.Options {
	files := durable.System()
	rename := files.Rename
	files.Rename = func(from, to string) error {
		return f.around("replace mark", func() error { return rename(from, to) })
	}
	files.SyncFolder = func(string) error { return nil } // what is tried here does not depend on it
	o := options("test").InMemory(disk).Around(f.around).OnDisk(files)
	o.KeepSegments = 3
	return o.Gathering(f.few)
}

// live is the life of a ledger, from the first request until it is closed. Each of its operations
// may fail.
func (f *faults) live(t *testing.T, disk *ledger.MemDisk) *story {
	st := newStoryWith(t, f.in(disk))
	f.count(true)
	st.tell()
	st.redeliver()
	time.Sleep(2*time.Minute + time.Second) // twice what is done every minute; a store that failed is open again
	_, err := st.l.Verify(ctx)
	st.fault(err)
	st.fault(st.l.Flush(ctx))
	st.fault(st.l.Close())
	f.count(false)
	return st
}

// fault accepts an error that was injected, in whatever form it is told.
func (st *story) fault(err error) {
	st.t.Helper()
	allowed := slices.ContainsFunc([]error{nil, errInjected, ledger.ErrCommit, ledger.ErrUnavailable},
		func(e error) bool { return errors.Is(err, e) })
	if !allowed || errors.Is(err, ledger.ErrDamaged) {
		st.t.Errorf("the error is %v", err)
	}
}

// redeliver brings again what was signed or answered, and looks at what is unfinished.
func (st *story) redeliver() {
	st.t.Helper()
	for _, w := range slices.Concat(st.signed, st.answered) {
		b, err := st.l.Begin(st.arrival(w.key, w.text))
		st.fault(err)
		switch {
		case err != nil:
		case b.State != ledger.Answered && b.State != ledger.InWork:
			st.t.Errorf("%s: state %v when it is delivered again", w.text, b.State)
		case b.State == ledger.Answered && w.answer != "" && string(b.Answer) != w.answer:
			st.t.Errorf("%s: answer %q, want %q", w.text, b.Answer, w.answer)
		}
	}
	_, err := st.l.Unfinished()
	st.fault(err)
	for _, w := range st.signed {
		st.replay(w)
	}
}

// replay brings what was signed once more, under another uuid.
func (st *story) replay(w delivered) {
	st.t.Helper()
	var said ledger.Replay
	a := st.admission(st.s, w.text, w.nonce)
	out, err := st.l.Admit(ctx, a, func(v ledger.View) ledger.Ruling {
		said = v.Replay
		return ledger.Ruling{}
	})
	st.fault(err)
	if err != nil {
		st.l.Drop(a.Key)
		return
	}
	if said == ledger.Fresh {
		st.t.Errorf("%s is fresh again", w.text)
	}
	must(st.t, st.l.Settle(out.Number, ledger.Settlement{Outcome: "refused"}))
}

// next opens the ledger as the next process does when the last one has ended.
func (st *story) next(disk *ledger.MemDisk) {
	st.t.Helper()
	disk.PowerCut()
	st.open()
	st.checkOutcomes()
}

// reads are the operations that change nothing: one that is not heard is lost.
var reads = []string{"get", "getMany", "list", "segments", "readSegment"}

// TestEveryOperationFails fails each operation of a whole life in turn, done and not done, and then
// each step of coming back from that, too. Nothing may be judged twice, no charge be lost, no
// answer change, and the chain of the trail must hold.
func TestEveryOperationFails(t *testing.T) {
	var plan faults
	synctest.Test(t, func(t *testing.T) {
		disk := ledger.NewMemDisk()
		st := plan.live(t, disk)
		st.next(disk)
		st.checkUnfinished()
		st.check(st.signed, st.answered)
		must(t, st.l.Close())
	})
	ops := plan.met()
	t.Logf("%d operations: %v", len(ops), tally(ops))
	for _, want := range []string{"commit", "get", "getMany", "list", "writeSegment", "removeSegment", "segments",
		"readSegment", "replace mark", "close"} {
		if !slices.Contains(ops, want) {
			t.Errorf("no %s among them", want)
		}
	}
	for number, op := range ops {
		if testing.Short() && number%5 != 0 {
			continue
		}
		for _, f := range []fate{lost, unheard} {
			if f == unheard && slices.Contains(reads, op) {
				continue
			}
			t.Run(fmt.Sprintf("%d %s %v", number, op, f), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { liveWithFault(t, number, f, "") })
			})
			if op != "commit" {
				continue
			}
			for _, then := range []string{"open", "get", "list", "secure", "close"} {
				t.Run(fmt.Sprintf("%d %s %v then %s", number, op, f, then), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { liveWithFault(t, number, f, then) })
				})
			}
		}
	}
}

func tally(ops []string) map[string]int {
	counts := map[string]int{}
	for _, op := range ops {
		counts[op]++
	}
	return counts
}

// liveWithFault lets one operation fail, and after it the first one of another kind.
func liveWithFault(t *testing.T, at int, f fate, then string) {
	failed := 0
	plan := faults{decide: func(number int, op string) fate {
		if number == at || number > at && op == then && failed == 1 {
			failed++
			return f
		}
		return done
	}}
	disk := ledger.NewMemDisk()
	st := plan.live(t, disk)
	if failed == 0 {
		t.Error("the operation was not met")
	}
	st.next(disk)
	st.checkUnfinished()
	st.check(st.signed, st.answered)
	must(t, st.l.Close())
}

// TestKilledAtEveryOperation ends the process at each operation of a whole life, before and after
// it: nothing that comes later is done.
func TestKilledAtEveryOperation(t *testing.T) {
	var plan faults
	synctest.Test(t, func(t *testing.T) { plan.live(t, ledger.NewMemDisk()) })
	for number, op := range plan.met() {
		if testing.Short() && number%5 != 0 {
			continue
		}
		for _, last := range []fate{lost, unheard} {
			if last == unheard && slices.Contains(reads, op) {
				continue
			}
			t.Run(fmt.Sprintf("%d %s %v", number, op, last), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					plan := faults{decide: func(n int, _ string) fate {
						switch {
						case n < number:
							return done
						case n == number:
							return last
						}
						return lost
					}}
					disk := ledger.NewMemDisk()
					st := plan.live(t, disk)
					st.next(disk)
					st.check(st.signed, nil) // nobody was told that an outcome got there
					must(t, st.l.Close())
				})
			})
		}
	}
}
