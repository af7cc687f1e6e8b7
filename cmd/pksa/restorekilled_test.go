package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// TestRestoreKilled kills `pksa restore` at every step that changes a file, and in between. The
// home is then the empty one, into which the backup can be restored again, or the restored one, in
// which nothing goes on that was not confirmed.
func TestRestoreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary, home := buildWallet(t, "crashpoints"), t.TempDir()
	file := filepath.Join(t.TempDir(), "wallet.pksa")
	mustRun(t, home, "init")
	k := mendKiller{t: t, home: home}
	k.withLedger(home, func(ctx context.Context, l *ledger.Ledger) error {
		for _, name := range []string{"kept", "leaked"} {
			if _, err := l.AddSlot(ctx, name, secretOf(name), nil); err != nil {
				return err
			}
			if _, err := l.AddSession(ctx, ledger.NewSession{Account: "alice", App: name,
				AuthKey: ledger.Secret("k" + name),
				Origin:  ledger.Hand, Expires: time.Now().Add(time.Hour)}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	mustRun(t, home, "backup", file)
	restore := []string{"restore", file, "--keep", "kept", "--unlock", "identity:" + filepath.Join(home,
		"identity.txt")}
	old, whole := 0, 0
	for step := 1; ; step++ {
		next := filepath.Join(t.TempDir(), "home")
		cmd := exec.Command(binary, append([]string{"--home", next}, restore...)...)
		cmd.Env = append(os.Environ(), fmt.Sprintf("CRASHPOINT=any:%d", step))
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("step %d: %v: %s", step, err, out)
		}
		if status, _, said := pksa(t, next, "status"); strings.Contains(said, "there is no wallet") {
			old++
			mustRun(t, next, restore...)
		} else if status == exitOK || !strings.Contains(said, "no agent is running") {
			t.Fatalf("step %d: the home is neither: %s", step, said)
		} else {
			whole++
		}
		wantRestored(t, next, home)
		if err == nil {
			t.Logf("killed at %d steps: %d homes were empty, %d restored", step-1, old, whole-1)
			if old < 5 || whole < 4 {
				t.Error("that is too few to show anything")
			}
			return
		}
	}
}

func mustRun(t *testing.T, home string, args ...string) string {
	t.Helper()
	status, out, said := pksa(t, home, args...)
	if status != exitOK {
		t.Fatalf("%q: %s", args, said)
	}
	return out
}

// wantRestored wants the home that the backup gives, with what opens that of the original.
func wantRestored(t *testing.T, home, original string) {
	t.Helper()
	entries, err := os.ReadDir(home)
	check(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "restore") {
			t.Errorf("left is %s", e.Name())
		}
	}
	opener, err := os.ReadFile(filepath.Join(original, "identity.txt"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(home, "identity.txt"), opener, 0o600))
	k := mendKiller{t: t, home: home}
	k.withLedger(home, func(ctx context.Context, l *ledger.Ledger) error {
		for _, slot := range l.Slots() {
			if counts := slot.Secret == secretOf(slot.Name); counts != (slot.Name == "kept") {
				t.Errorf("the secret of %s counts: %v", slot.Name, counts)
			}
		}
		if live := l.Sessions(); len(live) != 1 || live[0].App != "kept" || len(l.Slots()) != 2 {
			t.Errorf("%d sessions, %d apps", len(live), len(l.Slots()))
		}
		_, err := l.Verify(ctx)
		return err
	})
}

func secretOf(app string) ledger.Secret {
	return ledger.Secret("the secret of " + app + ", in plain sight")
}
