package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

func (c *command) sessionCommand() *cobra.Command {
	return groupCommand("session", "Add, list, revoke, release and forget sessions",
		`A session lets an application ask for an account until a time. Applications make
sessions by auth requests, as far as the policy allows it; "session add" and
"pair" make one by hand.`,
		c.sessionAdd(), c.sessionList(), c.sessionRevoke(), c.sessionRelease(), c.sessionForget())
}

func (c *command) sessionAdd() *cobra.Command {
	var app, length, from string
	cmd := &cobra.Command{
		Use:   "add ACCOUNT --app NAME",
		Short: "Make a session by hand and show its auth_key, once",
		Long: `Makes a session without an auth request. You give the auth_key to the
application yourself, and that is the approval: it needs no rule for auth
requests. The policy decides what the session may ask for.`,
		Args: one("the ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if app == "" {
				return errUsage{fmt.Errorf("name the app of the session: --app NAME")}
			}
			lasts, err := days(length)
			if err != nil {
				return err
			}
			if _, err := c.wallet(); err != nil {
				return err
			}
			key, err := c.secretFrom(cmd.Context(), from, "auth_key")
			if err != nil {
				return err
			}
			request := agent.SessionRequest{App: app, Account: args[0], AuthKey: control.Secret(key), Length: lasts}
			info, err := administer(cmd.Context(), c, agent.MethodSessionAdd, request,
				func(ctx context.Context, m agent.Admin, q agent.SessionRequest) (agent.SessionInfo, error) {
					return m.AddSession(ctx, q)
				})
			if err != nil {
				return err
			}
			return c.print(info, func(w io.Writer) {
				printSession(w, info)
				if info.AuthKey != "" {
					fmt.Fprintf(w, "\n  %s\n\nThis auth_key is shown once. Give it to the application as the key of "+
						"its session.\n", string(info.AuthKey))
				}
			})
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "`name` of the app that the session belongs to")
	cmd.Flags().StringVar(&length, "for", "24h", "`duration` of the session: 12h, 30d; at most a year")
	cmd.Flags().StringVar(&from, "key", "",
		"`source` of the auth_key, instead of making one: file:PATH, env:NAME, fd:N, command:… or prompt")
	return cmd
}

// printSession prints what a session allows, and whether it was there before.
func printSession(w io.Writer, info agent.SessionInfo) {
	fmt.Fprintf(w, "Session %s: %s may ask for %s until %s.\n", info.ID, info.App, info.Account, when(info.Expires))
	if info.Already {
		fmt.Fprintln(w, "It was made before with this key; nothing was changed.")
	}
}

