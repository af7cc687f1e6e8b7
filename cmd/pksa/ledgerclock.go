package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/kernelclock"
	"pksa/agent/ledger"
	"pksa/agent/service"
)

// kernelClock returns nil if the kernel says that its clock is kept right.
var kernelClock = kernelclock.Synchronised

func (c *command) ledgerClock() *cobra.Command {
	trust := false
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Lead a ledger back whose last record is in the future",
		Long: `Leads a ledger back that was written while the clock of this machine was far
ahead. Until then no request is new enough. Stop the wallet first, and set the
clock right: it must be confirmed as for ` + "`pksa run`" + `.

No limit gets room by it, and no request can come again: what was charged counts
as long as it would from now on, and no nonce up to now counts any more. A
session that took a nonce of the future ends, and its key makes no session
again: its application logs in with a new key. The other sessions go on.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.turnBack(cmd.Context(), trust) },
	}
	cmd.Flags().BoolVar(&trust, "trust-clock", false, "take the clock for right where no node contradicts it")
	return cmd
}

func (c *command) turnBack(ctx context.Context, trust bool) (err error) {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	o, err := c.offline(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	was := o.ledger.Now()
	if time.Until(was) <= 0 {
		return c.print(map[string]any{"ledger": cfg.LedgerPlace(), "led_back": false}, func(w io.Writer) {
			fmt.Fprintln(w, "The ledger's last record is not in the future; there is nothing to do, and nothing was "+
				"changed.")
		})
	}
	nodes, err := service.Nodes(cfg, c.logger(cfg))
	if err != nil {
		return err
	}
	by, err := agent.ClockWitness{Node: nodes, Kernel: kernelClock, Trust: trust}.Confirm(ctx, time.Time{})
	if err != nil {
		return fmt.Errorf("nothing was changed, because the clock of this machine is not confirmed: %w. If it is "+
			"right, add --trust-clock", err)
	}
	kept, err := keptCharges(cfg, o)
	if err != nil {
		return err
	}
	now := time.Now()
	done, err := o.admin().TurnBack(ctx, now, kept, by)
	if err != nil {
		return ledgerHint(cfg.LedgerPlace(), err)
	}
	result := map[string]any{"ledger": cfg.LedgerPlace(), "led_back": true, "was": done.Was, "now": now.UTC(),
		"confirmed_by": by, "sessions_ended": len(done.Ended)}
	return c.print(result, func(w io.Writer) { printTurnedBack(w, done, now, by) })
}

// keptCharges returns how long charges count at most, by the policy in the home folder.
func keptCharges(cfg *config.Config, o *offline) (time.Duration, error) {
	compiled, _, err := agent.LoadPolicy(cfg, o.keys, o.ledger)
	if err != nil {
		return 0, fmt.Errorf("nothing was changed: the policy says how long limits count, and cannot be read:\n%w", err)
	}
	kept := 31 * 24 * time.Hour
	for _, d := range compiled.Limits() {
		kept = max(kept, d)
	}
	return kept, nil
}

func printTurnedBack(w io.Writer, done ledger.TurnedBack, now time.Time, by string) {
	fmt.Fprintf(w, "The ledger goes on from %s, which %s confirms. Its last record was of %s.\n"+
		"Limits have no more room than before, and no request of before is taken again.\n",
		now.UTC().Format(time.RFC3339), by, done.Was.UTC().Format(time.RFC3339))
	for _, s := range done.Ended {
		fmt.Fprintf(w, "Session %s of app %s ended: it took a nonce of the future. The application logs in with a new "+
			"key.\n", s.ID, s.App)
	}
}
