package client_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	slotSecret = "a secret that is only for tests"
	txID       = "abababababababababababababababababababab"
)

// The account of these tests. Its key comes from this label and holds no money.
var (
	alice   = hive.PrivateKeyFromSeed("client test/alice")
	mallory = hive.PrivateKeyFromSeed("client test/mallory")
	silent  = slog.New(slog.NewTextHandler(io.Discard, nil))
	keys    = relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{"alice": {alice.Public()}})
)

func options(url string, dial func(context.Context, string, string) (net.Conn, error)) client.Options {
	return client.Options{Relay: "ws://" + url, DialContext: dial, App: protocol.AppInfo{Name: "bot"}, Logger: silent}
}

// world is a relay, a wallet for alice and a client.
type world struct {
	t      *testing.T
	server *relaytest.Server
	client *client.Client
	end    context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	requests []protocol.Request                              // that reached the wallet
	secret   string                                          // of the slot
	authKey  string                                          // of the session, once granted
	answer   func(protocol.Request) (protocol.Message, bool) // false: as usual
}

func newWorld(t *testing.T, fault relaytest.Fault, change func(*client.Options)) *world {
	t.Helper()
	server, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Keys: keys, Logger: silent}, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	ctx, end := context.WithCancel(context.Background())
	w := &world{t: t, server: server, end: end, secret: slotSecret}
	ready := make(chan struct{})
	wallet := &relaytest.Wallet{
		URL: server.URL, DialContext: server.DialContext,
		Keys:   map[hive.AccountName]*hive.PrivateKey{"alice": alice},
		Answer: w.respond,
		Ready:  sync.OnceFunc(func() { close(ready) }),
	}
	w.done.Go(func() {
		for ctx.Err() == nil {
			wallet.Run(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	t.Cleanup(func() { end(); w.done.Wait() })
	<-ready
	o := options("localhost", server.DialContext)
	o.Relay = server.URL
	if change != nil {
		change(&o)
	}
	w.client, err = client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close() })
	return w
}

// respond is a wallet in service mode that allows everything.
func (w *world) respond(req protocol.Request) protocol.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, req)
	if w.answer != nil {
		if m, ok := w.answer(req); ok {
			return m
		}
	}
	key := w.authKey
	if req.Kind == protocol.Auth && req.AuthKey != "" {
		opened, err := relaytest.Open(w.secret, req.AuthKey)
		if err != nil {
			return nil
		}
		w.authKey, key = opened, w.secret
	}
	m, err := relaytest.Approve(req, key, alice, txID)
	if err != nil {
		return nil
	}
	return m
}

func (w *world) setAnswer(f func(protocol.Request) (protocol.Message, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) login() *client.Session {
	w.t.Helper()
	grant, err := w.client.Authenticate(w.t.Context(), client.Auth{Account: "alice", Secret: slotSecret})
	if err != nil {
		w.t.Fatal(err)
	}
	return grant.Session
}

func vote(weight int) client.SignRequest {
	fields := map[string]any{"voter": "alice", "author": "bob", "permlink": "p", "weight": weight}
	return client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{Name: "vote", Fields: fields}}}
}

// toClient applies a fault to frames of one kind on their way to the client: to the first so many,
// or to all if times is 0.
func toClient(cmd string, times int, do relaytest.Fault) relaytest.Rule {
	return relaytest.Rule{When: relaytest.On(relaytest.ToClient, cmd), Times: times, Do: do}
}

// toRelay applies a fault to all frames of one kind on their way to the relay.
func toRelay(cmd string, do relaytest.Fault) relaytest.Rule {
	return relaytest.Rule{When: relaytest.On(relaytest.ToRelay, cmd), Do: do}
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
