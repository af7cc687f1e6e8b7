package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/ledger"
)

func (c *command) ledgerMend() *cobra.Command {
	return &cobra.Command{
		Use:   "mend",
		Short: "Restore damaged values of the ledger, where that is possible",
		Long: `Restores what was altered in one byte, as failing memory and disks do it, in
records of the audit trail and in all that decisions need. It tries every other
value of every byte until the seal of the ledger fits again: what it restores is
what was written. Nothing is left out and nothing is forgotten, and a record of
the audit trail names what was restored.

What was altered in more than a byte stays as it is; then only a copy helps.
Find out why the disk or the memory of this machine changes what it holds.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withLedger(cmd.Context(), func(path string, o ledger.Options) error {
				return c.mendLedger(cmd.Context(), path, o)
			})
		},
	}
}

func (c *command) mendLedger(ctx context.Context, path string, o ledger.Options) error {
	mended, err := ledger.Mend(ctx, path, o, func(mended []string) []byte {
		text, _ := json.Marshal(map[string]any{"act": "ledger mend", "restored": mended}) // texts alone
		return text
	})
	if err != nil {
		return ledgerHint(path, err)
	}
	return c.print(map[string]any{"ledger": path, "restored": append([]string{}, mended...)}, func(w io.Writer) {
		if len(mended) == 0 {
			fmt.Fprintln(w, "All values of the ledger are good; there is nothing to mend, and nothing was changed.")
			return
		}
		fmt.Fprintf(w, "Restored as it was written: %s.\nThis machine's disk or memory changed it: find out which, "+
			"and keep copies.\n", strings.Join(mended, ", "))
	})
}
