package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// TestApplyKilled kills `pksa apply --prune` at every step that changes a file. The wallet is then
// the old one or the new one, nothing in between, and a second run leads to the new one.
func TestApplyKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary, home := buildWallet(t, "crashpoints"), t.TempDir()
	files := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(files, name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	mustRun(t, home, "init")
	mustRun(t, home, "keys", "import", "alice", "--role", "posting", "--offline", "--from",
		"file:"+write("key", testKey("alice", "posting").WIF()))
	k := mendKiller{t: t, home: home}
	k.withLedger(home, func(ctx context.Context, l *ledger.Ledger) error {
		for _, name := range []string{"turned", "gone"} {
			if _, err := l.AddSlot(ctx, name, secretOf(name), nil); err != nil {
				return err
			}
			if _, err := l.AddSession(ctx, ledger.NewSession{Account: "alice", App: name, AuthKey: secretOf(name + "s"),
				Origin: ledger.Hand, Expires: time.Now().Add(time.Hour)}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	wanted := write("wanted.yaml", fmt.Sprintf(`version: 1
accounts: {alice: posting}
apps:
  turned: {secret: %q, answers: documented}
  made: {secret: %q}
sessions:
  - {app: made, account: alice, key: %q}
`, "file:"+write("turned", string(secretOf("another"))), "file:"+write("made", string(secretOf("made"))),
		"file:"+write("session", string(secretOf("a session of made")))))

	shown := func(home string) (all []string) {
		k.withLedger(home, func(ctx context.Context, l *ledger.Ledger) error {
			for _, s := range l.Slots() {
				all = append(all, fmt.Sprint(s.Name, string(s.Secret), s.Documented))
			}
			for _, s := range l.Sessions() {
				all = append(all, s.App+string(s.AuthKey))
			}
			_, err := l.Verify(ctx)
			return err
		})
		return all
	}
	before := shown(home)
	after := []string{"made" + string(secretOf("made")) + "false", "turned" + string(secretOf("another")) + "true",
		"made" + string(secretOf("a session of made"))}
	old, whole := 0, 0
	for step := 1; ; step++ {
		next := k.copied()
		cmd := exec.Command(binary, "--home", next, "apply", "--prune", wanted)
		cmd.Env = append(os.Environ(), fmt.Sprintf("CRASHPOINT=any:%d", step))
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("step %d: %v: %s", step, err, out)
		}
		switch now := shown(next); {
		case slices.Equal(now, before):
			old++
		case slices.Equal(now, after):
			whole++
		default:
			t.Fatalf("step %d: left is %q", step, now)
		}
		mustRun(t, next, "apply", "--prune", wanted)
		if now := shown(next); !slices.Equal(now, after) {
			t.Fatalf("step %d: a second run leaves %q", step, now)
		}
		if err == nil {
			t.Logf("killed at %d steps: %d wallets were the old one, %d the new one", step-1, old, whole-1)
			if old < 2 || whole < 2 {
				t.Error("that is too few to show anything")
			}
			return
		}
	}
}
