package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/service"
	"pksa/cmd/pksa/internal/systemd"
	"pksa/keystore"
)

func (c *command) runCommand() *cobra.Command {
	trust := false
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve until stopped",
		Long: `Connects to the relays, registers the accounts of the keystore and answers by
policy. Logs go to standard error. SIGTERM or Ctrl-C stops it once it has
finished what it admitted. SIGHUP reloads settings and policy; ` + "`pksa reload`" + `
does the same and fails if one of them is wrong. As a service of systemd
(Type=notify) it says when it is ready, and its log has the priorities of the
journal.

Memory is locked, so that keys are never swapped to disk, only where the limit
"max locked memory" (ulimit -l) is unlimited. An ordinary user's limit is 8 MiB,
and then the log warns: set LimitMEMLOCK=infinity in a unit, memlock in
/etc/security/limits.conf for a login, --ulimit memlock=-1 for a container, or
encrypt the swap. pksa has no filter of system calls (seccomp) of its own: the
unit for systemd and container engines have one.

One wallet runs once. At each relay it looks whether another copy of it serves
the same accounts: a home folder that was copied, or a snapshot that was
restored. The copy that came later, or has fewer records, ends with exit status
0 and does not start again until ` + "`pksa ledger moved`" + `.

With a ledger in PostgreSQL, a wallet that is started while another one leads
stands by: it has its keys, and takes over when the other one has ended, or ten
seconds after that was heard of last.

The clock of this machine must be confirmed: by a Hive API node, by the kernel
(a time service), or by --trust-clock. Until then nothing is served if the clock
is more than an hour after the ledger's last record.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context(), trust) },
	}
	cmd.Flags().BoolVar(&trust, "trust-clock", false, "take the clock for right where no node contradicts it")
	return cmd
}

// serve runs the wallet until ctx ends.
func (c *command) serve(ctx context.Context, trustClock bool) error {
	cfg, log, err := c.loggedSettings(nil)
	if err != nil {
		return err
	}
	if err := c.checkWallet(cfg); err != nil {
		return err
	}
	manager := dialManager(log)
	defer manager.close()
	stood := false // by, while another wallet led
	s, err := service.Open(ctx, service.Options{
		Version: version, Config: cfg, Logger: log, TrustClock: trustClock, KernelClock: kernelClock,
		Reloading:    manager.reloading,
		StandingBy:   func() (over func()) { stood = true; return c.standBy(ctx, manager) },
		InPlace:      c.forOthers(cfg.Home),
		ReadSettings: func() (*config.Config, error) { return c.readSettings(cfg.Home) },
		OpenKeys:     func(ctx context.Context) (*keystore.Store, error) { return c.openKeys(ctx, cfg) },
	})
	if stood && err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil // stopped while it stood by: an end in order
	}
	if err != nil {
		return startHint(cfg, yieldHint(err))
	}
	s.Agent.AddPart(c.prepareLevel)
	// Not when relays are connected: without a network a start would fail that only has to wait.
	manager.tell(systemd.Ready)
	untell := context.AfterFunc(ctx, func() { manager.tell(systemd.Stopping) })
	// Until the service has ended, not only until ctx has: where nobody takes SIGHUP any more it
	// kills the process, in the middle of what it finishes.
	reloading, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { reloadOnHangup(reloading, s.Agent) })
	running.Go(func() { boundMemory(reloading) })
	running.Go(func() { manager.attend(reloading, s.Agent) })
	running.Go(func() { manager.keepAlive(reloading, s.Agent) })
	if columns(c.err) > 0 && !c.journal {
		running.Go(func() { c.sayReady(reloading, cfg, s.Agent) })
	}
	c.serves = true
	err = s.Run(ctx)
	if untell() { // it ended by itself
		manager.tell(systemd.Stopping)
	}
	stop()
	running.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil // stopped while it started: nothing was admitted, and an end in order is no failure
	}
	return errors.Join(yieldHint(err), s.Close())
}

// standBy begins what goes on while this wallet waits for another one to end. The manager has its
// signs of life, and a signal to reload finds nothing to do: settings and policy are read when it
// leads.
func (c *command) standBy(ctx context.Context, m *manager) (over func()) {
	m.tell(systemd.Ready)
	m.tell(systemd.StatusText("standing by: another wallet leads"))
	if columns(c.err) > 0 && !c.journal {
		c.tell(systemd.Info, "pksa: Standing by: another wallet leads. This one takes over when that has ended.\n")
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	waiting, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { m.attendStandby(waiting) })
	return func() {
		stop()
		running.Wait()
		signal.Stop(hangup)
	}
}

// sayReady prints at the terminal when the wallet serves, and where applications can ask.
func (c *command) sayReady(ctx context.Context, cfg *config.Config, a *agent.Agent) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if len(a.Ready()) == 0 {
			c.tell(systemd.Info, "%s", readyText(cfg, a.Status()))
			return
		}
	}
}

// readyText returns where applications can ask, and for how many accounts.
func readyText(cfg *config.Config, s agent.Status) string {
	var relays []string
	for _, l := range s.Links {
		if l.Registered > 0 {
			relays = append(relays, l.Relay)
		}
	}
	return fmt.Sprintf("pksa: Ready: apps can ask at %s for %s. `pksa status --home %s` shows more; Ctrl-C ends it.\n",
		strings.Join(relays, ", "), count(len(s.Accounts), "account"), cfg.Home)
}

// yieldHint adds what can be done about a copy that has yielded to another one, or in whose place
// another one has opened the ledger.
func yieldHint(err error) error {
	var yielded *agent.YieldError
	if errors.Is(err, ledger.ErrDeposed) {
		return hint(err, adviceDeposed)
	}
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
		return ledgerHint(cfg.LedgerPlace(), failed.Err)
	case service.StepPolicy:
		if errors.Is(err, fs.ErrNotExist) {
			return hint(err, advicePolicyLost)
		}
		return hint(fmt.Errorf("the policy cannot be used:\n%w", err), advicePolicyErrors)
	case service.StepRelay:
		return relayHint(err)
	case service.StepStatus:
		if errors.Is(err, syscall.EADDRINUSE) {
			return hint(err, adviceStatusAddress)
		}
	}
	return err
}

// reloadOnHangup reads settings and policy again at each SIGHUP.
func reloadOnHangup(ctx context.Context, a *agent.Agent) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_, _ = a.Reload(ctx) // logs what it did
		}
	}
}
