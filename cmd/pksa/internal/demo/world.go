package demo

import (
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
	"pksa/agent/node/memchain"
	"pksa/agent/relay"
	"pksa/agent/relay/wire"
	"pksa/agent/service"
	"pksa/cmd/pksa/internal/logtail"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

const (
	account = "alice"
	appName = "demobot"
)

const policy = `version: 2
allow:
  - {name: logins, request: auth,      apps: [demobot], session: 1h}
  - {name: proofs, request: challenge, apps: [demobot],
     text: {glob: "login to the demo*"}}
  - {name: votes,  request: sign,      apps: [demobot],
     operations: [vote: {author: bob}]}
`

// policyLines returns the rules, for showing.
func policyLines() []string {
	return strings.Split(strings.TrimSpace(policy), "\n")[1:]
}

// world is everything that the demo runs: the wallet is the real one, in a home folder like any
// other; the relay is the real one on wires that can be watched and cut; the chain is made up.
type world struct {
	home   string
	chain  *memchain.Chain
	url    string       // of the chain's node
	nodes  *node.Client // with which the relay and the application look at the chain
	relay  *wire.Server
	tap    *tap
	store  *keystore.Store
	ledger *ledger.Ledger
	wallet *service.Service
	secret secret.Hidden[client.Secret] // of the app
	logs   *logtail.Buffer
	app    *client.Client

	stop      context.CancelFunc // of the wallet
	running   sync.WaitGroup     // the wallet
	stopChain func()
}

// newWorld starts everything. The world is returned with an error too, for closing.
func newWorld(ctx context.Context) (*world, error) {
	w := &world{logs: new(logtail.Buffer), tap: newTap()}
	// close stops it, also after an interrupt.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	var err error
	if w.home, err = os.MkdirTemp("", "pksa-demo-"); err != nil { // mode 0700
		return w, err
	}
	if err := w.startChain(); err != nil {
		return w, err
	}
	log := slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.nodes, err = node.New(node.Options{URLs: []string{w.url}, Network: hive.Mainnet, Logger: log})
	if err != nil {
		return w, err
	}
	w.relay, err = wire.Start(wire.Options{
		Loopback: true, Carry: w.tap.frame,
		Relay: relay.Options{Server: "127.0.0.1", Keys: service.ChainKeys(w.nodes), Logger: log},
	})
	if err != nil {
		return w, err
	}
	if err := w.openWallet(ctx, log); err != nil {
		return w, err
	}
	w.running.Go(func() {
		if err := w.wallet.Run(running); err != nil {
			log.Error("the wallet ended", "err", err)
		}
	})
	return w, nil
}

// startChain makes a chain with alice, bob and mallory on it, and one Hive API node that shows it
// on loopback. The node checks transactions as real ones do.
func (w *world) startChain() (err error) {
	w.chain = memchain.NewChain(memchain.Options{})
	for _, name := range []hive.AccountName{account, "bob", "mallory"} {
		w.chain.AddUser(name)
	}
	running, stop := context.WithCancel(context.Background())
	url, wait, err := memchain.Listen(running, w.chain.NewNode("demo"))
	if err != nil {
		stop()
		return err
	}
	w.url, w.stopChain = url, func() {
		stop()
		wait()
	}
	return nil
}

// openWallet makes the home folder and opens the wallet in it, as init, keys import, app add and
// run do.
func (w *world) openWallet(ctx context.Context, log *slog.Logger) error {
	cfg, err := w.settings()
	if err != nil {
		return err
	}
	if err := w.makeStore(cfg); err != nil {
		return err
	}
	options := service.LedgerOptions(cfg, w.store, log)
	if err := ledger.Create(cfg.Ledger, options); err != nil {
		return err
	}
	if w.ledger, err = ledger.Open(cfg.Ledger, options); err != nil {
		return err
	}
	info, err := agent.Admin{Ledger: w.ledger, Keys: w.store}.AddApp(ctx, appName, "", "")
	if err != nil {
		return err
	}
	w.secret = secret.Hide(info.Secret)
	// Embedded: the demo goes on in this process afterwards, and nobody else shall reach its
	// wallet.
	w.wallet, err = service.Open(ctx, service.Options{
		Config: cfg, Logger: log, Keys: w.store, Ledger: w.ledger, Embedded: true,
	})
	return err
}

// settings writes config.yaml and policy.yaml. The environment is not asked: its PKSA_… variables
// are about other wallets.
func (w *world) settings() (*config.Config, error) {
	text := config.Template(map[string]string{"relays": "[" + w.relay.URL + "]", "nodes": "[" + w.url + "]",
		"stop_timeout": "2s"})
	path := filepath.Join(w.home, "config.yaml")
	err := errors.Join(os.WriteFile(path, []byte(text), 0o600),
		os.WriteFile(filepath.Join(w.home, "policy.yaml"), []byte(policy), 0o600))
	if err != nil {
		return nil, err
	}
	return config.Load(w.home, path, nil)
}

func (w *world) makeStore(cfg *config.Config) error {
	unlock, _, err := keystore.CreateIdentity(filepath.Join(w.home, "identity.txt"))
	if err != nil {
		return err
	}
	defer unlock.Wipe()
	if w.store, err = keystore.Create(cfg.Keystore, unlock); err != nil {
		return err
	}
	for _, role := range []hive.Role{hive.Posting, hive.Active} {
		if err := w.store.Import(account, role, []byte(memchain.Key(account, role).WIF())); err != nil {
			return err
		}
	}
	return nil
}

// registered waits until the relay has taken the account.
func (w *world) registered(ctx context.Context) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		links := w.wallet.Agent.Status().Links
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

// dialApp connects the application, which looks everything up on the chain and believes nobody.
func (w *world) dialApp(ctx context.Context) (*client.Client, error) {
	app, err := client.Dial(ctx, client.Options{
		Relay: w.relay.URL, App: protocol.AppInfo{Name: appName}, Logger: slog.New(slog.DiscardHandler),
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

// onChain returns how often the transaction is on the chain.
func (w *world) onChain(id hive.TxID) int { return w.chain.Count(id) }

// transactions returns how many are on the chain.
func (w *world) transactions() int { return len(w.chain.Transactions()) }

// log returns the end of what the parts complained of.
func (w *world) log() string {
	if w == nil {
		return ""
	}
	return w.logs.Last(20)
}

// close stops everything, each part after those that need it, and removes the home folder.
func (w *world) close() {
	if w.app != nil {
		w.app.Close()
	}
	w.stop()
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
	if w.stopChain != nil {
		w.stopChain()
	}
	if w.home != "" {
		os.RemoveAll(w.home)
	}
}
