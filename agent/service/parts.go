package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/ledger/pg"
	"pksa/agent/node"
	"pksa/keystore"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Network returns the chain that the settings name. Its assets and their symbols follow from the
// name; so do chain id and key prefix unless they are set.
func Network(cfg *config.Config) (*hive.Network, error) {
	named, ok := hive.NetworkNamed(cfg.Network)
	if !ok {
		return nil, fmt.Errorf("setting network: there is no %q", cfg.Network)
	}
	own := *named
	if cfg.KeyPrefix != "" {
		own.KeyPrefix = cfg.KeyPrefix
	}
	if cfg.ChainID == "" {
		return &own, nil
	}
	if n, err := hex.Decode(own.ChainID[:], []byte(cfg.ChainID)); err != nil || n != len(own.ChainID) {
		return nil, errors.New("setting chain_id: wants 64 hex digits") // unreachable: config has checked it
	}
	return &own, nil
}

// Nodes makes the client of the Hive API nodes that the settings name.
func Nodes(cfg *config.Config, log *slog.Logger) (*node.Client, error) {
	network, err := Network(cfg)
	if err != nil {
		return nil, err
	}
	return newNodes(cfg, network, nil, log)
}

func newNodes(cfg *config.Config, n *hive.Network, t http.RoundTripper, log *slog.Logger) (*node.Client, error) {
	return node.New(node.Options{URLs: cfg.Nodes, List: cfg.NodeList, Network: n, Transport: t, Logger: log})
}

// LedgerOptions returns what the ledger beside the keystore is opened with.
func LedgerOptions(cfg *config.Config, keys *keystore.Store, log *slog.Logger) ledger.Options {
	o := ledger.Options{
		ID: keys.LedgerID(), AEAD: keys.LedgerSealer(), Sealer: keys.LedgerSealerOf, MAC: keys.LedgerMAC, Logger: log,
		NonceAhead: cfg.NonceAhead, NonceBehind: cfg.NonceBehind, SessionsPerAccount: cfg.SessionsPerAccount,
		SessionsPerApp: cfg.SessionsPerApp, KeepFor: cfg.AuditKeep, KeepBytes: cfg.AuditMax,
		KeepLarger: !cfg.AuditMaxSet,
	}
	if cfg.Database != "" {
		o.Database = Database(cfg)
	}
	return o
}

// Database returns how the database of the ledger is entered that the settings name. The password
// is read when it is first asked for, and kept: some sources can be read once.
func Database(cfg *config.Config) *pg.Options {
	a, err := pg.ParseAddress(cfg.Database)
	if err != nil {
		a = pg.Address{} // unreachable: config has read it; this one leads nowhere
	}
	o := &pg.Options{Address: a, Prepare: true, Application: "pksa"}
	if cfg.LedgerPassword == "" {
		return o
	}
	var mu sync.Mutex
	var known secret.Hidden[secret.Text]
	o.Password = func() (secret.Text, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return known.Reveal(), nil
		}
		source, err := keystore.ParseSource(cfg.LedgerPassword)
		if err != nil {
			return "", fmt.Errorf("setting ledger_password: %w", err)
		}
		read, err := source.Read(context.Background(), nil)
		if err != nil {
			return "", fmt.Errorf("setting ledger_password: %w", err)
		}
		defer read.Wipe()
		known = secret.Hide(secret.Text(read.Bytes()))
		return known.Reveal(), nil
	}
	return o
}
