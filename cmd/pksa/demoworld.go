package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	demoAccount = "alice"
	demoApp     = "demobot"
)

const demoPolicy = `version: 1
allow:
  - {name: logins, request: auth,      apps: [demobot], session: 1h}
  - {name: proofs, request: challenge, apps: [demobot], text: {glob: "login to the demo*"}}
  - {name: votes,  request: sign,      apps: [demobot], operations: [vote: {author: bob}]}
`

// demoPolicyLines are the rules, for showing.
func demoPolicyLines() []string {
	return strings.Split(strings.TrimSpace(demoPolicy), "\n")[1:]
}

// demoWorld is everything that the demo runs: the wallet is the real one, in a home folder like any
// other; the relay is the real one on a wire that can be cut and tapped; the chain is a fake.
type demoWorld struct {
	home   string
	chain  *demoChain
	relay  *relaytest.Server
	tap    *tap
	store  *keystore.Store
	ledger *ledger.Ledger
	nodes  *node.Client
	agent  *agent.Agent
	secret string // of the app slot
	logs   *logBuffer
	app    *client.Client

	stop    context.CancelFunc
	running sync.WaitGroup
}

// newDemoWorld starts it. The world is returned with an error too, for closing.
func newDemoWorld(ctx context.Context) (*demoWorld, error) {
	w := &demoWorld{logs: new(logBuffer), tap: newTap()}
	var err error
	if w.home, err = os.MkdirTemp("", "pksa-demo-"); err != nil { // mode 0700
		return w, err
	}
	if w.chain, err = startDemoChain(); err != nil {
		return w, err
	}
	log := slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.nodes, err = node.New(node.Options{URLs: []string{w.chain.url}, Network: hive.Mainnet, Logger: log})
	if err != nil {
		return w, err
	}
	w.relay, err = relaytest.Start(relaytest.Options{
		Loopback: true, Fault: w.tap.frame,
		Relay: relay.Options{Server: "127.0.0.1", Keys: service.ChainKeys(w.nodes), Logger: log},
	})
	if err != nil {
		return w, err
	}
	return w, w.startWallet(ctx, log)
}

