package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/service"
)

func (c *command) policySuggest() *cobra.Command {
	var app, since string
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "Suggest the narrowest rules for what was denied so far",
		Long: `Prints a policy that allows what no rule allowed so far, and what rules with
"mode: observe" would have decided differently: each operation with the values
that were seen, JSON with the forms that it had, and limits of what went out in
24 hours. What the policy allows by now is left out; where one of its rules
would do with a change, a comment says which, and what it lacks.

It is a draft to pick rules from, not a policy to use as it is: lines that
` + "`pksa policy check`" + ` complains of say so, and no policy takes them until they are
narrowed. It is made of the newest 10,000 requests that fit into 32 MiB of
memory, and says how many there were before.

The trail comes from the running agent. If none is running it comes from the
ledger, and the keystore has to be unlocked.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			n, err := service.Network(cfg)
			if err != nil {
				return err
			}
			inForce, _, unread := c.policyToJudgeBy(cmd.Context(), "") // a draft is of use without it, too
			from := time.Time{}
			if since != "" {
				length, err := days(since)
				if err != nil {
					return err
				}
				from = time.Now().Add(-length)
			}
			trail := c.openTrail(false)
			q := audit.Query{Filter: audit.Filter{App: app, Since: from}}
			out, err := audit.Suggest(trail.source(cmd.Context()), q, inForce, n)
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
			return c.printSuggested(out, app, unread)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "only requests of the app of this `name`")
	cmd.Flags().StringVar(&since, "since", "", "only the requests of the last `duration`: 12h, 30d")
	return cmd
}

func (c *command) printSuggested(out audit.Suggested, app string, unread error) error {
	return c.print(out, func(w io.Writer) {
		if unread != nil {
			fmt.Fprintln(w, "# The policy cannot be used, so what it allows by now is not left out.")
		}
		switch {
		case out.Requests == 0 && out.Allowed > 0:
			fmt.Fprintln(w, "# Nothing to suggest.")
		case out.Requests == 0 && app != "":
			fmt.Fprintf(w, "# Nothing to suggest: no request of an app %q was denied for want of a rule.\n", app)
		case out.Requests == 0:
			fmt.Fprintln(w, "# Nothing to suggest: no request was denied for want of a rule.")
		}
		fmt.Fprint(w, out.YAML)
		if out.Older > 0 {
			fmt.Fprintf(w, "# %s left out: too many of the same apps came after. --app and --since pick others.\n",
				wasOrWere(out.Older, "request"))
		}
		if out.Summed > 0 {
			fmt.Fprintln(w, "# "+summedLine(out.Summed))
		}
		if out.Cut > 0 {
			fmt.Fprintln(w, "# "+cutLine(out.Cut))
		}
		if out.Allowed > 0 {
			fmt.Fprintf(w, "# %s left out: the policy allows that by now, or asks a person.\n",
				wasOrWere(out.Allowed, "request"))
		}
		if out.Ruled > 0 {
			fmt.Fprintf(w, "# %s denied by deny rules, by limits or whatever the policy says: no rule helps.\n# "+
				"`pksa policy explain NUMBER` says why.\n", wasOrWere(out.Ruled, "request"))
		}
	})
}
