package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pksa/agent/ledger"
	"pksa/keystore"
)

func (c *command) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "The record of what happened: start a new one, or go on with a restored one",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.ledgerNew(), c.ledgerAccept())
	return cmd
}

func (c *command) ledgerNew() *cobra.Command {
	return &cobra.Command{
		Use:   "new",
		Short: "Start an empty ledger where the old one is missing",
		Long: `Starts an empty ledger beside a keystore whose ledger is lost. All apps, sessions and limits
are forgotten, and so is which requests were answered: make new apps, with new secrets, so that
nothing recorded before can be replayed. A ledger that is there is never touched.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withLedger(cmd.Context(), func(path string, o ledger.Options) error {
				if err := startLedger(cmd.Context(), path, o); err != nil {
					return ledgerHint(path, err)
				}
				return c.print(map[string]string{"ledger": path}, func(w io.Writer) {
					fmt.Fprintf(w, "Started an empty ledger: %s\nMake the apps anew with `pksa app add NAME`.\n", path)
				})
			})
		},
	}
}

func (c *command) ledgerAccept() *cobra.Command {
	return &cobra.Command{
		Use:   "accept",
		Short: "Go on with a ledger that was restored from a backup",
		Long: `Goes on with a ledger that is older than its mark. What happened after the backup is not known
any more, so no nonce up to now counts, sessions that took requests without nonces end, and
the others must send nonces. Rotate the secrets of your apps afterwards.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withLedger(cmd.Context(), func(path string, o ledger.Options) error {
				accepted, err := ledger.Accept(path, o, []byte(`{"act":"ledger accept"}`))
				if errors.Is(err, ledger.ErrMissing) {
					return hint(err, "restore ledger.db first, or start a new one with `pksa ledger new`")
				}
				if err != nil {
					return ledgerHint(path, err)
				}
				result := map[string]any{"ledger": path, "last_record": accepted.Last, "mark": accepted.Mark,
					"sessions_ended": len(accepted.Ended)}
				return c.print(result, func(w io.Writer) {
					if accepted.Last == accepted.Mark {
						fmt.Fprintf(w, "The ledger fits its mark, at record %d; there is nothing to accept, and "+
							"nothing was changed.\n", accepted.Last)
						return
					}
					fmt.Fprintf(w, "Going on with the ledger as of record %d; the mark spoke of record %d. %s "+
						"ended.\nApps and sessions are as they stood then: what was revoked or removed since must "+
						"be again (pksa app list, pksa session list).\nRotate your apps: pksa app rotate NAME\n",
						accepted.Last, accepted.Mark, count(len(accepted.Ended), "session"))
				})
			})
		},
	}
}

// startLedger makes an empty ledger whose first record says that it did not begin with the wallet.
func startLedger(ctx context.Context, path string, o ledger.Options) error {
	if err := ledger.Create(path, o); err != nil {
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

// withLedger unlocks the keystore and gives f what the ledger is opened with.
func (c *command) withLedger(ctx context.Context, f func(path string, o ledger.Options) error) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	var store *keystore.Store
	if store, err = c.openKeys(ctx, cfg); err != nil {
		return err
	}
	defer store.Close()
	return f(cfg.Ledger, c.ledgerOptions(cfg, store))
}
