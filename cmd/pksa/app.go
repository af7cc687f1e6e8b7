package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/control"
)

func (c *command) appCommand() *cobra.Command {
	return groupCommand("app", "Add, change, list and remove applications",
		`An app is an application that may ask. It is known by its secret, never by the
name that it gives itself, and policies name it. Give the secret to the
application as its auth_req_secret (in hive-auth-wrapper: auth_key_secret). With
it the application opens sessions by itself, as far as the policy allows it.`,
		c.appAdd(), c.appRotate(), c.appAnswers(), c.appList(), c.appRemove())
}

func (c *command) appAdd() *cobra.Command {
	var params agent.AppParams
	cmd := c.appSecret("add NAME", "Add an application and show its secret, once", agent.MethodAppAdd, &params,
		func(ctx context.Context, m agent.Admin, p agent.AppParams) (agent.AppInfo, error) {
			return m.AddApp(ctx, p.Name, string(p.Secret), p.Answers)
		})
	cmd.Flags().StringVar(&params.Answers, "answers", "",
		"`form` of refusals and failures: nack, the usual one, or documented; see `pksa app answers --help`")
	return cmd
}

func (c *command) appAnswers() *cobra.Command {
	return &cobra.Command{
		Use:   "answers NAME nack|documented",
		Short: "Change the form in which an application hears refusals",
		Long: `The form in which an application hears what is refused, or has failed for
certain. nack is the usual one: a *_nack with a plain reason, on which the
libraries in use act. documented is for an application that reads the *_err of
the protocol's pages: an auth_err says "authentication failed", sign_err and
challenge_err have the reason sealed, so that the relay does not read it.
It holds at once, for sessions that were made before, too. The secret stays.`,
		Args: two("the NAME of the app and the form of its answers, nack or documented"),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := administer(cmd.Context(), c, agent.MethodAppAnswers,
				agent.AppParams{Name: args[0], Answers: args[1]},
				func(ctx context.Context, m agent.Admin, p agent.AppParams) (agent.AppInfo, error) {
					return m.SetAnswers(ctx, p.Name, p.Answers)
				})
			if err != nil {
				return err
			}
			return c.print(info, func(w io.Writer) {
				fmt.Fprintf(w, "App %s gets %s answers from now on.\n", info.Name, info.Answers)
			})
		},
	}
}

func (c *command) appRotate() *cobra.Command {
	var params agent.AppParams
	cmd := c.appSecret("rotate NAME", "Give an application a new secret", agent.MethodAppRotate, &params,
		func(ctx context.Context, m agent.Admin, p agent.AppParams) (agent.AppInfo, error) {
			return m.RotateApp(ctx, p.Name, string(p.Secret), p.EndSessions)
		})
	cmd.Long = `The old secret makes no new session from now on. Sessions that were made with it
go on: each has a key of its own. If the secret was stolen, --end-sessions ends
all sessions of the application, however they were made, in the same commit, and
their keys never make sessions again.`
	cmd.Flags().BoolVar(&params.EndSessions, "end-sessions", false, "end all sessions of the application, too")
	return cmd
}

// appSecret returns a command that gives an app a secret: `app add` or `app rotate`. params holds
// what flags of the command set.
func (c *command) appSecret(use, short, method string, params *agent.AppParams,
	alone act[agent.AppParams, agent.AppInfo]) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  one("the NAME of the app"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := agent.CheckAppName(args[0]); err != nil {
				return err // before a person types a secret for it
			}
			if _, err := c.wallet(); err != nil {
				return err
			}
			secret, err := c.secretFrom(cmd.Context(), from, "secret of the application")
			if err != nil {
				return err
			}
			params.Name, params.Secret = args[0], control.Secret(secret)
			info, err := administer(cmd.Context(), c, method, *params, alone)
			if err != nil {
				return err
			}
			if from != "" {
				info.Secret = "" // who gave it knows it
			} else if info.Secret == "" {
				return errors.New("the answer of the agent has no secret for the application: nothing is known to " +
					"be done")
			}
			return c.print(info, func(w io.Writer) { printApp(w, info) })
		},
	}
	cmd.Flags().StringVar(&from, "secret", "",
		"`source` of the secret, instead of making one: file:PATH, env:NAME, fd:N, command:… or prompt")
	return cmd
}

