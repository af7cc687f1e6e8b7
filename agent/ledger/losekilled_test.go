package ledger_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/ledger"
	"pksa/keystore/durable"
)

// mendEnv tells a process of this test which ledger to mend and at which step to die: PATH|MS|STEP.
const mendEnv = "TEST_MEND_KILLED"

// steps kills this process before or after the n-th thing that changes files.
type steps struct{ left atomic.Int64 }

func (s *steps) around(op string, do func() error) error {
	switch op {
	case "get", "list", "segments", "readSegment":
		return do()
	}
	return s.step(do)
}

func (s *steps) step(do func() error) error {
	s.die()
	err := do()
	s.die()
	return err
}

func (s *steps) die() {
	if s.left.Add(-1) == 0 {
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		select {} // the end is on its way
	}
}

// disk is the system's, with a step for each call that changes a name.
func (s *steps) disk() durable.Disk {
	d := durable.System()
	rename, remove, sync := d.Rename, d.Remove, d.SyncFolder
	d.Rename = func(from, to string) error { return s.step(func() error { return rename(from, to) }) }
	d.Remove = func(path string) error { return s.step(func() error { return remove(path) }) }
	d.SyncFolder = func(dir string) error { return s.step(func() error { return sync(dir) }) }
	return d
}

// mendAndDie is the process that is killed.
func mendAndDie(t *testing.T, setting string) {
	part := strings.Split(setting, "|")
	ms, err := strconv.ParseInt(part[1], 10, 64)
	must(t, err)
	step, err := strconv.Atoi(part[2])
	must(t, err)
	s := new(steps)
	s.left.Store(int64(step))
	x := &lossy{rig: &rig{t: t, path: part[0], clock: newClock(),
		o: options("test").WithSegment(lossySegment).Around(s.around).OnDisk(s.disk())}}
	x.clock.ms.Store(ms)
	x.o.Now = x.clock.now
	_, err = x.lose()
	must(t, err)
}

// Killed at any step that changes a file, a mend with losses has changed nothing, or all; mending
// again leads on, gives up no more, and counts nothing twice.
func TestLoseKilled(t *testing.T) {
	if setting := os.Getenv(mendEnv); setting != "" {
		mendAndDie(t, setting)
		return
	}
	uncut := newLossy(t)
	damaged := func() *lossy {
		x := uncut.copied(t)
		for _, bucket := range []string{"audit", "charges"} {
			must(t, ledger.TestingRewrite(x.path, bucket, func(b *bolt.Bucket) error {
				c := b.Cursor()
				c.First()
				k, v := c.Next()
				return b.Put(slices.Clone(k), slices.Clone(v[:16])) // short: an altered byte is soon looked for in vain
			}))
		}
		segment := filepath.Join(filepath.Dir(x.path), "audit/000000000009-000000000016")
		must(t, os.WriteFile(segment, []byte("nothing"), 0o600))
		return x
	}
	x := damaged()
	whole, err := x.lose()
	must(t, err)
	want := lostNames(whole.Lost)
	x.open()
	charges := len(x.charges())
	for step := 1; ; step++ {
		x := damaged()
		killed := x.mendKilled(step)
		if mended, err := x.lose(); err != nil {
			t.Fatalf("step %d: %v", step, err)
		} else if got := lostNames(mended.Lost); len(got) > 0 && !slices.Equal(got, want) {
			t.Errorf("step %d: lost %q, want %q", step, got, want)
		}
		x.open()
		if n := len(x.charges()); n != charges {
			t.Errorf("step %d: %d charges count, want %d", step, n, charges)
		}
		told := 0
		for rec, err := range x.l.Audit(1) {
			must(t, err)
			if rec.Outcome == "damaged values given up" {
				told++
			}
		}
		if told != 1 {
			t.Errorf("step %d: %d records say that values were given up", step, told)
		}
		x.nothingFree()
		must(t, x.l.Close())
		if !killed {
			if t.Logf("killed at %d steps", step-1); step < 8 {
				t.Error("that is too few to show anything")
			}
			return
		}
	}
}

// mendKilled mends in a process of its own that is killed at a step. It returns false if that ended
// by itself before.
func (x *lossy) mendKilled(step int) bool {
	x.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLoseKilled$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d|%d", mendEnv, x.path, x.nowMS(), step))
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "FAIL") {
		x.t.Fatalf("step %d: %v\n%s", step, err, out)
	}
	return err != nil
}

func lostNames(list []ledger.Loss) (names []string) {
	for _, l := range list {
		names = append(names, l.What)
	}
	slices.Sort(names)
	return names
}

// While the altered byte of a value is looked for, it is told which value that is, and how far the
// search has come.
func TestMendProgress(t *testing.T) {
	x := newLossy(t)
	x.alter("sessions", 0, 20, 21)
	var told []int
	_, err := ledger.Mend(ctx, x.path, x.o, ledger.Mending{
		Every: time.Nanosecond,
		Progress: func(what string, done, all int) {
			if !strings.HasPrefix(what, "session ") || all < 50 || done > all {
				t.Errorf("%s: %d of %d", what, done, all)
			}
			told = append(told, done)
		},
	})
	wantError(t, err, ledger.ErrDamaged)
	if len(told) < 10 || !slices.IsSorted(told) {
		t.Errorf("told %d", told)
	}
}
