package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/policy"
)

func (c *command) policyReplay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE",
		Short: "Judge all requests so far by another policy",
		Long: `Judges the requests of the audit trail by the policy FILE, each at its time, and
shows where the answer changes. Limits count what FILE admits, from the
beginning of the trail. Where FILE asks a person, the answer that a person gave
then counts again; where nobody was asked, it counts as a yes. The first 10,000
changes are listed, all are counted.

The trail comes from the running agent. If none is running it comes from the
ledger, and the keystore has to be unlocked.`,
		Args: one("the FILE of the other policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, n, err := c.policyToJudgeBy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			trail := c.openTrail(false)
			result, err := audit.Replay(trail.source(cmd.Context()), p, n)
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
			return c.print(result, func(w io.Writer) { printReplay(w, p, result) })
		},
	}
}

// printChanges prints two lines for each request that is answered otherwise.
func printChanges(w io.Writer, changes []audit.Change) {
	for _, change := range changes {
		turn := fmt.Sprintf("%s → %s", change.Was, change.Now)
		fmt.Fprintf(w, "%6d  %s  %s  %s of %s for %s\n", change.Number, when(change.Time), turn, change.What,
			change.App, change.Account)
		why := change.Reason
		if change.Now == policy.Allow {
			why = "by"
			for _, ref := range change.Rules {
				why += fmt.Sprintf(" %q", ref.Name)
			}
			if change.Reason != "" {
				why += "; then: " + change.Reason
			}
		}
		fmt.Fprintf(w, "        %s\n", why)
	}
}

func printReplay(w io.Writer, p *policy.Policy, r audit.Replayed) {
	printChanges(w, r.Changes)
	if len(r.Changes) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s judged by %s, sha256 %s: %d the same", count(r.Requests, "request"), p.File(), short(p.Hash()),
		r.Same)
	if turns := audit.TurnsText(r.Turns); turns != "" {
		fmt.Fprint(w, ", ", turns)
	}
	fmt.Fprintln(w, ".")
	if r.NotListed > 0 {
		fmt.Fprintf(w, "%s not listed above: only the first %d are.\n", wasOrWere(r.NotListed, "change"),
			len(r.Changes))
	}
	if r.Unknown > 0 {
		fmt.Fprintf(w, "%s not remembered, for there were too many. Each counts as a yes.\n",
			wasOrWere(r.Unknown, "answer"))
	}
	if r.Undecided > 0 {
		fmt.Fprintf(w, "%s refused before any policy was asked.\n", wasOrWere(r.Undecided, "request"))
	}
	if lacking := r.Lacking - r.Cut; lacking > 0 {
		fmt.Fprintf(w, "%s not judged: the trail does not hold all of what was asked.\n",
			wasOrWere(lacking, "request"))
	}
	if r.Summed > 0 {
		fmt.Fprintln(w, summedLine(r.Summed))
	}
	if r.Cut > 0 {
		fmt.Fprintln(w, cutLine(r.Cut))
	}
}

// cutLine returns the line about requests that are left out because they were cut.
func cutLine(n int) string {
	return wasOrWere(n, "request") + " not judged: the trail keeps 8 KiB of what is not carried out, and cut the rest."
}

// summedLine returns the line about denied requests that stand in sums only.
func summedLine(n int) string {
	return wasOrWere(n, "request") + " denied and not judged: the trail has only sums of them, for there were too many."
}