func printApp(w io.Writer, info agent.AppInfo) {
	if info.Already {
		fmt.Fprintf(w, "App %s is there already, with this secret; nothing was changed.\n", info.Name)
		if info.SameSecretAs != "" {
			fmt.Fprintln(w, sameSecretText(info.Name, info.SameSecretAs))
		}
		return
	}
	fmt.Fprintf(w, "App %s is ready.\n", info.Name)
	if info.Secret != "" {
		fmt.Fprintf(w, "\n  %s\n\nThis secret is shown once. Put it into the application's configuration as its "+
			"auth_req_secret.\n", string(info.Secret))
	}
	switch {
	case info.Ended > 0:
		fmt.Fprintf(w, "Its sessions are ended: %d.\n", info.Ended)
	case info.Sessions > 0:
		fmt.Fprintf(w, "Sessions that were made before go on, each with its own key: %d. If the old secret was "+
			"stolen,\nend them with `pksa session revoke --app %s`.\n", info.Sessions, info.Name)
	}
	fmt.Fprintf(w, "The policy decides what it may do: write rules with `apps: [%s]`.\n", info.Name)
}

func (c *command) appList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the applications",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			apps, err := administer(cmd.Context(), c, agent.MethodAppList, struct{}{},
				func(_ context.Context, m agent.Admin, _ struct{}) ([]agent.AppInfo, error) { return m.Apps(), nil })
			if err != nil {
				return err
			}
			return c.print(apps, func(w io.Writer) {
				if len(apps) == 0 {
					fmt.Fprintln(w, "No apps yet. `pksa app add NAME` makes one.")
					return
				}
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "APP\tSESSIONS\tCREATED\tSECRET SINCE\tANSWERS")
				for _, a := range apps {
					fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", a.Name, a.Sessions, when(a.Created), when(a.Rotated),
						a.Answers)
				}
				t.Flush()
				for _, a := range apps {
					if !a.Paused.IsZero() {
						fmt.Fprintf(w, "App %s is paused since %s, until `pksa resume %s`.\n", a.Name, moment(a.Paused),
							a.Name)
					}
					if a.SameSecretAs != "" {
						fmt.Fprintln(w, sameSecretText(a.Name, a.SameSecretAs))
					}
				}
			})
		},
	}
}

// sameSecretText explains why an app is disabled, and what ends that.
func sameSecretText(app, other string) string {
	return fmt.Sprintf("App %s is disabled: app %s has the same secret, and a secret names one app. "+
		"`pksa app rotate %s` gives it\na secret of its own; or rotate %s, if %s shall keep this one.",
		app, other, app, other, app)
}

func (c *command) appRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an application and end its sessions",
		Long: `Ends the secret and all sessions of an application. A name that no app has is an
error, also when the app was removed before: behind a misspelt name the
application would go on.`,
		Args: one("the NAME of the app"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ended, err := administer(cmd.Context(), c, agent.MethodAppRemove, agent.AppParams{Name: args[0]},
				func(ctx context.Context, m agent.Admin, p agent.AppParams) (int, error) {
					return m.RemoveApp(ctx, p.Name)
				})
			if err != nil {
				return err
			}
			result := map[string]any{"app": args[0], "sessions_ended": ended}
			return c.print(result, func(w io.Writer) {
				if ended == 0 {
					fmt.Fprintf(w, "App %s is gone. It had no sessions.\n", args[0])
					return
				}
				fmt.Fprintf(w, "App %s is gone, and its %s with it.\n", args[0], count(ended, "session"))
			})
		},
	}
}
