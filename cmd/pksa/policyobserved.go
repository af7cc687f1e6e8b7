package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/policy"
)

func (c *command) policyObserved() *cobra.Command {
	return &cobra.Command{
		Use:   "observed",
		Short: "Show what observed rules and limits would have changed",
		Long: `Counts, for each rule and limit with "mode: observe", the requests of the audit
trail to which it would have had another answer, with the first, the last and
the newest of them ("pksa audit show NUMBER" has one in full). Those that the
policy of the home folder observes come first, also those that would have
changed nothing.

The trail comes from the running agent. If none is running it comes from the
ledger, and the keystore has to be unlocked.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, n, err := c.policyToJudgeBy(cmd.Context(), "")
			if err != nil {
				return err
			}
			trail := c.openTrail(false)
			result, err := audit.Observe(trail.source(cmd.Context()), p, n)
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
			return c.print(result, func(w io.Writer) { printObserved(w, p, result) })
		},
	}
}

func printObserved(w io.Writer, p *policy.Policy, o audit.Observations) {
	for i := range o.Rules {
		r := &o.Rules[i]
		place := "no longer observed"
		if r.Line > 0 {
			place = fmt.Sprintf("line %d", r.Line)
		}
		if r.Requests == 0 {
			fmt.Fprintf(w, "%q (%s): would have changed nothing\n", r.Name, place)
			continue
		}
		var turns []string
		for _, turn := range r.Turns {
			turns = append(turns, fmt.Sprintf("%d %s → %s", turn.Requests, turn.Was, turn.Now))
		}
		fmt.Fprintf(w, "%q (%s): would have changed %s: %s\n", r.Name, place, count(r.Requests, "request"),
			strings.Join(turns, ", "))
		numbers := strings.Trim(fmt.Sprint(r.Examples), "[]")
		fmt.Fprintf(w, "    first %s, last %s, newest records %s\n", when(r.First), when(r.Last),
			strings.ReplaceAll(numbers, " ", ", "))
	}
	if len(o.Rules) == 0 {
		fmt.Fprintf(w, "%s observes nothing (mode: observe), and nothing was observed.\n", p.File())
	} else {
		fmt.Fprintln(w)
	}
	if o.Requests > 0 {
		fmt.Fprintf(w, "%s judged since %s, %d with another answer if all were in force.\n",
			count(o.Requests, "request"), when(o.Since), o.Changed)
	}
	if o.Summed > 0 {
		fmt.Fprintf(w, "%s denied of which the trail has only sums.\n", wasOrWere(o.Summed, "request"))
	}
}
