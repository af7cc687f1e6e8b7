package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// TestEveryCommitFails fails each commit of the story in turn, applied and not applied.
func TestEveryCommitFails(t *testing.T) {
	t.Run("pages", func(t *testing.T) { everyCommitFails(t, options("test")) })
	t.Run("journal", func(t *testing.T) { everyCommitFails(t, options("test").WithJournal()) })
}

func everyCommitFails(t *testing.T, o ledger.Options) {
	commits := 0
	count := newStoryWith(t, o)
	count.aroundCommits(func(commit func() error) error { commits++; return commit() })
	count.tell()
	must(t, count.l.Flush(ctx))
	if commits < 15 {
		t.Fatalf("the story has %d commits", commits)
	}
	for fail := 1; fail <= commits; fail++ {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d applied %v", fail, applied), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tellWithFailure(t, o, fail, applied) })
			})
		}
	}
}

func tellWithFailure(t *testing.T, o ledger.Options, fail int, applied bool) {
	st := newStoryWith(t, o)
	n := 0
	st.aroundCommits(func(commit func() error) error {
		n++
		if n != fail {
			return commit()
		}
		if applied {
			must(t, commit())
		}
		return errInjected
	})
	st.tell()
	if err := st.l.Flush(ctx); err != nil {
		wantError(t, err, ledger.ErrCommit) // it was the one that failed
		must(t, st.l.Flush(ctx))
	}
	must(t, st.l.Err())
	st.checkUnfinished()
	// The next reopening must not undo it. Judging again is left for the end, since it adds
	// records.
	st.reopen()
	st.checkUnfinished()
	st.checkOutcomes()
	st.check(st.signed, st.answered)
	must(t, st.l.Close())
}

// TestKilledAfterEachCommit opens what the disk held after each commit.
func TestKilledAfterEachCommit(t *testing.T) {
	t.Run("pages", func(t *testing.T) { killedAfterEachCommit(t, options("test")) })
	t.Run("journal", func(t *testing.T) { killedAfterEachCommit(t, options("test").WithJournal()) })
}

func killedAfterEachCommit(t *testing.T, with ledger.Options) {
	st := newStoryWith(t, with)
	type snapshot struct {
		path   string
		signed int64
	}
	var shots []snapshot
	o := st.o
	st.aroundCommits(func(commit func() error) error {
		// What callers know now was committed before this commit; outcomes may still be on their
		// way.
		must(t, commit())
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(filepath.Dir(st.path)))) // ledger, mark, segments
		shots = append(shots, snapshot{filepath.Join(dir, "ledger.db"), st.signedSoFar.Load()})
		return nil
	})
	st.tell()
	must(t, st.l.Flush(ctx))
	must(t, st.l.Close())
	if len(shots) < 15 {
		t.Fatalf("%d commits", len(shots))
	}
	for i, shot := range shots {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			again := &story{rig: &rig{t: t, o: o, path: shot.path, clock: st.clock, uuids: 1000}, s: st.s}
			again.open()
			defer again.l.Close()
			again.check(st.signed[:shot.signed], nil)
		})
	}
}

// TestDiskThatDoesNotOpen fails a commit while the file cannot be opened again, until it can.
func TestDiskThatDoesNotOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStory(t)
		out, err := st.l.Admit(ctx, st.admission(st.s, "before", 0), allowFresh)
		must(t, err)
		broken := true
		moved := st.path + ".away"
		st.aroundCommits(func(commit func() error) error {
			if broken {
				must(t, os.Rename(st.path, moved))
				must(t, os.Mkdir(st.path, 0o700))
				broken = false
				return errInjected
			}
			return commit()
		})
		a := st.admission(st.s, "during", 0)
		_, err = st.l.Admit(ctx, a, allowFresh)
		wantError(t, err, ledger.ErrCommit)
		must(t, st.l.Settle(out.Number, ledger.Settlement{Outcome: "done", Answer: []byte("yes")}))
		time.Sleep(10 * time.Second)
		wantError(t, st.l.Err(), ledger.ErrUnavailable)
		_, err = st.l.Admit(ctx, a, allowFresh)
		wantError(t, err, ledger.ErrUnavailable)

		must(t, os.Remove(st.path))
		must(t, os.Rename(moved, st.path))
		time.Sleep(2 * time.Second)
		must(t, st.l.Err())
		_, err = st.l.Admit(ctx, a, allowFresh)
		must(t, err)
		must(t, st.l.Flush(ctx))
		st.reopen()
		list, err := st.l.Unfinished()
		must(t, err)
		if len(list) != 1 || list[0].Key != a.Key {
			t.Errorf("the outcome told meanwhile was lost: %+v", list)
		}
		must(t, st.l.Close())
	})
}
