package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"pksa/agent/config"
	"pksa/agent/ledger"
)

// mendPoints are points at which only this test kills: between those that a running wallet passes
// at the same file.
var mendPoints = []string{"file removed", "folder synced"}

// TestMendKilled kills `pksa ledger mend --lose` at every step that changes a file, and in between.
// The home is then the old one or the new one: either what was damaged is named as before, and
// mending again leads on, or all is mended, and there is nothing to mend. Nothing counts twice.
func TestMendKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	k := mendKiller{t: t, binary: buildWallet(t, "crashpoints"), home: t.TempDir()}
	k.makeHome()
	uncut := k.copied()
	want := k.losses(uncut)
	if !slices.ContainsFunc(want, func(what string) bool { return strings.Contains(what, "charge") }) || len(want) < 3 {
		t.Fatalf("a mend would lose %q", want)
	}
	if err := k.mend(uncut, 0); err != nil {
		t.Fatal(err)
	}
	charges, _ := k.found(uncut)
	old, whole := 0, 0
	for step := 1; ; step++ {
		home := k.copied()
		err := k.mend(home, step)
		lost := k.losses(home)
		switch {
		case len(lost) == 0:
			whole++
		case slices.Equal(lost, want):
			old++
		default:
			t.Errorf("step %d: it lacks %q, neither nothing nor %q", step, lost, want)
		}
		if status, _, said := pksa(t, home, "ledger", "mend", "--lose"); status != exitOK {
			t.Errorf("step %d: mending again: %s", step, said)
		}
		if counted, told := k.found(home); counted != charges || told != 1 {
			t.Errorf("step %d: %d charges count, want %d; %d records tell of the loss", step, counted, charges, told)
		}
		if err == nil {
			t.Logf("killed at %d steps: %d homes were the old one, %d the new one", step-1, old, whole-1)
			if old < 4 || whole < 3 {
				t.Error("that is too few to show anything")
			}
			return
		}
	}
}

// mendKiller has the home folder of a wallet whose ledger is damaged.
type mendKiller struct {
	t            *testing.T
	binary, home string
}

// makeHome makes a wallet that was paid with, and damages a file of its trail, a record behind that
// and a charge.
func (k *mendKiller) makeHome() {
	k.t.Helper()
	if status, _, said := pksa(k.t, k.home, "init"); status != exitOK {
		k.t.Fatal(said)
	}
	k.withLedger(k.home, func(ctx context.Context, l *ledger.Ledger) error {
		_, err := l.AddSlot(ctx, "tipbot", "the secret of the slot, in plain sight", nil)
		if err != nil {
			return err
		}
		s, err := l.AddSession(ctx, ledger.NewSession{Account: "alice", App: "tipbot", AuthKey: "k",
			Origin: ledger.Hand, Expires: time.Now().Add(time.Hour)}, nil)
		for i := 0; err == nil && i < 34; i++ {
			err = payOnce(ctx, l, s.ID, i)
		}
		return err
	})
	// The program that dies has small files of the trail. It writes them when all that they hold is
	// gathered, of which each commit does a part.
	var files []string
	for i := 0; len(files) == 0; i++ {
		out, err := exec.Command(k.binary, "--home", k.home, "app", "add", fmt.Sprint("other", i)).CombinedOutput()
		files, _ = filepath.Glob(filepath.Join(k.home, "audit", "*-*"))
		if err != nil || i == 8 {
			k.t.Fatalf("%d files of the trail: %v, %s", len(files), err, out)
		}
	}
	check(k.t, os.WriteFile(files[0], []byte("nothing"), 0o600))
	db, err := bolt.Open(filepath.Join(k.home, "ledger.db"), 0o600, nil)
	check(k.t, err)
	check(k.t, errors.Join(db.Update(func(tx *bolt.Tx) error {
		for _, bucket := range []string{"audit", "charges"} {
			b := tx.Bucket([]byte(bucket))
			c := b.Cursor()
			c.First()
			key, value := c.Next()
			if err := b.Put(slices.Clone(key), slices.Clone(value[:16])); err != nil { // cut off: soon tried in vain
				return err
			}
		}
		return nil
	}), db.Close()))
}

