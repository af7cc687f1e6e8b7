package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/agent/service"
)

func (c *command) policyReplay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE",
		Short: "What another policy would have answered to all that was asked so far",
		Long: `Judges the requests of the audit trail by the policy FILE, each at its time, and says where the
answer changes. Limits count from the beginning of the trail what FILE admits. Where FILE asks a
person, what a person said then holds again; where nobody was asked it counts as a yes.
Reads the trail from the running agent, or else from the ledger, which needs the unlock source.`,
		Args: exactly(1, "the FILE of the other policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, n, err := c.policyToJudgeBy(args[0])
			if err != nil {
				return err
			}
			trail, err := c.trailRequests(cmd.Context(), n)
			if err != nil {
				return err
			}
			result := audit.Replay(p, trail)
			return c.print(result, func(w io.Writer) { printReplay(w, p, result) })
		},
	}
}

func printReplay(w io.Writer, p *policy.Policy, r audit.Replayed) {
	changed := map[string]int{}
	for _, change := range r.Changes {
		turn := fmt.Sprintf("%s → %s", change.Was, change.Now)
		changed[turn]++
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
	if len(r.Changes) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s judged by %s, sha256 %s: %d the same", count(r.Requests, "request"), p.File(), short(p.Hash()),
		r.Same)
	for _, was := range []policy.Verdict{policy.Allow, policy.Ask, policy.Deny} {
		for _, now := range []policy.Verdict{policy.Allow, policy.Ask, policy.Deny} {
			if n := changed[fmt.Sprintf("%s → %s", was, now)]; n > 0 {
				fmt.Fprintf(w, ", %d %s → %s", n, was, now)
			}
		}
	}
	fmt.Fprintln(w, ".")
	if r.Undecided > 0 {
		fmt.Fprintf(w, "%s refused before any policy was asked.\n", wasOrWere(r.Undecided, "request"))
	}
	if r.Lacking > 0 {
		fmt.Fprintf(w, "%s not judged: the trail does not hold all of what was asked.\n",
			wasOrWere(r.Lacking, "request"))
	}
}

func wasOrWere(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return fmt.Sprintf("%d %ss were", n, thing)
}

func (c *command) policySuggest() *cobra.Command {
	var app, since string
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "The narrowest rules for what was denied, or what observed rules would have changed",
		Long: `Writes a policy that allows what no rule allowed so far, and what rules with "mode: observe" would
have answered otherwise: each operation with the values that were seen, and limits of what it spent.
It is a draft to pick rules from, not a policy to use as it is.
Reads the trail from the running agent, or else from the ledger, which needs the unlock source.`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			n, err := service.Network(cfg)
			if err != nil {
				return err
			}
			from := time.Time{}
			if since != "" {
				length, err := days(since)
				if err != nil {
					return err
				}
				from = time.Now().Add(-length)
			}
			trail, err := c.trailRequests(cmd.Context(), n)
			if err != nil {
				return err
			}
			return c.suggest(trail, app, from)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "only what this app slot asked for")
	cmd.Flags().StringVar(&since, "since", "", "only the last 12h, 30d, …")
	return cmd
}

// suggested is what `policy suggest --json` prints.
type suggested struct {
	Requests int    `json:"requests"` // that it is made of
	Ruled    int    `json:"ruled"`    // denied by a deny rule or a limit: no rule helps
	YAML     string `json:"yaml"`
}

func (c *command) suggest(trail []audit.Request, app string, from time.Time) error {
	var out suggested
	var seen []policy.Seen
	for _, t := range trail {
		if t.Request == nil || t.Undecided || t.Time.Before(from) || app != "" && t.Request.App != app {
			continue
		}
		switch {
		case t.Observed != nil,
			t.Was == policy.Deny && (t.Code == policy.CodeUncovered || t.Code == policy.CodeForeignAuthority):
			seen = append(seen, policy.Seen{Request: t.Request, Time: t.Time})
		case t.Was == policy.Deny:
			out.Ruled++
		}
	}
	out.Requests = len(seen)
	if out.Requests > 0 {
		out.YAML = policy.Suggest(seen)
	}
	return c.print(out, func(w io.Writer) {
		if out.Requests == 0 {
			fmt.Fprintln(w, "# Nothing to suggest: no request was denied for want of a rule.")
		}
		fmt.Fprint(w, out.YAML)
		if out.Ruled > 0 {
			fmt.Fprintf(w, "# %s denied by deny rules, by limits or whatever the policy says: no rule helps.\n# "+
				"`pksa policy explain NUMBER` says why.\n", wasOrWere(out.Ruled, "request"))
		}
	})
}
