package ledger_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// TestTightDisk runs itself in a child process that has a small disk of its own: after it was full,
// there is room for some commits again, and none for a copy of the ledger.
func TestTightDisk(t *testing.T) {
	if os.Getenv("LEDGER_TEST_TIGHT_DISK") != "" {
		tightDisk(t)
		return
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestTightDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "LEDGER_TEST_TIGHT_DISK=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case len(out) == 0 && errors.Is(err, syscall.EPERM), strings.Contains(text, "no disk of its own"):
		t.Skip("this system gives no disk to a test")
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case !strings.Contains(text, "the disk was full and is tight"):
		t.Errorf("the child did not get there:\n%s", out)
	}
}

// filler takes room on a disk.
type filler struct {
	t    *testing.T
	path string
}

// leave takes all room but so much.
func (f filler) leave(room int64) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(f.t, err)
	defer file.Close()
	if _, err := io.Copy(file, endless{}); !errors.Is(err, syscall.ENOSPC) {
		f.t.Fatal(err)
	}
	info, err := file.Stat()
	must(f.t, err)
	must(f.t, file.Truncate(info.Size()-room))
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func tightDisk(t *testing.T) {
	disk, err := os.MkdirTemp("", "disk") // not of t, whose own folder must lie on the disk
	must(t, err)
	defer os.Remove(disk)
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=24m"); err != nil {
		fmt.Println("no disk of its own:", err)
		return
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	t.Setenv("TMPDIR", disk)
	st := newStory(t)
	fill := filler{t, filepath.Join(disk, "filler")}
	var signed []delivered
	admit := func(size int) error {
		text := fmt.Sprint("request ", len(signed), strings.Repeat("x", size))
		a := st.admission(st.s, text, 0)
		_, err := st.l.Admit(ctx, a, func(ledger.View) ledger.Ruling {
			return ledger.Ruling{Verdict: ledger.Admitted, Record: []byte(text),
				Charges: []ledger.Charge{{Data: []byte(text), Expires: st.clock.now().Add(time.Hour)}}}
		})
		if err != nil {
			must(t, st.l.Reject(a.Key, ledger.Rejection{Outcome: "failed"}))
			return err
		}
		signed = append(signed, delivered{key: a.Key, text: text})
		return nil
	}
	for range 50 {
		must(t, admit(100_000))
	}
	size := fileSize(t, st.path)
	fill.leave(100_000)
	var failure error
	for i := 0; failure == nil && i < 100; i++ {
		failure = admit(100_000)
	}
	wantError(t, failure, ledger.ErrCommit)
	said := ""
	if err := st.l.Err(); err != nil {
		said = err.Error()
	}
	if !errors.Is(st.l.Err(), ledger.ErrUnavailable) || !strings.Contains(said, "needs 1.0 MB free on") ||
		!strings.Contains(said, disk) || !strings.Contains(said, ", has 0.") {
		t.Errorf("it says: %v", st.l.Err())
	}
	readable(t, st.l, len(signed))

	const room = 3 << 20
	if size < 2*room {
		t.Fatalf("a ledger of %d bytes is too small for this test", size)
	}
	fill.leave(room)
	awaitFlush(t, st.l)
	for range 5 {
		must(t, admit(1000))
	}
	fill.leave(0)
	must(t, st.l.Close())
	st.open() // the mark cannot be replaced
	readable(t, st.l, len(signed))
	st.check(signed, nil)
	fmt.Println("the disk was full and is tight")
}

// readable reads the whole trail, which must hold so many admitted requests at least.
func readable(t *testing.T, l *ledger.Ledger, admitted int) {
	t.Helper()
	head, _ := l.Head()
	var last uint64
	n := 0
	for r, err := range l.Audit(1) {
		if err != nil {
			t.Errorf("after record %d: %v", last, err)
			return
		}
		if last = r.Number; r.Verdict == ledger.Admitted && r.Type == ledger.RecordJudged {
			n++
		}
	}
	if last != head || n < admitted {
		t.Errorf("read up to record %d of %d, with %d of %d requests", last, head, n, admitted)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}