// startWallet makes the home folder and starts the agent, as init, keys import, app add and run do.
func (w *demoWorld) startWallet(ctx context.Context, log *slog.Logger) error {
	cfg, err := w.settings()
	if err != nil {
		return err
	}
	if err := w.makeStore(cfg); err != nil {
		return err
	}
	options := ledger.Options{ID: w.store.LedgerID(), AEAD: w.store.LedgerSealer(), MAC: w.store.LedgerMAC, Logger: log}
	if err := ledger.Create(cfg.Ledger, options); err != nil {
		return err
	}
	if w.ledger, err = ledger.Open(cfg.Ledger, options); err != nil {
		return err
	}
	info, err := agent.Admin{Ledger: w.ledger, Keys: w.store}.AddApp(ctx, demoApp, "")
	if err != nil {
		return err
	}
	w.secret = info.Secret
	compiled, _, err := agent.LoadPolicy(cfg, w.store, w.ledger)
	if err != nil {
		return err
	}
	w.agent, err = agent.New(agent.Options{
		Config: cfg, Network: hive.Mainnet, Keys: w.store, Ledger: w.ledger, Node: w.nodes, Policy: compiled,
		Logger: log,
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // close stops it, also after an interrupt
	w.stop = stop
	w.running.Go(func() {
		if err := w.agent.Run(running); err != nil {
			log.Error("the agent ended", "err", err)
		}
	})
	return nil
}

// settings writes config.yaml and policy.yaml. What the environment says of other wallets has no
// say here.
func (w *demoWorld) settings() (*config.Config, error) {
	text := config.Template(map[string]string{"relays": "[" + w.relay.URL + "]", "nodes": "[" + w.chain.url + "]",
		"stop_timeout": "2s"})
	path := filepath.Join(w.home, "config.yaml")
	err := errors.Join(os.WriteFile(path, []byte(text), 0o600),
		os.WriteFile(filepath.Join(w.home, "policy.yaml"), []byte(demoPolicy), 0o600))
	if err != nil {
		return nil, err
	}
	return config.Load(w.home, path, nil)
}

func (w *demoWorld) makeStore(cfg *config.Config) error {
	unlock, _, err := keystore.CreateIdentity(filepath.Join(w.home, "identity.txt"))
	if err != nil {
		return err
	}
	defer unlock.Wipe()
	if w.store, err = keystore.Create(cfg.Keystore, unlock); err != nil {
		return err
	}
	for _, role := range []hive.Role{hive.Posting, hive.Active} {
		if err := w.store.Import(demoAccount, role, []byte(demoKey(demoAccount, role).WIF())); err != nil {
			return err
		}
	}
	return nil
}

// registered waits until the relay has taken the account.
func (w *demoWorld) registered(ctx context.Context) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		links := w.agent.Status().Links
		if len(links) == 1 && links[0].Registered == 1 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the wallet did not register: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// dialApp connects the application. It looks everything up on the chain and believes nobody.
func (w *demoWorld) dialApp(ctx context.Context) (*client.Client, error) {
	app, err := client.Dial(ctx, client.Options{
		Relay: w.relay.URL, App: protocol.AppInfo{Name: demoApp}, Logger: slog.New(slog.DiscardHandler),
		Keys: service.ChainKeys(w.nodes),
		Transaction: func(ctx context.Context, id hive.TxID) ([]byte, error) {
			w.chain.Produce(1) // real ones take three seconds
			raw, err := w.nodes.TransactionJSON(ctx, id)
			if raw == nil && err == nil {
				err = client.ErrNoTransaction
			}
			return raw, err
		},
		ConfirmEvery: 20 * time.Millisecond,
	})
	w.app = app
	return app, err
}

// onChain counts a transaction's appearances.
func (w *demoWorld) onChain(id hive.TxID) int { return w.chain.Count(id) }

// transactions counts all.
func (w *demoWorld) transactions() int { return len(w.chain.Transactions()) }

// log is the end of what the parts complained of.
func (w *demoWorld) log() string {
	if w == nil {
		return ""
	}
	return lastLines(w.logs.String(), 20)
}

// close stops everything and removes the home folder.
func (w *demoWorld) close() {
	if w.app != nil {
		w.app.Close()
	}
	if w.stop != nil {
		w.stop()
	}
	w.running.Wait()
	if w.relay != nil {
		w.relay.Close()
	}
	if w.ledger != nil {
		w.ledger.Close()
	}
	if w.store != nil {
		w.store.Close()
	}
	if w.chain != nil {
		w.chain.close()
	}
	if w.home != "" {
		os.RemoveAll(w.home)
	}
}

// logBuffer keeps a log in memory.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tap is a relay gone bad: it records the first sign request and brings it once more under another
// uuid.
type tap struct {
	mu       sync.Mutex
	wire     *relaytest.Wire // the wallet's
	recorded relaytest.Frame
	answers  chan relaytest.Frame // to the replayed request
}

// replayUUID names the replayed request.
const replayUUID = "0badc0de-0bad-4bad-8bad-0badc0de0bad"

func newTap() *tap { return &tap{answers: make(chan relaytest.Frame, 1)} }

// frame sees everything that goes over the wires.
func (t *tap) frame(w *relaytest.Wire, f relaytest.Frame) {
	switch {
	case f.To == relaytest.ToClient && f.Cmd == "sign_req":
		t.record(w, f)
	case f.To == relaytest.ToRelay && f.UUID == replayUUID:
		select {
		case t.answers <- f:
		default:
		}
		return // the honest part of the relay knows no such request
	}
	w.Pass(f)
}

func (t *tap) record(w *relaytest.Wire, f relaytest.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wire == nil {
		t.wire, t.recorded = w, f
	}
}

// replay returns the sealed text of the wallet's answer.
func (t *tap) replay(ctx context.Context) (string, error) {
	t.mu.Lock()
	wire, again := t.wire, t.recorded
	t.mu.Unlock()
	if wire == nil {
		return "", errors.New("no sign request was recorded")
	}
	wire.Send(relaytest.ToClient, again.With(map[string]any{"uuid": replayUUID}).Body)
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("no answer to the replayed request: %w", ctx.Err())
	case f := <-t.answers:
		m, err := protocol.DecodeForRelay(f.Body)
		if err != nil {
			return "", err
		}
		refusal, ok := m.(protocol.Err)
		if !ok {
			return "", fmt.Errorf("the wallet answered the replayed request with %s", m.Cmd())
		}
		return refusal.Error, nil
	}
}
