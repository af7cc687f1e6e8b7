package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

func (c *command) policySuggest() *cobra.Command {
	var app, since string
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "Suggest the narrowest rules for what was denied so far",
		Long: `Prints a policy that allows what no rule allowed so far, and what rules with
"mode: observe" would have decided differently: each operation with the values
that were seen, JSON with the forms that it had, and limits of what went out in
24 hours. It is a draft to pick rules from, not a policy to use as it is: lines
that ` + "`pksa policy check`" + ` complains of say so, and no policy takes them until
they are narrowed. It is made of the newest 10,000 requests that fit into 32 MiB
of memory, and says how many there were before.

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
			from := time.Time{}
			if since != "" {
				length, err := days(since)
				if err != nil {
					return err
				}
				from = time.Now().Add(-length)
			}
			trail := c.openTrail(false)
			out, err := suggest(trail.source(cmd.Context()), n, app, from)
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
			return c.printSuggested(out, app)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "only requests of the app of this `name`")
	cmd.Flags().StringVar(&since, "since", "", "only the requests of the last `duration`: 12h, 30d")
	return cmd
}

// suggested is what `policy suggest --json` prints.
type suggested struct {
	Requests int    `json:"requests"` // that it is made of
	Older    int    `json:"older"`    // not looked at, because there were too many after them
	Ruled    int    `json:"ruled"`    // denied by a deny rule or a limit: no rule helps
	Cut      int    `json:"cut"`      // not looked at, because they were cut when they were recorded
	Summed   int    `json:"summed"`   // not looked at, because the trail has only sums of them
	YAML     string `json:"yaml"`
}

// suggest reads the trail, and makes a policy of what no rule allowed.
func suggest(read audit.Source, n *hive.Network, app string, from time.Time) (suggested, error) {
	var out suggested
	var seen policy.SeenLately
	q := audit.Query{Filter: audit.Filter{Since: from}}
	err := audit.EachRequest(read, q, n, func(t *audit.Request) error {
		if t.Undecided && t.Summed == 0 || t.Time.Before(from) || app != "" && t.App != app {
			return nil
		}
		switch {
		case t.Summed > 0:
			out.Summed += t.Summed
		case t.Cut:
			out.Cut++
		case t.Request == nil:
		case t.Observed != nil,
			t.Was == policy.Deny && (t.Code == policy.CodeUncovered || t.Code == policy.CodeForeignAuthority):
			seen.Add(policy.Seen{Request: t.Request, Time: t.Time})
		case t.Was == policy.Deny:
			out.Ruled++
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	list := seen.List()
	if out.Requests, out.Older = len(list), seen.Dropped(); out.Requests > 0 {
		out.YAML = policy.Suggest(list)
	}
	return out, nil
}

func (c *command) printSuggested(out suggested, app string) error {
	return c.print(out, func(w io.Writer) {
		switch {
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
		if out.Ruled > 0 {
			fmt.Fprintf(w, "# %s denied by deny rules, by limits or whatever the policy says: no rule helps.\n# "+
				"`pksa policy explain NUMBER` says why.\n", wasOrWere(out.Ruled, "request"))
		}
	})
}
