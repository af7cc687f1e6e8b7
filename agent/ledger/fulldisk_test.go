//go:build linux || darwin

package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"pksa/agent/ledger"
)

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
	awaitFlush(t, st.l)
	st.check(signed, nil)
	fmt.Println("disk was full and recovered after", len(signed))
}

// awaitFlush waits until the ledger takes something again. Only what is broken takes minutes.
func awaitFlush(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for l.Flush(ctx) != nil {
		if time.Now().After(deadline) {
			t.Fatal(l.Err())
		}
	}
}
