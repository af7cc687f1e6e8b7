package main

import (
	"context"
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

// TestLostKilled kills the running wallet at each step at which it locks the keystore anew, and the
// command that asks for it before and after that. The identity of before opens the keystore then,
// or the new one, which is on the disk; the ledger is whole, and the wallet starts again.
func TestLostKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may ask for a new lock")
	}
	k := mendKiller{t: t, binary: buildWallet(t, "crashpoints"), home: t.TempDir()}
	mustRun(t, k.home, "init")
	old, whole := 0, 0
	for _, c := range lostPoints(t) {
		// A short path, for the socket.
		home, err := os.MkdirTemp("", "pksa-lost-")
		check(t, err)
		t.Cleanup(func() { os.RemoveAll(home) })
		check(t, os.CopyFS(home, homeFiles{os.DirFS(k.home)}))
		for _, name := range []string{"keystore.age", "identity.txt", "ledger.db", "ledger.mark", "config.yaml",
			"policy.yaml"} {
			check(t, os.Chmod(filepath.Join(home, name), 0o600))
		}
		w := startIn(t, k.binary, home, c.agent)
		fresh := filepath.Join(t.TempDir(), "fresh.txt")
		lost := []string{"keystore", "passwd", "--lost", "--new", "identity:" + fresh}
		cmd := exec.Command(k.binary, append([]string{"--home", home}, lost...)...)
		cmd.Env = append(os.Environ(), "CRASHPOINT="+c.command)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("%+v: nothing was killed: %s", c, out)
		}
		if c.command != "" { // the wallet lives, and the same command completes it
			if got := openedBy(t, home, fresh); got == "old" {
				old++
			} else {
				whole++
			}
			mustRun(t, home, lost...)
			check(t, w.Process.Signal(os.Interrupt))
		}
		if err := w.Wait(); (err != nil) != (c.agent != "") {
			t.Fatalf("%+v: the wallet: %v\n%s", c, err, w.Stderr.(*logtail.Buffer).Last(30))
		}
		by := openedBy(t, home, fresh)
		switch {
		case c.command != "":
			if by != "new" {
				t.Errorf("%+v: run again, the %s identity opens it", c, by)
			}
		case by == "old":
			old++
		default:
			whole++
		}
		if by == "new" {
			opener, err := os.ReadFile(fresh)
			check(t, err)
			check(t, os.WriteFile(filepath.Join(home, "identity.txt"), opener, 0o600))
		}
		k.withLedger(home, func(ctx context.Context, l *ledger.Ledger) error {
			_, err := l.Verify(ctx)
			return err
		})
	}
	t.Logf("%d keystores were the old one, %d the new one", old, whole)
	if old < 3 || whole < 3 {
		t.Error("that is too few to show anything")
	}
}

// lostPoint is where the wallet dies, or the command.
type lostPoint struct{ agent, command string }

// lostPoints are all points of a change of the keystore that the sources name, and those of the
// command.
func lostPoints(t *testing.T) (points []lostPoint) {
	t.Helper()
	for file, of := range map[string]func(string) lostPoint{
		"../../keystore/crashpoint_tagged.go": func(name string) lostPoint { return lostPoint{agent: name} },
		"keyspasswd.go":                       func(name string) lostPoint { return lostPoint{command: name} },
	} {
		text, err := os.ReadFile(file)
		check(t, err)
		for _, m := range regexp.MustCompile(`Crashpoint\("([^"]+)"\)`).FindAllSubmatch(text, -1) {
			if name := string(m[1]); strings.HasPrefix(name, "keystore ") || strings.HasPrefix(name, "new lock ") {
				points = append(points, of(name))
			}
		}
	}
	if len(points) < 7 {
		t.Fatalf("only %v", points)
	}
	return points
}

// startIn starts the wallet, and returns when it answers. It serves nothing: nobody listens at its
// relay and its node.
func startIn(t *testing.T, binary, home, point string) *exec.Cmd {
	t.Helper()
	said := new(logtail.Buffer)
	cmd := exec.Command(binary, "run", "--home", home)
	cmd.Env = append(os.Environ(), "CRASHPOINT="+point, "PKSA_RELAYS=ws://127.0.0.1:1", "PKSA_NODES=http://127.0.0.1:1")
	cmd.Stderr = said
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	ctx, cancel := context.WithTimeout(t.Context(), awaitTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	socket := control.Socket{Path: filepath.Join(home, "control.sock"), Home: home}
	for socket.Call(ctx, agent.MethodLive, struct{}{}, nil) != nil {
		select {
		case <-ctx.Done():
			t.Fatalf("the wallet does not answer:\n%s", said.Last(30))
		case <-tick.C:
		}
	}
	return cmd
}

// openedBy returns which identity opens the keystore: the old one or the new one.
func openedBy(t *testing.T, home, fresh string) string {
	t.Helper()
	if status, _, _ := pksa(t, home, "keys", "list"); status == exitOK {
		return "old"
	}
	t.Setenv("PKSA_UNLOCK", "identity:"+fresh)
	defer os.Unsetenv("PKSA_UNLOCK")
	mustRun(t, home, "keys", "list")
	return "new"
}
