package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pksa/agent/ledger/pg/pgtest"
	"pksa/agent/relay/relaytest"
	"pksa/cmd/pksa/internal/logtail"
)

// TestTakeover has two processes with one ledger. The one that leads is stopped, and wakes up when
// the other one has taken over; then that one is killed.
func TestTakeover(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program, and waits for leases to end")
	}
	server := pgtest.Start(t)
	binary, password := buildWallet(t, ""), filepath.Join(t.TempDir(), "password")
	check(t, os.WriteFile(password, []byte(pgtest.Password), 0o600))
	env := append(os.Environ(), "PKSA_LEDGER="+server.Database().Address.String(),
		"PKSA_LEDGER_PASSWORD=file:"+password, "PKSA_NODES=http://127.0.0.1:1", "PKSA_RELAYS=ws://127.0.0.1:1")
	first, second := &takeover{t: t, binary: binary, env: env}, &takeover{t: t, binary: binary, env: env}
	first.home, second.home = filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	made := exec.Command(binary, "--home", first.home, "init")
	made.Env = env
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check(t, os.CopyFS(second.home, os.DirFS(first.home)))
	check(t, os.Chmod(second.home, 0o700))
	files, err := filepath.Glob(filepath.Join(second.home, "*"))
	check(t, err)
	for _, file := range files {
		check(t, os.Chmod(file, 0o600))
	}

	first.start()
	first.awaits(20*time.Second, false)
	second.start()
	second.awaits(20*time.Second, true)
	check(t, first.run.Process.Signal(syscall.SIGSTOP))
	second.awaits(20*time.Second, false)
	check(t, first.run.Process.Signal(syscall.SIGCONT))
	select {
	case <-first.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on when it wakes up")
	}
	if said := first.said.Last(1000); first.run.ProcessState.ExitCode() != exitFailure ||
		!strings.Contains(said, "another running copy has taken the ledger over") {
		t.Errorf("it ends with %v: %s", first.run.ProcessState, said)
	}
	first.start()
	first.awaits(20*time.Second, true)
	check(t, second.run.Process.Kill())
	first.awaits(20*time.Second, false)
}

// takeover is one of the processes.
type takeover struct {
	t            *testing.T
	binary, home string
	env          []string
	address      string
	run          *exec.Cmd
	said         *logtail.Buffer
	ended        chan struct{}
}

func (p *takeover) start() {
	address, err := relaytest.FreeAddress()
	check(p.t, err)
	p.address, p.said, p.ended = address, new(logtail.Buffer), make(chan struct{})
	p.run = exec.Command(p.binary, "--home", p.home, "run")
	p.run.Env, p.run.Stderr = append(p.env, "PKSA_STATUS_LISTEN="+address), p.said
	check(p.t, p.run.Start())
	run, ended := p.run, p.ended
	go func() { defer close(ended); _ = run.Wait() }()
	p.t.Cleanup(func() { _ = run.Process.Kill(); <-ended })
}

// awaits waits until the process stands by, or until it leads.
func (p *takeover) awaits(most time.Duration, standby bool) {
	p.t.Helper()
	said := ""
	for begun := time.Now(); time.Since(begun) < most; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + p.address + "/readyz")
		if err != nil {
			continue // it begins or ends to listen
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if said = string(text); strings.Contains(said, "standby: ") == standby {
			p.t.Logf("standby is %v after %v", standby, time.Since(begun))
			return
		}
	}
	p.t.Fatalf("standby is not %v: %q: %s", standby, said, p.said.Last(1000))
}
