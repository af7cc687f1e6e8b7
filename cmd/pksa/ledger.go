package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/ledger"
)

func (c *command) ledgerCommand() *cobra.Command {
	return groupCommand("ledger", "Start a ledger, or go on after a restore, a move or a fault",
		`The ledger records what was asked, decided and done: apps, sessions, nonces,
limits and the audit trail. The agent refuses to start when it is missing, older
than it should be, or that of a copy which has yielded to another one, and it
serves nothing when the last record is in the future. These commands are for
such cases only.`,
		c.ledgerNew(), c.ledgerAccept(), c.ledgerMove(), c.ledgerMoved(), c.ledgerClock(), c.ledgerMend())
}

func (c *command) ledgerNew() *cobra.Command {
	var anew bool
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Start an empty ledger where the old one is missing",
		Long: `Starts an empty ledger beside a keystore whose ledger is lost. All apps,
sessions and limits are forgotten, and so is which requests were answered. No
nonce up to now counts any more; but make new apps with new secrets, so that no
request without a nonce can be replayed either.

A ledger that exists is not touched, unless --set-aside is given and it cannot
be read: it is damaged, or belongs to another keystore. Then it gets another
name, with its mark and its older records. Nothing is deleted.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := c.wallet(); err != nil {
				return err
			}
			return c.withLedger(cmd.Context(), func(cfg *config.Config, o ledger.Options) error {
				return c.newLedger(cmd.Context(), cfg, o, anew)
			})
		},
	}
	cmd.Flags().BoolVar(&anew, "set-aside", false, "set a ledger aside that cannot be read any more")
	return cmd
}

func (c *command) newLedger(ctx context.Context, cfg *config.Config, o ledger.Options, anew bool) error {
	place := cfg.LedgerPlace()
	var lost *aside
	if anew {
		var err error
		if lost, err = c.setAsideLedger(ctx, cfg, o); err != nil {
			return err
		}
	}
	if err := startLedger(ctx, cfg.Ledger, o); err != nil {
		if lost != nil {
			err = errors.Join(err, lost.undo())
		}
		return ledgerHint(place, err)
	}
	result := map[string]any{"ledger": place}
	if anew {
		result["set_aside"] = lost.names()
	}
	return c.print(result, func(w io.Writer) {
		for _, name := range lost.names() {
			fmt.Fprintf(w, "Set aside: %s\n", name)
		}
		fmt.Fprintf(w, "Started an empty ledger: %s\nMake the apps anew, with new secrets: `pksa app add NAME`. "+
			"With an old\nsecret, a relay could have requests of before carried out once more.\n", place)
	})
}

func (c *command) ledgerAccept() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Go on with a ledger that was restored from a backup",
		Long: `Goes on with a ledger that is older than its mark. What happened after the
backup is not known any more: it also holds secrets that were replaced since,
sessions that were revoked, and room of limits that was used up. Therefore

  - no nonce up to now is accepted;
  - the secrets of all apps count no more, and all sessions end, but for those
    of apps that --keep names; "pksa app rotate NAME" gives one a new secret;
  - sessions of kept apps that took requests without nonces end, and the others
    must send nonces;
  - no limit has room until its window has passed, unless --limits-as-counted
    lets limits go on as the backup counted them.

Keep an app only if you know that its secret was not replaced and none of its
sessions was revoked since the backup.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withLedger(cmd.Context(), func(cfg *config.Config, o ledger.Options) error {
				return c.acceptLedger(cfg, o, r)
			})
		},
	}
	r.addFlags(cmd)
	return cmd
}

// restoring is what the operator knows of the time since a copy of the ledger was made.
type restoring struct {
	keep      []string
	asCounted bool
}

func (r *restoring) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&r.keep, "keep", nil,
		"`app` whose secret and sessions go on; may be given several times")
	cmd.Flags().BoolVar(&r.asCounted, "limits-as-counted", false,
		"let limits go on as the backup counted them")
}

// acceptance returns what the ledger shall go on with.
func (r *restoring) acceptance(what string) ledger.Acceptance {
	a := ledger.Acceptance{Audit: fmt.Appendf(nil, `{"act":%q}`, what), Keep: r.keep, Charge: agent.LostCharge}
	if r.asCounted {
		a.Charge = nil
	}
	return a
}

func (c *command) acceptLedger(cfg *config.Config, o ledger.Options, r restoring) error {
	// One commit does it all: it ends sessions, replaces secrets, raises the floor of the nonces
	// and records that; the mark is replaced after it. Killed before the commit, nothing has
	// changed. Killed after it, the ledger counts as accepted, or, where the mark was missing, has
	// to be accepted once more.
	accepted, err := ledger.Accept(cfg.Ledger, o, r.acceptance("ledger accept"))
	if errors.Is(err, ledger.ErrMissing) {
		return hint(err, adviceAcceptLost)
	}
	if err != nil {
		return acceptHint(cfg.LedgerPlace(), err)
	}
	result := acceptedResult(accepted)
	result["ledger"] = cfg.LedgerPlace()
	return c.print(result, func(w io.Writer) { printAccepted(w, accepted) })
}

