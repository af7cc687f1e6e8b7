package main

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/cmd/pksa/internal/logtail"
)

// TestLockAndUnlockKilled kills the wallet at each step of a lock and of its end: a start opens the
// home, with its keys, and is not locked. Then it kills the command at each step, and in the middle
// of a call: the wallet goes on, locked or not as it says, without a key where it is locked, and
// the same command completes what it began.
func TestLockAndUnlockKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	k := lockKiller{t: t, binary: buildWallet(t, "crashpoints"), secrets: map[string][]byte{}}
	var err error
	k.home, err = os.MkdirTemp("", "pksa-locked-") // the path of a socket must be short
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(k.home) })
	// The hardening would keep this test from the memory, too, unless it is root.
	t.Setenv("PKSA_HARDENING", "off")
	mustRun(t, k.home, "init")
	key := filepath.Join(t.TempDir(), "key")
	check(t, os.WriteFile(key, []byte(testKey("alice", "posting").WIF()), 0o600))
	mustRun(t, k.home, "keys", "import", "alice", "--role", "posting", "--offline", "--from", "file:"+key)
	addForms(t, k.secrets, "posting", testKey("alice", "posting").WIF())
	// The form in which a wallet holds a key. What is left of copies is for TestLockLeavesNoKeys.
	maps.DeleteFunc(k.secrets, func(form string, _ []byte) bool {
		return !strings.HasSuffix(form, "lowest byte first")
	})

	k.killWallet(pointsIn(t, "../../agent/reload.go", `\tcrashpoint\("([^"]+)"\)`))
	k.start("")
	k.killCommand(pointsIn(t, "lock.go", `Crashpoint\("([^"]+)"\)`))
	k.hangUp()
	k.wallet.Process.Signal(os.Interrupt)
	if err := k.wallet.Wait(); err != nil {
		t.Errorf("%v\n%s", err, k.wallet.Stderr.(*logtail.Buffer).Last(20))
	}
	(&mendKiller{t: t, home: k.home}).withLedger(k.home, func(ctx context.Context, l *ledger.Ledger) error {
		_, err := l.Verify(ctx)
		return err
	})
}

// pointsIn returns the points of a lock that a source names.
func pointsIn(t *testing.T, file, form string) (points []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	check(t, err)
	for _, m := range regexp.MustCompile(form).FindAllSubmatch(text, -1) {
		if isLockPoint(string(m[1])) {
			points = append(points, string(m[1]))
		}
	}
	if len(points) < 5 {
		t.Fatalf("only %q", points)
	}
	return points
}

// lockKiller has a wallet with one key, whose forms in memory are secrets.
type lockKiller struct {
	t            *testing.T
	binary, home string
	secrets      map[string][]byte
	wallet       *exec.Cmd
}

// start starts the wallet, which dies at a point. It has the key, and is not locked.
func (k *lockKiller) start(point string) {
	k.t.Helper()
	k.wallet = startIn(k.t, k.binary, k.home, point)
	if k.locked() {
		k.t.Errorf("%q: a start is locked", point)
	}
	if out := mustRun(k.t, k.home, "keys", "list"); !strings.Contains(out, "alice") {
		k.t.Errorf("%q: the key is lost: %s", point, out)
	}
}

// killWallet kills the wallet at each point.
func (k *lockKiller) killWallet(points []string) {
	k.t.Helper()
	for _, point := range points {
		k.start(point)
		dies, _, _ := strings.Cut(point, " ")
		if dies == "unlock" {
			mustRun(k.t, k.home, "lock")
		}
		if status, _, _ := pksa(k.t, k.home, dies); status == exitOK {
			k.t.Fatalf("%q: the command found it well, so nothing was killed", point)
		}
		if k.wallet.Wait() == nil || k.wallet.ProcessState.ExitCode() != -1 {
			k.t.Errorf("%q: it was not killed: %v", point, k.wallet.ProcessState)
		}
	}
}

// killCommand kills the command at each point. The wallet is locked before that if the command
// unlocks.
func (k *lockKiller) killCommand(points []string) {
	k.t.Helper()
	if len(k.held()) == 0 {
		k.t.Error("no key is found in use, so this test finds nothing")
	}
	for _, point := range points {
		verb, at, _ := strings.Cut(point, " ")
		args := []string{verb}
		if verb == "unlock" {
			mustRun(k.t, k.home, "lock")
			if at == "opened here" {
				args = append(args, "--from", "identity:"+filepath.Join(k.home, "identity.txt"))
			}
		} else {
			mustRun(k.t, k.home, "unlock")
		}
		cmd := exec.Command(k.binary, append([]string{"--home", k.home}, args...)...)
		cmd.Env = append(os.Environ(), "CRASHPOINT="+point)
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			k.t.Errorf("%q: it was not killed: %v: %s", point, err, out)
		}
		k.want(point, (verb == "lock") == (at == "answered"))
		mustRun(k.t, k.home, args...)
		k.want(point+", run again", verb == "lock")
	}
}

// hangUp asks for a lock and its end, and is gone before the answer.
func (k *lockKiller) hangUp() {
	k.t.Helper()
	for _, call := range []struct {
		method string
		locked bool
	}{{agent.MethodLock, true}, {agent.MethodUnlock, false}} {
		conn, err := net.Dial("unix", filepath.Join(k.home, "control.sock"))
		check(k.t, err)
		_, err = conn.Write([]byte(`{"method":"` + call.method + `","params":{}}` + "\n"))
		check(k.t, err)
		check(k.t, conn.Close())
		for began := time.Now(); k.locked() != call.locked && time.Since(began) < awaitTimeout; {
			time.Sleep(5 * time.Millisecond) // another process
		}
		// Its answer comes when the call before it has ended.
		mustRun(k.t, k.home, call.method)
		k.want("a call of "+call.method+" without its caller", call.locked)
	}
}

// want wants the wallet locked, without a secret in its memory, or not locked.
func (k *lockKiller) want(when string, locked bool) {
	k.t.Helper()
	if k.locked() != locked {
		k.t.Errorf("%s: it is locked: %t", when, !locked)
	}
	if held := k.held(); locked && len(held) > 0 {
		k.t.Errorf("%s: a locked wallet holds %s", when, strings.Join(held, "; "))
	}
}

// held returns which secrets are in the memory of the wallet.
func (k *lockKiller) held() []string {
	k.t.Helper()
	return (&killWorld{t: k.t, wallet: k.wallet}).holds(k.secrets)
}

func (k *lockKiller) locked() bool {
	k.t.Helper()
	var s agent.Status
	socket := control.Socket{Path: filepath.Join(k.home, "control.sock"), Home: k.home}
	check(k.t, socket.Call(k.t.Context(), agent.MethodStatus, struct{}{}, &s))
	return isLocked(s)
}
