package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/agent/relay"
	"pksa/agent/service"
)

func (c *command) relayCommand() *cobra.Command {
	var listen, protocol, unproven string
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Run a HiveAuth relay for your own applications and wallets",
		Long: `Runs a HiveAuth (HAS) relay without a wallet: it needs no keys and no ledger. It
is the relay that the setting relay.listen runs inside the agent. Any HiveAuth
application and wallet can use it. Wallets prove that they hold a key of their
account; the keys of accounts are looked up at the configured Hive API nodes.

Wallets of protocol 0.8, as phone wallets are, send no proof with their
answers. They are served too, unless --unproven (the setting relay.unproven)
says none, or names the accounts that they are served for. Whoever sees such a
wallet's registration on its way and sends it first can answer in its place.

Web pages may use it only if the setting relay.origins names them; localhost
there stands for every port of it. Programs need no entry.

It listens on this machine only, unless it has a certificate or the setting
relay.plaintext says that the network in between is private.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := map[string]string{
				"PKSA_RELAY_LISTEN": listen, "PKSA_RELAY_PROTOCOL": protocol, "PKSA_RELAY_UNPROVEN": unproven}
			return namingFlags(c.serveRelay(cmd.Context(), flags), flags)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "",
		"`address` to listen at (default: the setting relay.listen, else 127.0.0.1:9480)")
	cmd.Flags().StringVar(&protocol, "protocol", "",
		"`version` of HiveAuth that is announced, 0.8 or 1 (default: the setting relay.protocol, else 1)")
	cmd.Flags().StringVar(&unproven, "unproven", "",
		"`accounts` whose wallets need no proof: others, none, any, or names with commas (default: the setting "+
			"relay.unproven, else others; without a wallet that is any)")
	return cmd
}

// namingFlags names in an error of the settings the flags that were given in the place of their
// variables, which nobody has typed.
func namingFlags(err error, flags map[string]string) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for i, p := range problems {
		if flags[p.Where] != "" {
			name := strings.TrimPrefix(p.Where, "PKSA_RELAY_")
			problems[i].Where = "--" + strings.ToLower(name)
		}
	}
	return err
}

func (c *command) serveRelay(ctx context.Context, flags map[string]string) error {
	cfg, log, err := c.loggedSettings(flags)
	if err != nil {
		return err
	}
	if cfg.RelayListen == "" {
		cfg.RelayListen = "127.0.0.1:9480"
	}
	nodes, err := service.Nodes(cfg, log)
	if err != nil {
		return err
	}
	r, listener, err := service.OpenRelay(cfg, relay.Options{Keys: service.ChainKeys(nodes), Logger: log})
	if err != nil {
		return relayHint(err)
	}
	fmt.Fprintf(c.err, "Relay at %s, key %s. Ctrl-C stops it.\n", relayURL(cfg, listener), r.PublicKey())
	c.serves = true
	return r.Serve(ctx, listener)
}

// relayHint adds to an error of the relay what can be done about it.
func relayHint(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return hint(err, adviceRelayAddress)
	}
	return err
}

func relayURL(cfg *config.Config, l net.Listener) string {
	scheme := "ws"
	if cfg.RelayCertificate != "" {
		scheme = "wss"
	}
	return scheme + "://" + l.Addr().String()
}