// acceptHint adds to an error of an acceptance what can be done about it.
func acceptHint(place string, err error) error {
	if errors.Is(err, ledger.ErrNoSlot) {
		return fmt.Errorf("--keep: %w; nothing was changed", err)
	}
	return ledgerHint(place, err)
}

// acceptedResult returns what became of a restored ledger, for JSON.
func acceptedResult(a ledger.Accepted) map[string]any {
	return map[string]any{"last_record": a.Last, "mark": a.Mark, "sessions_ended": len(a.Ended),
		"apps_closed": append([]string{}, closedApps(a)...), "limits_used_up": a.Limits,
		"approvers_removed": append([]string{}, a.Approvers...)}
}

// closedApps returns the apps whose secrets count no more. The agent gives its own slot a new one
// when it needs it.
func closedApps(a ledger.Accepted) []string {
	return slices.DeleteFunc(slices.Clone(a.Closed), func(name string) bool { return name == agent.OwnSlot })
}

func printAccepted(w io.Writer, a ledger.Accepted) {
	if a.Fits {
		fmt.Fprintf(w, "The ledger fits its mark, at record %d; there is nothing to accept, and nothing was changed.\n"+
			"If its last record is in the future, `pksa ledger clock` leads it back.\n", a.Last)
		return
	}
	mark := "its mark is lost, or cannot be read"
	if a.Mark > 0 {
		mark = fmt.Sprintf("the mark says record %d", a.Mark)
	}
	fmt.Fprintf(w, "Going on with the ledger as of record %d; %s.\n", a.Last, mark)
	printRestored(w, a)
}

// printRestored prints what became of apps, sessions and limits, and what to do.
func printRestored(w io.Writer, a ledger.Accepted) {
	fmt.Fprintf(w, "%s ended. No nonce up to now counts any more.\n", count(len(a.Ended), "session"))
	if a.Limits {
		fmt.Fprint(w, "No limit has room until its window has passed.\n")
	}
	if closed := closedApps(a); len(closed) > 0 {
		fmt.Fprintf(w, "The secrets of these apps count no more: %s\nGive each that you still want a new one: `pksa "+
			"app rotate NAME`\n", strings.Join(closed, ", "))
	}
	if len(a.Approvers) > 0 {
		fmt.Fprintf(w, "Nobody is an approver any more; these were, and are enrolled anew: %s\n",
			strings.Join(a.Approvers, ", "))
	}
	fmt.Fprint(w, "Apps are as they were then: what was removed since must be removed again (`pksa app list`).\n")
}

func (c *command) ledgerMoved() *cobra.Command {
	return &cobra.Command{
		Use:   "moved",
		Short: "Let a copy that has yielded to another one go on",
		Long: `Lets a copy start again that has yielded to another copy of the same wallet.
Stop the other copy first, for good. If it still serves, this one yields again
when it starts.

A wallet is one home folder, and runs once. Relays pass a request to every
wallet of an account, so two copies would both carry it out. Therefore copies
look for each other, at the start and every few minutes: a copy that has not
served yet yields to one that serves, and of two that serve the one with fewer
records yields. It stops, and is not started again before this command.

To move a wallet: stop it, and see to it that nothing starts it again; copy the
whole home folder and what unlocks it; start the copy, and remove the folder
that was left. Copies that share no relay do not find each other.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withLedger(cmd.Context(), func(cfg *config.Config, o ledger.Options) error {
				return c.moveLedger(cmd.Context(), cfg, o)
			})
		},
	}
}

func (c *command) moveLedger(ctx context.Context, cfg *config.Config, o ledger.Options) error {
	l, err := ledger.Open(cfg.Ledger, o)
	if err != nil {
		return ledgerHint(cfg.LedgerPlace(), err)
	}
	y, yielded := l.Yielded()
	if yielded {
		err = l.Moved(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "moved: goes on in place of another copy",
			Content: []byte(`{"act":"ledger moved"}`)})
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return ledgerHint(cfg.LedgerPlace(), err)
	}
	return c.print(map[string]any{"ledger": cfg.LedgerPlace(), "had_yielded": yielded}, func(w io.Writer) {
		if !yielded {
			fmt.Fprintln(w, "This copy has not yielded to another one; there is nothing to do, and nothing was "+
				"changed.")
			return
		}
		fmt.Fprintf(w, "This copy goes on. It had yielded at %s to a copy that was met through %s.\n"+
			"Be sure that the other copy is stopped, then start this one: `pksa run`\n", when(y.At), y.Relay)
	})
}

// startLedger makes an empty ledger. Its first record says that it is younger than the wallet.
func startLedger(ctx context.Context, path string, o ledger.Options) error {
	if err := ledger.CreateAnew(path, o); err != nil {
		return err
	}
	l, err := ledger.Open(path, o)
	if err != nil {
		return err
	}
	_, err = l.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "ledger started anew",
		Content: []byte(`{"act":"ledger new"}`)})
	return errors.Join(err, l.Close())
}

// withLedger unlocks the keystore, whose key seals the ledger, and calls f with what the ledger is
// opened with.
func (c *command) withLedger(ctx context.Context, f func(*config.Config, ledger.Options) error) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	store, err := c.openKeys(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	return f(cfg, c.ledgerOptions(cfg, store))
}
