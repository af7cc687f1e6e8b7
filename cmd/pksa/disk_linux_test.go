package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/ledger"
	"pksa/agent/relay/relaytest"
	"pksa/keystore"
	"pksa/protocol/hive"
)

const diskPolicy = `version: 1
allow:
  - {name: logins, request: auth, apps: any, session: 24h}
  - {name: proofs, request: challenge, apps: any, key: [posting], text: {glob: "*"}}
  - {name: votes, request: sign, apps: any, operations: [vote: {author: bob}]}
`

// readyz asks as a supervisor does.
func readyz(address string) (int, string, error) {
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// TestDiskFull lets the running program's files not grow any more, for a while. Meanwhile nothing
// is signed, and readiness says why; when there is room again, everything goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	address, err := relaytest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldOf(t, homeParts{policy: diskPolicy, apps: []string{"app"}, accounts: []hive.AccountName{"alice"},
		settings: map[string]string{"status.listen": address}})
	w.catchUp()
	w.binary = buildWallet(t, "")
	w.start("")
	defer w.kill()
	w.await("the start", ready)
	ctx := t.Context()
	c := w.dial("app")
	grant, err := c.Authenticate(ctx, client.Auth{Account: "alice", Secret: w.secrets["app"]})
	if err != nil {
		t.Fatal(err)
	}
	vote := func(ctx context.Context, mark string) error {
		_, err := c.Sign(ctx, grant.Session, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{
			Name: "vote", Fields: map[string]any{"voter": "alice", "author": "bob", "permlink": mark, "weight": 100}}}})
		return err
	}
	prove := func(ctx context.Context) error {
		_, err := c.Challenge(ctx, grant.Session, client.Challenge{Role: hive.Posting, Text: "hello"})
		return err
	}
	if err := errors.Join(vote(ctx, "before"), prove(ctx)); err != nil {
		t.Fatal(err)
	}

	var old unix.Rlimit
	if err := unix.Prlimit(w.wallet.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: unix.RLIM_INFINITY},
		&old); err != nil {
		t.Fatal(err)
	}
	// What cannot be recorded is not answered: the same request could come again, and be carried
	// out.
	for range 3 {
		for _, ask := range []func(context.Context) error{
			func(ctx context.Context) error { return vote(ctx, "full") }, prove,
		} {
			brief, cancel := context.WithTimeout(ctx, time.Second)
			if err := ask(brief); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a request on a full disk: %v", err)
			}
			cancel()
		}
	}
	w.await("the word that the ledger takes nothing", func(s agent.Status) bool {
		return strings.Contains(strings.Join(s.NotReady, "\n"), "ledger")
	})
	if code, text, err := readyz(address); err != nil || code != http.StatusServiceUnavailable ||
		!strings.Contains(text, "ledger") {
		t.Errorf("readyz: %d %q, %v", code, text, err)
	}
	if n := len(w.chain.Transactions()); n != 1 {
		t.Errorf("%d transactions are on the chain", n)
	}
	w.findsOnFullDisk()

	if err := unix.Prlimit(w.wallet.Process.Pid, unix.RLIMIT_FSIZE, &old, nil); err != nil {
		t.Fatal(err)
	}
	w.await("recovery", ready)
	if code, text, err := readyz(address); err != nil || code != http.StatusOK {
		t.Errorf("readyz: %d %q, %v", code, text, err)
	}
	if err := errors.Join(vote(ctx, "after"), prove(ctx)); err != nil {
		t.Errorf("after the disk has room again: %v", err)
	}
	if n := len(w.chain.Transactions()); n != 2 {
		t.Errorf("%d transactions are on the chain", n)
	}
	w.interrupt()
	w.start("")
	w.await("another start", ready)
	w.interrupt()
	w.withLedger(func(l *ledger.Ledger, _ *keystore.Store) {
		if _, err := l.Verify(ctx); err != nil {
			t.Errorf("audit trail: %v", err)
		}
	})
	w.start("")
}

// findsOnFullDisk searches the trail until something is found: for a moment after each commit that
// fails, while the ledger opens again, nothing can be read.
func (w *killWorld) findsOnFullDisk() {
	w.t.Helper()
	for range awaitTimeout / (50 * time.Millisecond) {
		cmd := exec.Command(w.binary, "audit", "find", "--operation", "vote", "--home", w.home)
		if out, _ := cmd.Output(); strings.Contains(string(out), "accepted") { // an error: not this time
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	w.t.Error("a search on a full disk finds nothing")
}

// TestReadOnlyHome: a wallet that cannot write its folder says so and does not start.
func TestReadOnlyHome(t *testing.T) {
	t.Parallel()
	w := newKillWorld(t, diskPolicy, "app")
	w.binary = buildWallet(t, "")
	cmd := exec.Command(w.binary, "run", "--home", w.home)
	if os.Geteuid() == 0 { // nothing is read-only for root
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		err := filepath.WalkDir(w.home, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, nobody, nobody))
		})
		if err != nil {
			t.Fatal(err)
		}
		for dir := filepath.Dir(w.binary); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(w.home, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(w.home, 0o700)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if !errors.As(err, &status) || status.ExitCode() != 1 {
		t.Fatalf("the wallet ended with %v\n%s", err, out)
	}
	if text := string(out); !strings.Contains(text, "pksa: error:") || !strings.Contains(text, "permission denied") ||
		!strings.Contains(text, w.home) {
		t.Errorf("it says\n%s", text)
	}
}
