package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// scriptRekey gives an account on the chain the keys of these names, and no other, in one role:
// rekey ACCOUNT posting|active NAME...
func scriptRekey(ts *testscript.TestScript, _ bool, args []string) {
	chain := ts.Value("memchain").(*atomic.Pointer[memchain.Chain]).Load()
	authority := hive.Authority{WeightThreshold: 1}
	for _, name := range args[2:] {
		authority.KeyAuths = append(authority.KeyAuths, hive.KeyWeight{Key: testKey(name, args[1]).Public(), Weight: 1})
	}
	chain.Change(hive.AccountName(args[0]), func(a *memchain.Account) {
		if args[1] == "active" {
			a.Active = authority
		} else {
			a.Posting = authority
		}
	})
}

// TestRotateKilled kills each step of `pksa keys rotate` wherever the keystore is changed, and in
// between. The keystore is then that of before the step or of after it, and the same step, run
// again, completes it.
func TestRotateKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	k := mendKiller{t: t, binary: buildWallet(t, "crashpoints"), home: t.TempDir()}
	files := t.TempDir()
	for _, name := range []string{"alice", "alice2"} {
		check(t, os.WriteFile(filepath.Join(files, name), []byte(testKey(name, "posting").WIF()), 0o600))
	}
	mustRun(t, k.home, "init")
	mustRun(t, k.home, "keys", "import", "alice", "--role", "posting", "--offline", "--from",
		"file:"+filepath.Join(files, "alice"))
	rotate := []string{"keys", "rotate", "alice", "posting", "--offline"}
	begin := append(slices.Clone(rotate), "--from", "file:"+filepath.Join(files, "alice2"))
	k.killSteps(begin, heldIn)
	mustRun(t, k.home, begin...)
	k.killSteps(append(slices.Clone(rotate), "--undo"), heldIn)
	k.killSteps(append(slices.Clone(rotate), "--finish"), heldIn)
}

// killSteps kills a command at each of its steps, each in a copy of the home. What is held is then
// as before or as after the command; run again it succeeds, or says that it was done.
func (k *mendKiller) killSteps(line []string, held func(*testing.T, string) string) {
	k.t.Helper()
	before, done := held(k.t, k.home), k.copied()
	mustRun(k.t, done, line...)
	after := held(k.t, done)
	if before == after {
		k.t.Fatalf("%q changes nothing", line)
	}
	old, whole := 0, 0
	for step := 1; ; step++ {
		home := k.copied()
		cmd := exec.Command(k.binary, append([]string{"--home", home}, line...)...)
		cmd.Env = append(os.Environ(), fmt.Sprintf("CRASHPOINT=any:%d", step))
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() != -1 {
			k.t.Fatalf("step %d: %v: %s", step, err, out)
		}
		switch got := held(k.t, home); got {
		case before:
			old++
			mustRun(k.t, home, line...)
		case after:
			whole++
			// Again: it is done, or the command says that there is nothing to do.
			if status, _, said := pksa(k.t, home, line...); status != exitOK && !strings.Contains(said, "no ") {
				k.t.Errorf("step %d: again: %s", step, said)
			}
		default:
			k.t.Errorf("step %d: neither old nor new: %s", step, got)
		}
		if now := held(k.t, home); now != after {
			k.t.Errorf("step %d: run again, it is %s, want %s", step, now, after)
		}
		if err == nil {
			k.t.Logf("%s: killed at %d steps: %d old, %d new", line[1], step-1, old, whole-1)
			if old < 3 || whole < 3 {
				k.t.Error("that is too few to show anything")
			}
			return
		}
	}
}

// heldIn is what a keystore holds, in words.
func heldIn(t *testing.T, home string) string {
	t.Helper()
	var keys []keyInfo
	check(t, json.Unmarshal([]byte(mustRun(t, home, "keys", "list", "--json")), &keys))
	return fmt.Sprint(keys)
}

// TestLockKilled kills what changes who opens the keystore, in the same way: the identity of before
// opens it then, or the new one.
func TestLockKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	k := mendKiller{t: t, binary: buildWallet(t, "crashpoints"), home: t.TempDir()}
	fresh := filepath.Join(t.TempDir(), "fresh")
	mustRun(t, k.home, "init")
	k.killSteps([]string{"keystore", "recipients", "add",
		"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"}, func(t *testing.T, home string) string {
		return mustRun(t, home, "keystore", "recipients", "list", "--json")
	})
	k.killSteps([]string{"keystore", "passwd", "--new", "identity:" + fresh}, func(t *testing.T, home string) string {
		if status, _, _ := pksa(t, home, "keys", "list"); status == exitOK {
			return "opened by the old identity"
		}
		t.Setenv("PKSA_UNLOCK", "identity:"+fresh)
		defer os.Unsetenv("PKSA_UNLOCK")
		mustRun(t, home, "keys", "list")
		return "opened by the new identity"
	})
}
