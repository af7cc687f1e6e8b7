package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/agent/node"
	"pksa/agent/relay"
	"pksa/keystore"
	"pksa/protocol/hive"
)

func (c *command) relayCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Run a HAS relay alone, for applications and wallets of your own",
		Long: `Runs the relay that the setting relay.listen runs inside the agent, without an agent: it needs
no keys and no ledger. Any HAS application and wallet can use it. Wallets prove that they hold
keys of their accounts; those are looked up at the configured Hive API nodes.

It listens on this machine only unless it has a certificate or relay.plaintext says that the
network in between is private.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serveRelay(cmd.Context(), listen) },
	}
	cmd.Flags().StringVar(&listen, "listen", "",
		"address to listen at (default the setting relay.listen, else 127.0.0.1:9480)")
	return cmd
}

func (c *command) serveRelay(ctx context.Context, listen string) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	cfg, err := c.settingsWith(home, "PKSA_RELAY_LISTEN", listen)
	if err != nil {
		return err
	}
	if cfg.RelayListen == "" {
		cfg.RelayListen = "127.0.0.1:9480"
	}
	nodes, err := c.nodes(cfg)
	if err != nil {
		return err
	}
	log := c.logger(cfg)
	r, listener, err := newRelay(cfg, chainKeys(nodes), log)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "Relay at %s, key %s. Ctrl-C stops it.\n", relayURL(cfg, listener), r.PublicKey())
	return r.Serve(ctx, listener)
}

// newRelay makes the relay of the settings and opens its listener.
func newRelay(cfg *config.Config, keys relay.KeysFunc, log *slog.Logger) (*relay.Relay, net.Listener, error) {
	host, _, _ := net.SplitHostPort(cfg.RelayListen)
	r, err := relay.New(relay.Options{Server: host, Keys: keys, Origins: cfg.RelayOrigins, Timeout: cfg.RelayTimeout,
		Logger: log})
	if err != nil {
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	listener, err := net.Listen("tcp", cfg.RelayListen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil, hint(fmt.Errorf("relay.listen: %w", err),
			"does another pksa run? Otherwise name another port, also in relays if this wallet uses it")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("relay.listen: %w", err)
	}
	if cfg.RelayCertificate != "" {
		pair, err := tls.LoadX509KeyPair(cfg.RelayCertificate, cfg.RelayKey)
		if err != nil {
			listener.Close()
			return nil, nil, fmt.Errorf("relay.certificate and relay.key: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair},
			MinVersion: tls.VersionTLS12})
	}
	return r, listener, nil
}

func relayURL(cfg *config.Config, l net.Listener) string {
	scheme := "ws"
	if cfg.RelayCertificate != "" {
		scheme = "wss"
	}
	return scheme + "://" + l.Addr().String()
}

// chainKeys looks the keys of accounts up at the nodes.
func chainKeys(nodes *node.Client) relay.KeysFunc {
	return func(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		found, err := nodes.Authorities(ctx, account)
		if err != nil {
			return nil, err
		}
		a, ok := found[account]
		if !ok {
			return nil, relay.ErrNoAccount
		}
		return a.Keys(), nil
	}
}

// heldKeys are those of the keystore: a relay for this wallet and nobody else's. It looks at each
// call, so that an import while the agent runs counts.
func heldKeys(store *keystore.Store) relay.KeysFunc {
	return func(_ context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
		var keys []hive.PublicKey
		for _, role := range store.Roles(account) {
			if key, ok := store.Public(account, role); ok {
				keys = append(keys, key)
			}
		}
		if len(keys) == 0 {
			return nil, relay.ErrNoAccount
		}
		return keys, nil
	}
}

// startRelay runs the relay inside the agent's process.
func (s *servers) startRelay(ctx context.Context, running *sync.WaitGroup) error {
	keys := chainKeys(s.nodes)
	if s.cfg.RelayAccounts == "keystore" {
		keys = heldKeys(s.store)
	}
	r, listener, err := newRelay(s.cfg, keys, s.log)
	if err != nil {
		return err
	}
	running.Go(func() { s.note(r.Serve(ctx, listener)) })
	return nil
}
