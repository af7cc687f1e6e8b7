package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
	"pksa/keystore/durable"
	"pksa/keystore/durable/durabletest"
)

// TestSegmentFilesThatFail makes each system call fail with which segments and the mark are
// written, done and not done, for a while. Nothing of the trail is lost, and no half file stays.
func TestSegmentFilesThatFail(t *testing.T) {
	for _, step := range durabletest.ReplaceSteps {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s applied %v", step, applied), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					failWhileWriting(t, &durabletest.Faults{Step: step, Applied: applied})
				})
			})
		}
	}
}

func failWhileWriting(t *testing.T, faults *durabletest.Faults) {
	var failing atomic.Bool
	r := newRigWith(t, options("test").WithSegment(8).OnDisk(whenever(&failing, faults.Disk(durable.System()))))
	r.slot("mybot")
	s := r.session("alice", "mybot", "k1")
	failing.Store(true)
	for i := range 30 {
		if r.try(s, fmt.Sprint("text ", i), 0) != ledger.Fresh {
			t.Fatal("not fresh")
		}
	}
	synctest.Wait()
	if !faults.Met() || r.l.Backlog() == nil {
		t.Errorf("met %v, backlog %v", faults.Met(), r.l.Backlog())
	}
	time.Sleep(time.Minute + time.Second) // another attempt, and the mark
	v, err := r.l.Verify(ctx)
	must(t, err)
	failing.Store(false)
	time.Sleep(time.Minute + time.Second)
	must(t, r.l.Backlog())
	for range 2 {
		again, err := r.l.Verify(ctx)
		must(t, err)
		if v != (ledger.Verified{From: 1, To: 32}) || again != v {
			t.Errorf("verified %v, then %v", v, again)
		}
		r.reopen()
	}
	must(t, r.l.Close())
	for _, name := range []string{"audit/000000000001-000000000008", "audit/000000000009-000000000016",
		"audit/000000000017-000000000024", "ledger.mark"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(r.path), name)); err != nil {
			t.Error(err)
		}
	}
	for _, file := range r.files() {
		if strings.Contains(filepath.Base(strings.Fields(file)[0]), ".new") {
			t.Errorf("left: %s", strings.Fields(file)[0])
		}
	}
}

// whenever uses one disk while failing is set, and the system's otherwise.
func whenever(failing *atomic.Bool, bad durable.Disk) durable.Disk {
	good := durable.System()
	now := func() durable.Disk {
		if failing.Load() {
			return bad
		}
		return good
	}
	return durable.Disk{
		CreateTemp: func(dir, pattern string) (durable.File, error) { return now().CreateTemp(dir, pattern) },
		CreateNew:  func(path string) (durable.File, error) { return now().CreateNew(path) },
		Rename:     func(from, to string) error { return now().Rename(from, to) },
		Remove:     func(path string) error { return now().Remove(path) },
		Exists:     func(path string) bool { return now().Exists(path) },
		List:       func(dir string) ([]string, error) { return now().List(dir) },
		SyncFolder: func(dir string) error { return now().SyncFolder(dir) },
	}
}
