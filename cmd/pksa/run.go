package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/service"
	"pksa/keystore"
)

func (c *command) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve until stopped",
		Long: `Connects to the relays, registers the accounts of the keystore and answers by
policy. Logs go to standard error. SIGTERM or Ctrl-C stops it once it has
finished what it admitted. SIGHUP reloads the policy.

One wallet runs once. At each relay it looks whether another copy of it serves
the same accounts: a home folder that was copied, or a snapshot that was
restored. The copy that came later, or has fewer records, ends with exit status
0 and does not start again until ` + "`pksa ledger moved`" + `.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
}

// serve runs the wallet until ctx ends.
func (c *command) serve(ctx context.Context) error {
	cfg, log, err := c.loggedSettings("", "")
	if err != nil {
		return err
	}
	if err := c.checkWallet(cfg); err != nil {
		return err
	}
	s, err := service.Open(ctx, service.Options{
		Config: cfg, Logger: log,
		OpenKeys: func(ctx context.Context) (*keystore.Store, error) { return c.openKeys(ctx, cfg) },
	})
	if err != nil {
		return startHint(cfg, yieldHint(err))
	}
	// Until the service has ended, not only until ctx has: where nobody takes SIGHUP any more it
	// kills the process, in the middle of what it finishes.
	reloading, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { reloadOnHangup(reloading, s.Agent) })
	c.serves = true
	err = s.Run(ctx)
	stop()
	running.Wait()
	return errors.Join(yieldHint(err), s.Close())
}

// yieldHint adds what can be done about a copy that has yielded to another one.
func yieldHint(err error) error {
	var yielded *agent.YieldError
	if !errors.As(err, &yielded) {
		return err
	}
	return hint(err, adviceYielded)
}

// startHint adds to an error of the start what can be done about it.
func startHint(cfg *config.Config, err error) error {
	var failed *service.StepError
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Step {
	case service.StepHardening:
		return hint(err, adviceHardening)
	case service.StepLedger:
		return ledgerHint(cfg.Ledger, failed.Err)
	case service.StepPolicy:
		if errors.Is(err, fs.ErrNotExist) {
			return hint(err, advicePolicyLost)
		}
		return hint(fmt.Errorf("the policy cannot be used:\n%w", err), advicePolicyErrors)
	case service.StepRelay:
		return relayHint(err)
	}
	return err
}

// reloadOnHangup reads the policy again at each SIGHUP.
func reloadOnHangup(ctx context.Context, a *agent.Agent) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			a.ReloadPolicy(ctx) // logs what it did
		}
	}
}