func (c *command) sessionList() *cobra.Command {
	var chosen sessionFilter
	var ended bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the live sessions, or those that have ended",
		Long: `Lists the live sessions. With --ended it lists those of which something is left:
for 30 days, and at most 32 an app and account, a request in an ended session is
answered with "session expired", so that its application logs in again.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := chosen.check(); err != nil {
				return err
			}
			if ended {
				return c.listEnded(cmd, chosen)
			}
			known := c.namesOfAgent
			sessions, err := allSessions(func(q agent.SessionsParams) ([]agent.SessionInfo, error) {
				return administer(cmd.Context(), c, agent.MethodSessionList, q,
					func(_ context.Context, m agent.Admin, _ agent.SessionsParams) ([]agent.SessionInfo, error) {
						apps, accounts := namesIn(m)
						known = func(context.Context) (_, _ []string, err error) { return apps, accounts, nil }
						return m.Sessions(), nil
					})
			}, liveEntry)
			if err != nil {
				return err
			}
			some := chosen.of(sessions)
			if err := chosen.unknown(cmd.Context(), len(some), known); err != nil {
				return err
			}
			return c.print(some, func(w io.Writer) {
				if len(some) == 0 && len(sessions) > 0 {
					fmt.Fprintf(w, "No session fits, of %s.\n", sessionsText(sessions))
					return
				}
				printSessions(w, some)
			})
		},
	}
	chosen.add(cmd)
	cmd.Flags().BoolVar(&ended, "ended", false, "list the sessions that have ended, by number")
	return cmd
}

// allSessions reads all pages of a list of sessions. A page may hold sessions that were read
// before: it comes from the ledger if the agent has ended in between, and that has no pages.
func allSessions[T any](page func(agent.SessionsParams) ([]T, error),
	entry func(*T) (ledger.SessionID, *int)) ([]T, error) {
	all := []T{}
	for q := (agent.SessionsParams{}); ; {
		got, err := page(q)
		if err != nil {
			return nil, err
		}
		before, more := q.After, 0
		for i := range got {
			id, beyond := entry(&got[i])
			if id <= before {
				continue
			}
			more, *beyond = *beyond, 0
			q.After = max(q.After, id)
			all = append(all, got[i])
		}
		if more == 0 {
			return all, nil
		}
	}
}

// liveEntry returns what [allSessions] needs of a session.
func liveEntry(s *agent.SessionInfo) (ledger.SessionID, *int) { return s.ID, &s.More }

// sessionOrders are the orders in which sessions can be listed.
var sessionOrders = map[string]func(a, b agent.SessionInfo) int{
	"number":  func(a, b agent.SessionInfo) int { return cmp.Compare(a.ID, b.ID) },
	"account": func(a, b agent.SessionInfo) int { return strings.Compare(a.Account, b.Account) },
	"app":     func(a, b agent.SessionInfo) int { return strings.Compare(a.App, b.App) },
	"until":   func(a, b agent.SessionInfo) int { return a.Expires.Compare(b.Expires) },
	"used":    func(a, b agent.SessionInfo) int { return b.LastUsed.Compare(a.LastUsed) }, // the latest first
}

// sessionFilter is which sessions are listed, and in which order.
type sessionFilter struct{ app, account, order string }

func (f *sessionFilter) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.app, "app", "", "only sessions of the app of this `name`")
	flags.StringVar(&f.account, "account", "", "only sessions of the account of this `name`")
	flags.StringVar(&f.order, "order", "number", "`order`: number, account, app, until, or used (the latest first)")
}

func (f *sessionFilter) check() error {
	if orders := slices.Sorted(maps.Keys(sessionOrders)); !slices.Contains(orders, f.order) {
		return errUsage{unknownValue("--order", f.order, orders)}
	}
	return nil
}

// unknown returns an error if no session fits because the wallet has no such app or account:
// somebody who made a typing error must not read that there is no session. known returns the names.
func (f *sessionFilter) unknown(ctx context.Context, fitting int,
	known func(context.Context) (apps, accounts []string, err error)) error {
	if fitting > 0 || f.app == "" && f.account == "" {
		return nil
	}
	apps, accounts, err := known(ctx)
	if err != nil {
		return err
	}
	return refuseUnknown(f.app, apps, f.account, accounts)
}

// of returns the sessions that fit, in the order.
func (f *sessionFilter) of(sessions []agent.SessionInfo) []agent.SessionInfo {
	some := []agent.SessionInfo{} // a list in JSON, too
	for _, s := range sessions {
		if (f.app == "" || f.app == s.App) && (f.account == "" || f.account == s.Account) {
			some = append(some, s)
		}
	}
	sorts.Stable(some, sessionOrders[f.order])
	return some
}

func printSessions(w io.Writer, sessions []agent.SessionInfo) {
	if len(sessions) == 0 {
		fmt.Fprintln(w, "No sessions. Applications make them by auth requests; `pksa session add ACCOUNT --app NAME` "+
			"and `pksa pair --app NAME` make one by hand.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SESSION\tACCOUNT\tAPP\tMADE\tUNTIL\tLAST USED")
	for _, s := range sessions {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Account, s.App, s.Origin, when(s.Expires), lastUsed(s))
	}
	t.Flush()
	fmt.Fprintf(w, "%s\n", sessionsText(sessions))
	for _, s := range sessions {
		if s.Claim != "" && s.Claim != s.App {
			fmt.Fprintf(w, "Session %s calls itself %s.\n", s.ID, plain.QuoteRunes(s.Claim, 64))
		}
		for _, q := range s.Quiet {
			fmt.Fprintf(w, "%s `pksa session release %s` ends that.\n", quarantineText(q), s.ID)
		}
	}
}

// lastUsed returns when the session took its last request. Until the first one, the ledger has the
// time at which the session was made.
func lastUsed(s agent.SessionInfo) string {
	if !s.LastUsed.After(s.Created) {
		return "-"
	}
	return when(s.LastUsed)
}

// sessionID reads the number of a session.
func sessionID(text string) (ledger.SessionID, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, errUsage{fmt.Errorf("%q is no session; `pksa session list` shows their numbers", text)}
	}
	return ledger.SessionID(n), nil
}

func (c *command) sessionRelease() *cobra.Command {
	var app string
	cmd := &cobra.Command{
		Use:   "release SESSION | --app NAME",
		Short: "Let a session listen again to the relays that it ignores",
		Long: `A relay that sends a session too many damaged requests or replays is ignored for
that session for a while (quarantine). This ends the quarantine now.

With --app, the logins of that app are meant for which there is no session yet.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if app != "" {
				return noArguments(cmd, args)
			}
			return one("the number of the SESSION, or --app NAME")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			params, shown := agent.ListenParams{App: app}, map[string]any{"app": app}
			text := "Logins of app " + app + " are heard from all relays again."
			if app == "" {
				id, err := sessionID(args[0])
				if err != nil {
					return err
				}
				params.ID, shown = id, map[string]any{"session": id}
				text = fmt.Sprintf("Session %s listens to all relays again.", id)
			}
			if err := c.call(cmd.Context(), agent.MethodRelease, params, nil); err != nil {
				return err
			}
			return c.print(shown, func(w io.Writer) { fmt.Fprintln(w, text) })
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "the logins of the app of this `name` that have no session yet")
	return cmd
}
