package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/harden"
	"pksa/agent/node"
	"pksa/agent/status"
	"pksa/keystore"
	"pksa/protocol/hive"
)

func (c *command) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve until stopped",
		Long: `Connects to the relays, registers the accounts of the keystore and answers by policy. Logs go
to standard error. SIGTERM or Ctrl-C stops it after finishing what was admitted; SIGHUP
reloads the policy.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
}

// network is the chain that the settings name: its assets and their symbols by the name, chain id
// and key prefix as they are set, else by the name, too.
func network(cfg *config.Config) (*hive.Network, error) {
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

// nodes makes the client of the configured Hive API nodes.
func (c *command) nodes(cfg *config.Config) (*node.Client, error) {
	chain, err := network(cfg)
	if err != nil {
		return nil, err
	}
	return node.New(node.Options{URLs: cfg.Nodes, Network: chain, Logger: c.logger(cfg)})
}

// serve is `pksa run`: everything that can fail fails before the first connection is made.
func (c *command) serve(ctx context.Context) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	log := c.logger(cfg)
	chain, err := network(cfg)
	if err != nil {
		return err
	}
	nodes, err := c.nodes(cfg)
	if err != nil {
		return err
	}
	shielded, err := harden.Shield(cfg.Hardening)
	if err != nil {
		return hardeningHint(err)
	}
	store, err := c.openKeys(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	store.ForgetUnlock()
	l, err := c.openLedger(cfg, store)
	if err != nil {
		return err
	}
	compiled, warnings, err := agent.LoadPolicy(cfg, store, l)
	if err != nil {
		return errors.Join(hint(fmt.Errorf("the policy cannot be used:\n%w", err),
			"mend it; `pksa policy check` says when it is good"), l.Close())
	}
	confined, err := harden.Confine(cfg, harden.Paths{})
	if err != nil {
		return errors.Join(hardeningHint(err), l.Close())
	}
	a, err := agent.New(agent.Options{
		Config: cfg, Network: chain, Keys: store, Ledger: l, Node: nodes, Policy: compiled, Warnings: warnings,
		Hardening: append(shielded, confined...), Logger: log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s := servers{command: c, cfg: cfg, agent: a, store: store, nodes: nodes, log: log}
	return errors.Join(s.run(ctx), l.Close())
}

func hardeningHint(err error) error {
	return hint(err, "grant what is missing, or require less: `hardening: best` in config.yaml starts with what "+
		"this machine permits")
}

// servers is what runs beside the agent in its process.
type servers struct {
	*command
	cfg   *config.Config
	agent *agent.Agent
	store *keystore.Store
	nodes *node.Client
	log   *slog.Logger
}

// run opens every listener, starts all, and stops them in the order in which they need each other:
// first the agent, which still answers through the relay while it finishes, then the rest.
func (s *servers) run(ctx context.Context) error {
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()

	socket, err := control.Listen(s.cfg.Control)
	if err != nil {
		return err
	}
	server := &control.Server{Handlers: s.agent.Methods(), Logger: s.log.With("component", "control")}
	running.Go(func() { s.note(server.Run(beside, socket)) })
	if s.cfg.StatusListen != "" {
		listener, err := net.Listen("tcp", s.cfg.StatusListen)
		if err != nil {
			return fmt.Errorf("status.listen: %w", err)
		}
		running.Go(func() { s.note(status.Serve(beside, listener, s.agent.Metrics().Handler())) })
	}
	if s.cfg.RelayListen != "" {
		if err := s.startRelay(beside, &running); err != nil {
			return err
		}
	}
	running.Go(func() { s.reloadOnHangup(beside) })
	return s.agent.Run(ctx)
}

func (s *servers) note(err error) {
	if err != nil {
		s.log.Error("server ended", "err", err)
	}
}

// reloadOnHangup reads the policy again at each SIGHUP.
func (s *servers) reloadOnHangup(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.agent.ReloadPolicy(ctx) // logs what it did
		}
	}
}
