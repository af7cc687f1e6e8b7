package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/harden"
	"pksa/protocol/hive"
)

// pksa runs another copy of the program, as its operator does.
func (w *killWorld) pksa(args ...string) string {
	w.t.Helper()
	var out, errors bytes.Buffer
	cmd := exec.Command(w.binary, append(args, "--home", w.home)...)
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		w.t.Errorf("pksa %q: %v\n%s", args, err, errors.String())
	}
	return out.String()
}

// reloadsShutIn changes settings of the wallet that has shut itself in, by command and by SIGHUP:
// its relays, the address of its status, and a policy and the token of a notifier in a folder that
// was not open at its start.
func (w *killWorld) reloadsShutIn() {
	w.t.Helper()
	path := filepath.Join(w.home, "config.yaml")
	was, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	elsewhere := filepath.Join(w.t.TempDir(), "policy.yaml")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	free := listener.Addr().String()
	listener.Close()
	for _, file := range []struct{ path, text string }{
		{elsewhere, diskPolicy},
		{path, strings.Replace(string(was), "relays: [", "relays: [ws://127.0.0.1:1, ", 1) +
			"\npolicy: " + elsewhere + "\nstatus: {listen: '" + free + "'}\n" +
			"notify: {ntfy: 'http://127.0.0.1:1', topic: of-a-test, token: 'file:" + elsewhere + "'}\n"},
	} {
		if err := os.WriteFile(file.path, []byte(file.text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	said := w.pksa("reload")
	status, err := w.status(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	shutIn := slices.ContainsFunc(status.Hardening, func(m harden.Measure) bool {
		return m.Name == "landlock" &&
			m.Done
	})
	if !strings.Contains(said, "relays: ") || !strings.Contains(said, "status.listen: "+free) ||
		len(status.Links) != 2 ||
		shutIn != strings.Contains(said, "Restart to take over: policy, notify.") ||
		shutIn != (len(status.Notifiers) == 0) ||
		shutIn != (status.Policy.File != elsewhere) {
		w.t.Errorf("shut in: %t, %d relays, policy %s\n%s", shutIn, len(status.Links), status.Policy.File, said)
	}
	answer, err := http.Get("http://" + free + "/livez")
	if err != nil {
		w.t.Error(err)
	} else if answer.Body.Close(); answer.StatusCode != http.StatusOK {
		w.t.Error(answer.Status)
	}
	if err := os.WriteFile(path, was, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := w.wallet.Process.Signal(syscall.SIGHUP); err != nil {
		w.t.Fatal(err)
	}
	w.await("the settings of before", func(s agent.Status) bool {
		return len(s.Links) == 1 &&
			len(s.Settings.Differ) == 0
	})
	if answer, err := http.Get("http://" + free + "/livez"); err == nil {
		answer.Body.Close()
		w.t.Error("the address of before still answers")
	}
}

// TestHardenedWalletWorks shuts the running program in as far as this machine permits, and then has
// it do all that it does with files: read a policy and a keystore that were replaced, put segments
// of the audit trail aside and read them again.
func TestHardenedWalletWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	w := newKillWorld(t, diskPolicy, "app")
	w.catchUp()
	w.binary = buildWallet(t, "crashpoints") // for its small segments
	w.start("")
	defer w.kill()
	w.await("the start", ready)
	s, err := w.status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Hardening {
		t.Logf("%s: %t, %s", m.Name, m.Done, m.Detail)
	}
	if len(s.Hardening) != 5 {
		t.Errorf("measures: %+v", s.Hardening)
	}
	if text := w.pksa("status"); !strings.Contains(text, "landlock") {
		t.Errorf("status does not tell of hardening:\n%s", text)
	}

	ctx := t.Context()
	c := w.dial("app")
	grant, err := c.Authenticate(ctx, client.Auth{Account: "alice", Secret: w.secrets["app"]})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 70 { // two records each: two segments are full
		if _, err := c.Challenge(ctx, grant.Session, client.Challenge{Role: hive.Posting, Text: fmt.Sprint("hello ",
			i)}); err != nil {
			t.Fatal(err)
		}
	}
	w.await("a segment of the audit trail", func(agent.Status) bool {
		segments, err := filepath.Glob(filepath.Join(w.home, "audit", "*-*"))
		return err == nil && len(segments) > 0
	})
	w.pksa("audit", "verify")

	before := s.Policy.SHA256
	next := filepath.Join(w.home, "policy.next")
	if err := os.WriteFile(next, []byte(diskPolicy+"# another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, w.cfg.Policy); err != nil {
		t.Fatal(err)
	}
	w.pksa("policy", "reload")
	w.pksa("app", "add", "second")
	w.pksa("keys", "remove", "alice", "--role", "active")
	if s, err = w.status(ctx); err != nil || s.Policy.SHA256 == before {
		t.Errorf("policy in force: %+v, %v", s.Policy, err)
	}
	held := w.pksa("keys", "list")
	if strings.Contains(held, "active") || !strings.Contains(held, "posting") {
		t.Errorf("keys after one was removed:\n%s", held)
	}
	if _, err := c.Challenge(ctx, grant.Session, client.Challenge{Role: hive.Posting,
		Text: "still there"}); err != nil {
		t.Error(err)
	}
	w.reloadsShutIn()
	if errors := slices.DeleteFunc(strings.Split(w.stderr.String(), "\n"),
		func(line string) bool { return !strings.Contains(line, "ERROR") }); len(errors) > 0 {
		t.Errorf("errors were logged:\n%s", strings.Join(errors, "\n"))
	}
	w.interrupt()
	w.start("")
}
