package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/ledger"
)

func (c *command) ledgerMend() *cobra.Command {
	lose := false
	cmd := &cobra.Command{
		Use:   "mend",
		Short: "Restore damaged values of the ledger, or go on without them",
		Long: `Restores what was altered in one byte, as failing memory and disks do it, in
records of the audit trail and in all that decisions need. It tries every other
value of every byte until the seal of the ledger fits again: what it restores is
what was written, and a record of the audit trail names it.

What was altered in more than a byte is named. Put a copy of the ledger and its
mark back, if you have one. Without one, --lose goes on without what is named;
on a terminal it asks. Nothing becomes free by it:

  - a part of the audit trail is missing from then on; "pksa audit verify" says
    so, and that the rest is in order. Files of it get another name;
  - where a lost record may have taken a request, no nonce up to now counts any
    more, sessions that took requests without nonces end, and the others must
    send nonces. Rotate the secrets of your apps afterwards;
  - where a lost record may have been charged to limits, no limit has room until
    its window has passed;
  - a session, an app or an answer that is lost ends.

A file whose pages read wrong cannot be mended: which records and values a page
held is not known, so nothing could be charged or refused in their place. Put a
copy back, or start an empty ledger with "pksa ledger new --set-aside".

Find out why the disk or the memory of this machine changes what it holds.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withLedger(cmd.Context(), func(cfg *config.Config, o ledger.Options) error {
				return c.mendLedger(cmd.Context(), cfg, o, lose)
			})
		},
	}
	cmd.Flags().BoolVar(&lose, "lose", false, "go on without what cannot be restored")
	return cmd
}

// loss is a lost value in JSON.
type loss struct {
	What  string `json:"what"`
	Means string `json:"means"`
}

func lossesOf(list []ledger.Loss) []loss {
	all := []loss{} // a list in JSON, too
	for _, l := range list {
		all = append(all, loss(l))
	}
	return all
}

func (c *command) mendLedger(ctx context.Context, cfg *config.Config, o ledger.Options, lose bool) error {
	// Killed at any place, mending again goes on from there: see ledger.Mend.
	tell, clear := c.mendProgress()
	done, err := ledger.Mend(ctx, cfg.Ledger, o, ledger.Mending{
		Lose: func(lost []ledger.Loss) (bool, error) {
			clear()
			return c.mayLose(ctx, lost, lose)
		},
		Charge: agent.LostCharge, Progress: tell, Audit: mendRecord,
	})
	clear()
	if err != nil {
		return ledgerHint(cfg.LedgerPlace(), err)
	}
	result := map[string]any{"ledger": cfg.LedgerPlace(), "restored": append([]string{}, done.Restored...),
		"lost": lossesOf(done.Lost), "nonces_floor": done.Floor, "limits_used_up": done.Limits,
		"sessions_ended": len(done.Ended)}
	return c.print(result, func(w io.Writer) { printMended(w, done) })
}

// mendProgress returns what tells a person that the search goes on: it may take minutes.
func (c *command) mendProgress() (tell func(what string, done, all int), clear func()) {
	shown := map[string]*progress{}
	last := c.progress("", "")
	return func(what string, done, all int) {
		if shown[what] == nil {
			shown[what] = c.progress("the altered byte of "+what, "byte")
		}
		last = shown[what]
		last.at(uint64(done), uint64(all))
	}, func() { last.clear() }
}

// mayLose reports whether to go on without what is lost. A person at the terminal is asked.
func (c *command) mayLose(ctx context.Context, lost []ledger.Loss, lose bool) (bool, error) {
	if lose || !c.terminal() {
		return lose, nil
	}
	fmt.Fprintln(c.err, "This is damaged and cannot be restored:")
	for _, l := range lost {
		fmt.Fprintf(c.err, "  %s: %s\n", l.What, l.Means)
	}
	fmt.Fprintln(c.err, "If you have a copy of the ledger and its mark, put that back instead.")
	return true, c.sure(ctx, "Go on without it?")
}

// recordedMost is how many restored and lost values the record of the audit trail names.
const recordedMost = 200

// mendRecord returns the content of the audit record.
func mendRecord(done ledger.Mended) []byte {
	content := map[string]any{"act": "ledger mend"}
	if len(done.Restored) > 0 {
		content["restored"] = done.Restored[:min(len(done.Restored), recordedMost)]
	}
	if len(done.Lost) > 0 {
		content["lost"] = lossesOf(done.Lost[:min(len(done.Lost), recordedMost)])
		content["lost_count"], content["nonces_floor"], content["limits_used_up"] = len(done.Lost), done.Floor,
			done.Limits
	}
	text, _ := json.Marshal(content) // texts and numbers
	return text
}

func printMended(w io.Writer, done ledger.Mended) {
	if len(done.Restored)+len(done.Lost) == 0 && !done.Floor {
		fmt.Fprintln(w, "All values of the ledger are good; there is nothing to mend, and nothing was changed.")
		return
	}
	if len(done.Restored) > 0 {
		fmt.Fprintf(w, "Restored as it was written: %s.\n", strings.Join(done.Restored, ", "))
	}
	for _, l := range done.Lost {
		fmt.Fprintf(w, "Lost: %s: %s.\n", l.What, l.Means)
	}
	if done.Floor {
		fmt.Fprintf(w, "No nonce up to now counts any more. %s ended. Rotate your apps: `pksa app rotate NAME`\n",
			count(len(done.Ended), "session"))
	}
	if done.Limits {
		fmt.Fprintln(w, "`pksa limit list` shows which limits have room.")
	}
	fmt.Fprintln(w, "This machine's disk or memory changed it: find out which, and keep copies.")
}
