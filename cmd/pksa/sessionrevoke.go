package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/ledger"
)

func (c *command) sessionRevoke() *cobra.Command {
	var p agent.RevokeParams
	var older string
	var yes bool
	cmd := &cobra.Command{
		Use:   "revoke [SESSION…]",
		Short: "End sessions; their auth_keys never make sessions again",
		Long: `Ends the sessions with the numbers, or those that fit all of --app, --account
and --older, or --all. On a terminal it asks before it ends them. After the
theft of an application's secret, "pksa app rotate NAME --end-sessions" ends
its sessions and its secret together. A number that no live session has is an
error, also when that session ended before: behind a wrong number the session
that was meant would go on.

A later request in such a session is answered with "session expired". --quiet
leaves nothing that answers: for a session that lives in another wallet now.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			for _, arg := range args {
				id, err := sessionID(arg)
				if err != nil {
					return err
				}
				p.IDs = append(p.IDs, id)
			}
			if older != "" {
				if p.Older, err = days(older); err != nil {
					return err
				}
			}
			if err := p.Check(); err != nil {
				return errUsage{err}
			}
			return c.revoke(cmd.Context(), p, yes)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.App, "app", "", "end the sessions of the app of this `name`")
	flags.StringVar(&p.Account, "account", "", "end the sessions of the account of this `name`")
	flags.StringVar(&older, "older", "",
		"end the sessions that were made longer ago than this `length` of time: 12h, 30d")
	flags.BoolVar(&p.All, "all", false, "end all sessions")
	flags.BoolVar(&p.Quiet, "quiet", false, "do not tell the applications later that the sessions have ended")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// revoke ends sessions, after a person at the terminal has seen how many.
func (c *command) revoke(ctx context.Context, p agent.RevokeParams, yes bool) error {
	sure := func(sessions []agent.SessionInfo) error {
		if chosen := p.Choose(sessions); !yes && len(chosen) > 0 {
			return c.sure(ctx, fmt.Sprintf("End %s? Their auth_keys never make sessions again.", sessionsText(chosen)))
		}
		return nil
	}
	if cfg, err := c.settings(); err == nil && !yes && c.terminal() {
		// Without an agent it is asked below, when the ledger is open.
		sessions, err := allSessions(func(q agent.SessionsParams) (page []agent.SessionInfo, err error) {
			err = socket(cfg).Call(ctx, agent.MethodSessionList, q, &page)
			return page, err
		}, liveEntry)
		if err == nil {
			if err := sure(sessions); err != nil {
				return err
			}
			// The agent cannot ask, so the answer stands before the call. sure must not ask again
			// if the agent has ended in between.
			yes = true
		}
	}
	if len(p.IDs) == 1 && !p.Quiet {
		return c.revokeOne(ctx, p.IDs[0], sure)
	}
	done, err := administer(ctx, c, agent.MethodEndSessions, p,
		func(ctx context.Context, m agent.Admin, p agent.RevokeParams) (agent.Revoked, error) {
			if err := sure(m.Sessions()); err != nil {
				return agent.Revoked{}, err
			}
			return m.EndSessions(ctx, p)
		})
	if err != nil {
		return err
	}
	if err := c.print(done, func(w io.Writer) { printRevoked(w, done) }); err != nil {
		return err
	}
	if len(done.Missing) == 0 {
		return nil
	}
	var missing []string
	for _, id := range done.Missing {
		missing = append(missing, id.String())
	}
	err = fmt.Errorf("there is no live session %s", strings.Join(missing, ", "))
	switch {
	case len(done.HadEnded) > 0 && p.Quiet:
		return hint(err, adviceForget, done.HadEnded[0], done.HadEnded[0])
	case len(done.HadEnded) > 0:
		return hint(err, adviceEnded, done.HadEnded[0])
	case len(done.Ended) == 0:
		return hint(err, adviceSessions)
	}
	return hint(err, adviceNoSession)
}

// revokeOne ends one session. It calls the method that agents had from the beginning.
func (c *command) revokeOne(ctx context.Context, id ledger.SessionID, sure func([]agent.SessionInfo) error) error {
	info, err := administer(ctx, c, agent.MethodRevoke, agent.SessionParams{ID: id},
		func(ctx context.Context, m agent.Admin, p agent.SessionParams) (agent.SessionInfo, error) {
			if err := sure(m.Sessions()); err != nil {
				return agent.SessionInfo{}, err
			}
			return m.RevokeSession(ctx, p.ID)
		})
	if err != nil {
		return err
	}
	return c.print(info, func(w io.Writer) {
		fmt.Fprintf(w, "Session %s of %s for %s is ended.\n", info.ID, info.App, info.Account)
	})
}

// printRevoked prints what ended, one line each.
func printRevoked(w io.Writer, done agent.Revoked) {
	if len(done.Ended) == 0 {
		fmt.Fprintln(w, "No live session fits; nothing was ended.")
		return
	}
	for _, s := range done.Ended {
		fmt.Fprintf(w, "Session %s of %s for %s is ended.\n", s.ID, s.App, s.Account)
	}
	fmt.Fprintf(w, "Ended: %s.\n", sessionsText(done.Ended))
}

// sessionsText returns how many sessions there are, and of which apps.
func sessionsText(sessions []agent.SessionInfo) string {
	apps := map[string]int{}
	for _, s := range sessions {
		apps[s.App]++
	}
	var words []string
	for _, app := range slices.Sorted(maps.Keys(apps)) {
		words = append(words, fmt.Sprintf("%d of %s", apps[app], app))
	}
	return fmt.Sprintf("%s (%s)", count(len(sessions), "session"), strings.Join(words, ", "))
}

// errDeclined is the answer no to a question at the terminal.
var errDeclined = errors.New("nothing was changed, as you answered")
