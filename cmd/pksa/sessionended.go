package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/ledger"
)

// listEnded prints the ended sessions of which something is left.
func (c *command) listEnded(cmd *cobra.Command, chosen sessionFilter) error {
	known := c.namesOfAgent
	all, err := allSessions(func(q agent.SessionsParams) ([]agent.EndedInfo, error) {
		return administer(cmd.Context(), c, agent.MethodEndedList, q,
			func(_ context.Context, m agent.Admin, _ agent.SessionsParams) ([]agent.EndedInfo, error) {
				apps, accounts := namesIn(m)
				known = func(context.Context) (_, _ []string, err error) { return apps, accounts, nil }
				return m.EndedSessions(), nil
			})
	}, func(s *agent.EndedInfo) (ledger.SessionID, *int) { return s.ID, &s.More })
	if err != nil {
		return err
	}
	some := []agent.EndedInfo{} // a list in JSON, too
	for _, s := range all {
		if (chosen.app == "" || chosen.app == s.App) && (chosen.account == "" || chosen.account == s.Account) {
			some = append(some, s)
		}
	}
	if err := chosen.unknown(cmd.Context(), len(some), known); err != nil {
		return err
	}
	return c.print(some, func(w io.Writer) {
		if len(some) == 0 && len(all) > 0 {
			fmt.Fprintf(w, "No ended session fits, of %d.\n", len(all))
			return
		}
		printEnded(w, some)
	})
}

func printEnded(w io.Writer, ended []agent.EndedInfo) {
	if len(ended) == 0 {
		fmt.Fprintln(w, "No ended session is left. Those that end are kept for 30 days, at most 32 an app and account.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SESSION\tACCOUNT\tAPP\tMADE\tENDED\tHOW")
	for _, s := range ended {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Account, s.App, s.Origin, when(s.Ended), s.How)
	}
	t.Flush()
}

func (c *command) sessionForget() *cobra.Command {
	return &cobra.Command{
		Use:   "forget SESSION",
		Short: "Remove an ended session, so that nobody is told of it",
		Long: `A request in a session that has ended is answered with "session expired", for 30
days. After this it is met with silence: for a session that lives in another
wallet now. The auth_key of a revoked session makes no session again all the
same. "session list --ended" shows the numbers.`,
		Args: one("the number of the SESSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := sessionID(args[0])
			if err != nil {
				return err
			}
			info, err := administer(cmd.Context(), c, agent.MethodForget, agent.SessionParams{ID: id},
				func(ctx context.Context, m agent.Admin, p agent.SessionParams) (agent.EndedInfo, error) {
					return m.ForgetSession(ctx, p.ID)
				})
			if err != nil {
				return err
			}
			return c.print(info, func(w io.Writer) {
				fmt.Fprintf(w, "Session %s of %s for %s is forgotten.\n", info.ID, info.App, info.Account)
			})
		},
	}
}
