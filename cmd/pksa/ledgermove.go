package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/ledger/pg"
)

// inFile is what a person writes for the usual place of the ledger.
const inFile = "file"

func (c *command) ledgerMove() *cobra.Command {
	return &cobra.Command{
		Use:   "move TO",
		Short: "Bring the ledger from its file into a database, or back",
		Long: `Copies the ledger, with the whole audit trail, to another place; compares the
two; and takes the old one out of use. TO is postgres://USER@HOST/DATABASE or
"file". The agent must be stopped. The password of a database is read from the
setting ledger_password, so set that first.

When it has ended, set "ledger" in config.yaml to the place that it prints. What
is left of the old ledger gets another name, or is no ledger any more; it must
not be put back. If the command is interrupted, call it again: it goes on.`,
		Args: one("the place TO: postgres://USER@HOST/DATABASE or file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			to := *cfg
			if to.Database, err = moveTo(args[0]); err != nil {
				return errUsage{err}
			}
			if to.Database == cfg.Database {
				return hint(errUsage{errors.New("the setting ledger names this place already")}, adviceMoveFrom)
			}
			store, err := c.openKeys(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer store.Close()
			done, err := ledger.Move(cmd.Context(), cfg.Ledger, c.ledgerOptions(cfg, store),
				c.ledgerOptions(&to, store))
			if err != nil {
				return ledgerHint(cfg.LedgerPlace(), err)
			}
			return c.printMoved(&to, done)
		},
	}
}

// moveTo reads the place of a ledger; that of the file is empty.
func moveTo(text string) (string, error) {
	if text == inFile {
		return "", nil
	}
	a, err := pg.ParseAddress(text)
	if err == nil && a.Roots != "" {
		a.Roots, err = filepath.Abs(a.Roots) // settings take it from the home folder
	}
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

func (c *command) printMoved(to *config.Config, done ledger.Moved) error {
	place := to.LedgerPlace()
	return c.print(map[string]any{"ledger": place, "last_record": done.Last, "segments": done.Segments,
		"values": done.Values, "goes_on": done.Ended}, func(w io.Writer) {
		if done.Ended {
			fmt.Fprintf(w, "The ledger had been copied before; it is in its new place now, up to record %d.\n",
				done.Last)
		} else {
			fmt.Fprintf(w, "Moved the ledger up to record %d: %d values and %d segments of the trail, compared "+
				"with the old ones.\n", done.Last, done.Values, done.Segments)
		}
		fmt.Fprintf(w, "Set this in config.yaml, then start the wallet:\n\n    ledger: %s\n", place)
	})
}
