package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// commands executes what commands say of a wallet that does not run.
func (r *hintRun) commands(t *testing.T) {
	s := &spoken{killWorld: &killWorld{t: t, home: t.TempDir()}, hints: r}
	t.Cleanup(s.halt)
	s.followed("To move a wallet", s.says("init"), "copy the whole folder")
	const relay = "ws://127.0.0.1:1"
	s.file("config.yaml", "relays: [{url: "+relay+", plaintext: true}]\nnodes: [http://127.0.0.1:1]\nhardening: off\n")
	wif := s.file("alice.posting", testKey("alice", "posting").WIF())
	key := []string{"ACCOUNT=alice", "prompt=" + wif, "--offline"}
	s.followed("alice", s.says("keys", "list"), "No keys yet", key...)
	s.follow(s.says("keys", "import", "alice", "5K"), "one ACCOUNT is wanted", key...)
	s.follow(s.says("keys", "import", "--role", "posting"), "name the account", key...)
	s.followed("App web is ready", s.says("app", "list"), "No apps yet", "NAME=web")
	link := s.file("link", `{"account":"alice","uuid":"0f2b7c1e-8a3d-4c55-9b21-6d0e5f4a7c39",`+
		`"key":"a key of its own for here","host":"`+relay+`"}`)
	none := s.says("session", "list")
	s.followed("web may ask for alice", none, "No sessions", "ACCOUNT=alice", "NAME=web")
	text := s.follow(none, "--app NAME` and ", "NAME=web", "--yes", "--link", link)
	if next := commandsIn(text); !slices.Equal(next[len(next)-1][3:], []string{"run"}) {
		t.Errorf("a session without an agent: %s", text)
	}
	s.serve()
	s.halt()
	s.followed("Ended: 2 sessions", s.says("app", "rotate", "web"), "stolen")
	s.followed("cases:", s.says("policy", "test", filepath.Join(s.home, "policy.yaml")), "write them into this file")
	s.says("pair", "--app", "web", "nothing.png")
	s.restores()
	s.mends()
	s.migrates()
}

// restores executes what is said after a ledger was put back, and after a new one was begun.
func (s *spoken) restores() {
	path := filepath.Join(s.home, "ledger.db")
	whole, err := os.ReadFile(path)
	check(s.t, err)
	s.says("app", "add", "late")
	check(s.t, os.WriteFile(path, whole, 0o600))
	text := s.follow(s.says("app", "list"), "put it back on purpose")
	s.followed("App web is ready", text, "count no more", "NAME=web")
	s.followed("web", text, "must be removed again")
	s.followed("nothing to do", s.says("ledger", "accept"), "in the future")
	check(s.t, errors.Join(os.Remove(path), os.Remove(filepath.Join(s.home, "ledger.mark"))))
	s.followed("App web is ready", s.says("ledger", "new"), "Make the apps anew", "NAME=web")
}

// mends executes what is said after a mend with losses of every kind.
func (s *spoken) mends() {
	s.says("app", "add", "old", "--answers", "documented")
	s.withLedgerAt(0, func(ctx context.Context, l *ledger.Ledger) error {
		return l.Yield(ctx, ledger.Yield{At: time.Now(), Relay: "wss://relay.example/"},
			ledger.Entry{Type: ledger.RecordEvent, Outcome: "yielded", Content: []byte("{}")})
	})
	s.says("pause")
	s.says("pause", "old")
	check(s.t, alterValue(filepath.Join(s.home, "ledger.db"), "meta", []byte("pause"), 2))
	check(s.t, alterValue(filepath.Join(s.home, "ledger.db"), "meta", []byte("paused app old"), 2))
	for bucket, key := range map[string]string{"audit": "\x00\x00\x00\x00\x00\x00\x00\x01", "meta": "yield"} {
		check(s.t, alterValue(filepath.Join(s.home, "ledger.db"), bucket, []byte(key), 2))
	}
	check(s.t, alterValue(filepath.Join(s.home, "ledger.db"), "meta", []byte("documented answers old"), 2))
	text := s.says("ledger", "mend", "--lose")
	s.followed("Serves again", text, "the wallet is paused")
	s.followed("Serves again", text, "its app is paused", "NAME=old")
	next := commandsIn(s.follow(text, "yielded to another"))
	if !slices.Equal(next[len(next)-1][3:], []string{"run"}) {
		s.t.Errorf("a copy that goes on: %v", next)
	}
	s.serve()
	s.followed("gets documented answers", text, "gets nacks until", "NAME=old")
	s.followed("record 1 was damaged", text, "has a hole there")
	s.followed("App web is ready", text, "Rotate your apps", "NAME=web")
	s.follow(text[strings.LastIndex(text, "Rotate"):], "app rotate NAME` ")
	s.halt()
}

// migrates executes what is said of the secrets of an old wallet that can be guessed.
func (s *spoken) migrates() {
	old := s.t.TempDir()
	until := time.Now().Add(time.Hour).UnixMilli()
	for name, text := range map[string]string{
		"keys.json": fmt.Sprintf(`[{"name": "alice", "posting": %q}]`, testKey("alice", "posting").WIF()),
		"storage.json": fmt.Sprintf(`{"auth_req_secret": "short enough to note", "accounts": [{"name": "alice", `+
			`"auths": [{"expire": %d, "key": "short", "app": "weak", "nonce": 0}]}]}`, until),
	} {
		check(s.t, os.WriteFile(filepath.Join(old, name), []byte(text), 0o600))
	}
	moved := &spoken{killWorld: &killWorld{t: s.t, home: filepath.Join(s.t.TempDir(), "home")}, hints: s.hints}
	text := moved.says("migrate", "--from", old, "--offline")
	moved.followed("is ready", text, "is short")
	moved.followed("may ask for alice", text, "can be guessed")
}
