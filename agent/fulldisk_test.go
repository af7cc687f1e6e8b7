//go:build linux || darwin

package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/status"
)

// A full disk: nothing is signed, readiness and status say why, and all goes on when there is room
// again. The limit is the process's, so the test runs in one of its own.
func TestFullDisk(t *testing.T) {
	if os.Getenv("AGENT_TEST_FULL_DISK") != "" {
		fullDisk(t)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "AGENT_TEST_FULL_DISK=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the disk was full and recovered") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
		limit := func(most uint64) {
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: old.Max}); err != nil {
				t.Fatal(err)
			}
		}
		defer limit(old.Cur)
		limit(4096)
		// What cannot be recorded gets silence: its nonce is still free.
		if m := script.ask(request("sign_req", uuid(1), authKey, votePayload("full", nowNonce()))); m != nil {
			t.Errorf("while the disk is full: %#v", m)
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions were sent", n)
		}
		reasons := strings.Join(w.agent.Ready(), "\n")
		if !strings.Contains(reasons, "the ledger takes nothing") || !strings.Contains(reasons, "file too large") {
			t.Errorf("ready says %q", reasons)
		}
		if got := w.causes(); got != string(status.CauseDisk) {
			t.Errorf("not ready because of %q", got)
		}
		// That is when people look at the trail.
		if page, err := w.trail().Page(t.Context(), audit.Query{Last: true, Limit: 1}); err != nil ||
			len(page.Records) != 1 || page.Records[0].Number != page.Head {
			t.Errorf("the trail while the disk is full: %+v, %v", page, err)
		}
		if s := w.agent.Status(); len(s.NotReady) == 0 || !strings.Contains(s.NotReady[0], "the ledger takes nothing") {
			t.Errorf("status says %q", s.NotReady)
		}
		limit(old.Cur)
		w.eventually("recovery", func() bool { return len(w.agent.Ready()) == 0 })
		if m := script.ask(request("sign_req", uuid(2), authKey,
			votePayload("room", nowNonce()))); answerKind(m) != "ack" {
			t.Errorf("after it: %#v", m)
		}
		if n := len(w.chain.Transactions()); n != 1 {
			t.Errorf("%d transactions", n)
		}
		time.Sleep(time.Hour)
		if got := w.events("requests dropped"); len(got) != 1 || !strings.Contains(string(got[0].Content),
			`"not admitted":1`) {
			t.Errorf("recorded: %v", got)
		}
	})
	if !t.Failed() {
		fmt.Println("the disk was full and recovered")
	}
}