// payOnce admits a request that is charged for, and settles it.
func payOnce(ctx context.Context, l *ledger.Ledger, session ledger.SessionID, i int) error {
	key, now := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint("payment", i)}, time.Now()
	_, err := l.Begin(ledger.Arrival{Key: key, Digest: [32]byte{1, byte(i)}, Expires: now.Add(time.Minute)})
	if err != nil {
		return err
	}
	out, err := l.Admit(ctx, ledger.Admission{Key: key, Account: "alice", Kind: "sign", Session: session,
		Nonce: now.UnixMilli() + int64(i)}, func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, TxID: [20]byte{1, byte(i)}, TxBytes: []byte("x"),
			TxExpires: now.Add(time.Minute), Charges: []ledger.Charge{{Expires: now.Add(24 * time.Hour)}}}
	})
	if err != nil {
		return err
	}
	return l.Settle(out.Number, ledger.Settlement{Outcome: "accepted", Answer: []byte("yes")})
}

// copied is a copy of the damaged home.
func (k *mendKiller) copied() string {
	k.t.Helper()
	home := filepath.Join(k.t.TempDir(), "home")
	check(k.t, os.CopyFS(home, os.DirFS(k.home)))
	check(k.t, filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if d.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o700))
		}
		return errors.Join(err, os.Chmod(path, 0o600))
	}))
	return home
}

// mend runs the program, which is killed at the n-th step, or not if that is zero. The error is
// that of the kill; nothing else may go wrong.
func (k *mendKiller) mend(home string, step int) error {
	k.t.Helper()
	cmd := exec.Command(k.binary, "--home", home, "ledger", "mend", "--lose")
	cmd.Env = append(os.Environ(), fmt.Sprintf("CRASHPOINT=any:%d", step))
	out, err := cmd.CombinedOutput()
	if err != nil && (step == 0 || cmd.ProcessState.ExitCode() != -1) {
		k.t.Fatalf("step %d: %v: %s", step, err, out)
	}
	return err
}

// losses are what a mend without --lose names as lost, in a home that it leaves as it is.
func (k *mendKiller) losses(home string) []string {
	k.t.Helper()
	status, out, said := pksa(k.t, home, "ledger", "mend")
	if status == exitOK {
		if !strings.Contains(out, "nothing was changed") {
			k.t.Errorf("it mended %s", out)
		}
		return nil
	}
	said = strings.Join(strings.Fields(said), " ")
	_, lost, ok := strings.Cut(said, "this cannot be restored: ")
	if !ok {
		k.t.Fatalf("mend without --lose: %s", said)
	}
	lost, _, _ = strings.Cut(lost, " pksa: ")
	return strings.Split(lost, ", ")
}

// found returns how many charges count, and how many records tell of a loss.
func (k *mendKiller) found(home string) (charges, told int) {
	k.t.Helper()
	k.withLedger(home, func(ctx context.Context, l *ledger.Ledger) error {
		for r, err := range l.Audit(1) {
			var content struct{ Act string }
			if err != nil {
				return err
			}
			if json.Unmarshal(r.Content, &content) == nil && content.Act == "ledger mend" {
				told++
			}
		}
		return l.Look(ctx, func(v ledger.View) {
			for range v.Charges() {
				charges++
			}
		})
	})
	return charges, told
}

// withLedger opens the ledger of a home.
func (k *mendKiller) withLedger(home string, do func(context.Context, *ledger.Ledger) error) {
	k.t.Helper()
	c := &command{streams: streams{strings.NewReader(""), io.Discard, io.Discard}, home: home}
	check(k.t, c.withLedger(k.t.Context(), func(cfg *config.Config, o ledger.Options) error {
		l, err := ledger.Open(cfg.Ledger, o)
		if err != nil {
			return err
		}
		return errors.Join(do(k.t.Context(), l), l.Close())
	}))
}
