package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
)

// TestEveryCommitFails fails each commit of the story in turn, applied and not applied.
func TestEveryCommitFails(t *testing.T) {
	commits := 0
	count := newStory(t)
	count.aroundCommits(func(commit func() error) error { commits++; return commit() })
	count.tell()
	must(t, count.l.Flush(ctx))
	if commits < 15 {
		t.Fatalf("the story has %d commits", commits)
	}
	for fail := 1; fail <= commits; fail++ {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d applied %v", fail, applied), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { tellWithFailure(t, fail, applied) })
			})
		}
	}
}

func tellWithFailure(t *testing.T, fail int, applied bool) {
	st := newStory(t)
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
	st := newStory(t)
	type snapshot struct {
		path             string
		signed, answered int
	}
	var shots []snapshot
	st.aroundCommits(func(commit func() error) error {
		// What callers know now was committed before this commit; outcomes may still be on their
		// way.
		must(t, commit())
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(filepath.Dir(st.path)))) // ledger, mark, segments
		shots = append(shots, snapshot{filepath.Join(dir, "ledger.db"), len(st.signed), len(st.answered)})
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
			again := &story{rig: &rig{t: t, o: st.o, path: shot.path, clock: st.clock, uuids: 1000}, s: st.s}
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

// TestDiskFull runs itself in a child process whose files cannot grow.
func TestDiskFull(t *testing.T) {
	if os.Getenv("LEDGER_TEST_DISK_FULL") != "" {
		fillDisk(t)
		return
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), "LEDGER_TEST_DISK_FULL=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "disk was full and recovered") {
		t.Errorf("the child did not get there:\n%s", out)
	}
}

func fillDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	st := newStory(t)
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200_000, Max: old.Max}))
	var signed []delivered
	var failure error
	for i := 0; failure == nil && i < 3000; i++ {
		text := fmt.Sprint("request ", i, strings.Repeat("long ", 200))
		a := st.admission(st.s, text, 0)
		_, failure = st.l.Admit(ctx, a, func(ledger.View) ledger.Ruling {
			return ledger.Ruling{Verdict: ledger.Admitted, Record: []byte(text),
				Charges: []ledger.Charge{{Data: []byte(text), Expires: st.clock.now().Add(time.Hour)}}}
		})
		if failure == nil {
			signed = append(signed, delivered{key: a.Key, text: text})
			continue
		}
		must(t, st.l.Reject(a.Key, ledger.Rejection{Outcome: "failed"}))
	}
	if !errors.Is(failure, ledger.ErrCommit) || len(signed) < 3 {
		t.Fatalf("after %d requests: %v", len(signed), failure)
	}
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	deadline := time.Now().Add(10 * time.Second)
	for st.l.Flush(ctx) != nil {
		if time.Now().After(deadline) {
			t.Fatal(st.l.Err())
		}
	}
	st.check(signed, nil)
	fmt.Println("disk was full and recovered after", len(signed))
}
