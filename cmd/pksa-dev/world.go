package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node/memchain"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// others are accounts of the chain that the wallet has no keys of: votes and transfers need
// somebody to go to.
var others = []string{"bob", "carol", "dave"}

// roles are the keys that the wallet holds.
var roles = []hive.Role{hive.Posting, hive.Active, hive.Memo}

// everything returns a policy that allows an app whatever can be asked for. The language has no
// word for all operations, on purpose: a real policy names those that it means. Version 1 only
// warns of what this one does.
func everything(app string) []byte {
	return fmt.Appendf(nil, `version: 1
allow:
  - {name: logins, request: auth, apps: [%[1]s], session: 30d}
  - {name: challenges, request: challenge, apps: [%[1]s], text: {glob: "*"}}
  - {name: posting, request: sign, apps: [%[1]s], operations: [%[2]s]}
  - {name: active, request: sign, apps: [%[1]s], key: active, takeover: allowed,
     operations: [%[3]s]}
`, app, strings.Join(operationsOf(hive.Posting), ", "), strings.Join(operationsOf(hive.Active), ", "))
}

// operationsOf returns all operations that the chain takes with the key of a role, each with the
// tests that the language demands of whoever allows it to anybody.
func operationsOf(role hive.Role) (list []string) {
	for _, d := range hive.Definitions() {
		if d.State != hive.Live || !slices.ContainsFunc(d.Signers, func(s hive.Signer) bool { return s.Role == role }) {
			continue
		}
		var tests []string
		if len(d.Payees) > 0 {
			tests = append(tests, `payee: {each: {glob: "*"}}`)
		}
		if len(d.Price) > 0 {
			tests = append(tests, "price: {min: 0.000001}")
		}
		switch d.Name { // the games and side chains that it is for
		case "custom_json":
			tests = append(tests, `id: {glob: "*"}`)
		case "custom":
			tests = append(tests, "id: {min: 0}")
		}
		name := d.Name
		if len(tests) > 0 {
			name += ": {" + strings.Join(tests, ", ") + "}"
		}
		list = append(list, name)
	}
	return list
}

// world is everything that runs: the wallet in a home folder like any other, with the relay in it,
// and a chain that is made up.
type world struct {
	home   string
	chain  *memchain.Chain
	url    string // of the chain's node
	store  *keystore.Store
	ledger *ledger.Ledger
	wallet *service.Service
	secret secret.Hidden[client.Secret] // of the app; it is printed, and worth nothing

	stopChain func()
}

// open opens everything. What it returns is to be closed, also with an error.
func open(ctx context.Context, o options, log io.Writer) (*world, error) {
	w := &world{}
	policy := everything(o.app)
	var err error
	if o.policy != "" {
		if policy, err = os.ReadFile(o.policy); err != nil {
			return w, err
		}
	}
	if w.home, err = os.MkdirTemp("", "pksa-dev-"); err != nil { // mode 0700
		return w, err
	}
	if err := w.startChain(o); err != nil {
		return w, err
	}
	cfg, err := w.settings(o, policy)
	if err != nil {
		return w, err
	}
	return w, w.openWallet(ctx, o, cfg, slog.New(slog.NewTextHandler(log, nil)))
}

// startChain makes the chain and one node that shows it on loopback. The node checks transactions
// as real ones do.
func (w *world) startChain(o options) error {
	w.chain = memchain.NewChain(memchain.Options{})
	w.chain.AddUser(hive.AccountName(o.account))
	for _, name := range others {
		if name != o.account {
			w.chain.AddUser(hive.AccountName(name))
		}
	}
	// It outlives the signal that ends the wallet, which finishes what it has admitted.
	running, stop := context.WithCancel(context.Background())
	url, wait, err := memchain.ListenAt(running, o.node, w.chain.NewNode("dev"))
	if err != nil {
		stop()
		return fmt.Errorf("%w; -node gives this one another address", err)
	}
	w.url, w.stopChain = url, func() {
		stop()
		wait()
	}
	return nil
}

// settings writes config.yaml and policy.yaml. The environment is not asked: its PKSA_… variables
// are about other wallets.
func (w *world) settings(o options, policy []byte) (*config.Config, error) {
	text := config.Template(map[string]string{"relays": "[ws://" + o.relay + "]", "nodes": "[" + w.url + "]",
		"relay.listen": o.relay, "hardening": "off"})
	path := filepath.Join(w.home, "config.yaml")
	err := errors.Join(os.WriteFile(path, []byte(text), 0o600),
		os.WriteFile(filepath.Join(w.home, "policy.yaml"), policy, 0o600))
	if err != nil {
		return nil, err
	}
	return config.Load(w.home, path, nil)
}

// openWallet makes keystore and ledger, and opens the wallet, as init, keys import, app add and run
// of pksa do.
func (w *world) openWallet(ctx context.Context, o options, cfg *config.Config, log *slog.Logger) error {
	unlock, _, err := keystore.CreateIdentity(filepath.Join(w.home, "identity.txt"))
	if err != nil {
		return err
	}
	defer unlock.Wipe()
	if w.store, err = keystore.Create(cfg.Keystore, unlock); err != nil {
		return err
	}
	account := hive.AccountName(o.account)
	for _, role := range roles {
		if err := w.store.Import(account, role, []byte(memchain.Key(account, role).WIF())); err != nil {
			return err
		}
	}
	made := service.LedgerOptions(cfg, w.store, log)
	if err := ledger.Create(cfg.Ledger, made); err != nil {
		return err
	}
	if w.ledger, err = ledger.Open(cfg.Ledger, made); err != nil {
		return err
	}
	info, err := agent.Admin{Ledger: w.ledger, Keys: w.store}.AddApp(ctx, o.app, "", "")
	if err != nil {
		return err
	}
	w.secret = secret.Hide(info.Secret)
	w.wallet, err = service.Open(ctx, service.Options{Config: cfg, Logger: log, Keys: w.store, Ledger: w.ledger})
	var inUse *net.OpError
	if errors.As(err, &inUse) && inUse.Op == "listen" {
		return fmt.Errorf("the relay: %w. Does pksa-dev run already? -relay gives this one another address, which the "+
			"application has to know (bot-go -relay)", inUse)
	}
	if err != nil || o.secretFile == "" {
		return err
	}
	// The file may be that of a wallet that runs: it is written when this one runs in its place.
	return os.WriteFile(o.secretFile, []byte(info.Secret), 0o600)
}

// close stops everything, each part after those that need it, and removes the home folder.
func (w *world) close() {
	if w.wallet != nil {
		w.wallet.Close()
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
