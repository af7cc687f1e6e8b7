package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// started is the program as an application's author runs it, and what it has printed.
type started struct {
	t     *testing.T
	facts map[string]string
	log   decisions
	stop  context.CancelFunc
	ended chan error
}

// decisions is what the program writes about requests while it runs, as a terminal shows it.
type decisions struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *decisions) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// lines returns the lines so far that have all of these words.
func (d *decisions) lines(words ...string) (found []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.text.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			found = append(found, line)
		}
	}
	return found
}

func start(t *testing.T, o options) *started {
	t.Helper()
	address, err := relaytest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	o.account, o.app, o.relay, o.node = "alice", "devbot", address, "127.0.0.1:0"
	ctx, stop := context.WithCancel(t.Context())
	s := &started{t: t, facts: map[string]string{}, stop: stop, ended: make(chan error, 1)}
	r, w := io.Pipe()
	go func() {
		err := run(ctx, o, w, &s.log)
		w.CloseWithError(err)
		s.ended <- err
	}()
	buf := make([]byte, 4096) // it prints all of it at once
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(buf[:n])) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.facts[name] = strings.TrimSpace(value)
	}
	return s
}

// end ends the program, which leaves nothing behind.
func (s *started) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		s.t.Error(err)
	}
	home := strings.Fields(s.facts["look"])[2]
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		s.t.Errorf("%s: %v", home, err)
	}
}

// login logs in with nothing but what was printed. The wallet registers at the relay in a moment,
// and until then nobody answers.
func (s *started) login(ctx context.Context) (*client.Client, *client.Session) {
	s.t.Helper()
	secret := client.Secret(s.facts["secret"])
	app, err := client.Dial(ctx, client.Options{Relay: s.facts["relay"], App: protocol.AppInfo{Name: "devbot"},
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	for {
		grant, err := app.Authenticate(ctx, client.Auth{Account: hive.AccountName(s.facts["account"]), Secret: secret})
		if err == nil {
			return app, grant.Session
		}
		if !errors.Is(err, client.ErrNobody) {
			s.t.Fatal(err)
		}
	}
}

func operations(name string, fields map[string]any) []client.Operation {
	return []client.Operation{{Name: name, Fields: fields}}
}

// Whoever writes an application needs nothing but what is printed: it logs in, votes and pays.
func TestEverythingIsAllowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dev.secret")
	s := start(t, options{secretFile: file})
	if text, err := os.ReadFile(file); err != nil || string(text) != s.facts["secret"] {
		t.Errorf("the file of the secret: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	app, session := s.login(ctx)
	for role, ops := range map[hive.Role][]client.Operation{
		hive.Posting: operations("vote", map[string]any{"voter": "alice", "author": "bob", "permlink": "p",
			"weight": 1}),
		hive.Active: operations("transfer", map[string]any{"from": "alice", "to": "bob", "amount": "1.000 HIVE",
			"memo": ""}),
	} {
		if signed, err := app.Sign(ctx, session, client.SignRequest{Role: role, Operations: ops}); err != nil {
			t.Errorf("%s: %v", role, err)
		} else if signed.ID == (hive.TxID{}) {
			t.Errorf("%s: sent as nothing", role)
		}
	}
	app.Close()
	s.end()
	// Each request has a line, with what was asked and what came of it, when it is answered.
	for _, want := range [][]string{{"kind=auth", "app=devbot", "outcome=session"},
		{"kind=sign", "app=devbot", "outcome=accepted", "votes"}, {"kind=sign", "outcome=accepted", "1.000 HIVE"}} {
		if lines := s.log.lines(append(want, `msg="request answered"`, "account=alice")...); len(lines) != 1 {
			t.Errorf("%d lines have %q", len(lines), want)
		}
	}
}

// With a policy of one's own the wallet does what a real one would.
func TestOwnPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	text := "version: 2\nallow:\n  - {name: logins, request: auth, apps: [devbot], session: 1h}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, options{policy: file})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	app, session := s.login(ctx)
	_, err := app.Sign(ctx, session, client.SignRequest{Role: hive.Posting,
		Operations: operations("vote", map[string]any{"voter": "alice", "author": "bob", "permlink": "p",
			"weight": 1})})
	if !errors.Is(err, client.ErrRefused) {
		t.Errorf("a vote: %v", err)
	}
	app.Close()
	s.end()
	if lines := s.log.lines("kind=sign", "app=devbot", `msg="request refused"`, "code=uncovered"); len(lines) != 1 {
		t.Errorf("%d lines tell of the vote that was refused: %q", len(lines), s.log.lines("kind=sign"))
	}
}

// A policy that is missing or broken is an error that says where, and nothing is left behind.
func TestBrokenPolicy(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(broken, []byte("version: 2\nallow: nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{broken, broken + ".gone"} {
		err := run(t.Context(), options{account: "alice", app: "devbot", relay: "127.0.0.1:0", node: "127.0.0.1:0",
			policy: file},
			io.Discard,
			io.Discard)
		if err == nil || !strings.Contains(err.Error(), "policy.yaml") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// A second one at the same address says what to do, and leaves the first one's secret as it is.
func TestStartedTwice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dev.secret")
	s := start(t, options{secretFile: file})
	address := strings.TrimPrefix(s.facts["relay"], "ws://")
	node := strings.Trim(strings.TrimPrefix(s.facts["node"], "http:"), "/")
	for flag, o := range map[string]options{"-relay": {relay: address, node: "127.0.0.1:0"},
		"-node": {relay: address, node: node}} {
		o.account, o.app, o.secretFile = "alice", "devbot", file
		err := run(t.Context(), o, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), flag+" gives this one another address") {
			t.Errorf("a second one: %v", err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != s.facts["secret"] {
		t.Errorf("the secret of the first one is gone: %v", err)
	}
	s.end()
}
