package service

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/keystore"
	"pksa/protocol/hive"
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
	return ledger.Options{
		ID: keys.LedgerID(), AEAD: keys.LedgerSealer(), Sealer: keys.LedgerSealerOf, MAC: keys.LedgerMAC, Logger: log,
		NonceAhead: cfg.NonceAhead, NonceBehind: cfg.NonceBehind, SessionsPerAccount: cfg.SessionsPerAccount,
		SessionsPerApp: cfg.SessionsPerApp, KeepFor: cfg.AuditKeep, KeepBytes: cfg.AuditMax,
		KeepLarger: !cfg.AuditMaxSet,
	}
}
