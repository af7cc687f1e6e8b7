package agent

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/ledger/pg/pgtest"
	"pksa/agent/link"
	"pksa/protocol"
)

// TestLeaseThatHasEnded: while a wallet does not hear of its database, another copy may take over
// before long. It comes to no key then, and says nothing.
func TestLeaseThatHasEnded(t *testing.T) {
	server := pgtest.Start(t)
	base := server.Database()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	o := ledger.Options{ID: "id", AEAD: aead, Sealer: func(uint64, uint64) cipher.AEAD { return aead },
		MAC: func(...[]byte) []byte { return make([]byte, 32) }, Database: &base}
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := ledger.Create(path, o); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	relay, err := link.New(link.Options{URL: "ws://127.0.0.1:1", Plaintext: true, App: "test",
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler: func(context.Context, link.Delivery) {}})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a := &Agent{ledger: l, log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	look := func(leads bool) {
		t.Helper()
		if _, err := a.reach(granted{admitted: true}); errors.Is(err, errLeaseEnded) == leads {
			t.Errorf("it leads: %v, and comes to the keys: %v", leads, err)
		}
		said.Reset()
		a.send(t.Context(), delivered{link: relay, relay: relay.URL()}, protocol.Err{})
		if strings.Contains(said.String(), "the lease of the ledger has ended") == leads {
			t.Errorf("it leads: %v, and says %s", leads, said.String())
		}
	}
	look(true)
	server.Kill()
	begun := time.Now()
	for l.Leads() {
		if time.Since(begun) > time.Minute {
			t.Fatal("it takes itself for the one that leads, a minute after it has heard so")
		}
		time.Sleep(time.Millisecond)
	}
	if time.Since(begun) > 9*time.Second {
		t.Errorf("it has known that after %v", time.Since(begun))
	}
	look(false)
	server.Up()
	for !l.Leads() { // nobody has taken over
		if time.Since(begun) > 2*time.Minute {
			t.Fatal("it does not lead again")
		}
		time.Sleep(10 * time.Millisecond)
	}
	look(true)
}
