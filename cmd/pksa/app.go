package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/control"
)

func (c *command) appCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "app",
		Short: "The applications that may ask: a slot with a secret each",
		Long: `An application is known by the secret of its slot, never by the name that it gives itself.
Policies speak of slots. Give the secret to the application as its auth_req_secret (in
hive-auth-wrapper: auth_key_secret); with it the application opens sessions by itself, as
far as the policy allows auth requests.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.appAdd("add", "Make a slot and show its secret, once", agent.MethodAppAdd, agent.Admin.AddApp),
		c.appAdd("rotate", "Give a slot a new secret; its sessions go on", agent.MethodAppRotate,
			agent.Admin.RotateApp),
		c.appList(), c.appRemove())
	return cmd
}

// appAdd is `app add` and `app rotate`, which differ in what they do to the slot only.
func (c *command) appAdd(verb, short, method string, act func(agent.Admin, context.Context, string,
	string) (agent.AppInfo, error)) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  exactly(1, "the NAME of the slot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := c.secretFrom(cmd.Context(), from, "secret of the application")
			if err != nil {
				return err
			}
			info, err := administer(cmd.Context(), c, method, agent.AppParams{Name: args[0],
				Secret: control.Secret(secret)},
				func(ctx context.Context, m agent.Admin, p agent.AppParams) (agent.AppInfo, error) {
					return act(m, ctx, p.Name, string(p.Secret))
				})
			if err != nil {
				return err
			}
			if from != "" {
				info.Secret = ""
			}
			return c.print(info, func(w io.Writer) {
				fmt.Fprintf(w, "App %s is ready.\n", info.Name)
				if info.Secret != "" {
					fmt.Fprintf(w, "\n  %s\n\nThis secret is shown once. Put it into the application's "+
						"configuration as its auth_req_secret.\n", info.Secret)
				}
				fmt.Fprintf(w, "What it may do is for the policy to say: rules with `apps: [%s]`.\n", info.Name)
			})
		},
	}
	cmd.Flags().StringVar(&from, "secret", "",
		"take the secret from file:PATH, env:NAME, fd:N, command:… or prompt instead of making one")
	return cmd
}

func (c *command) appList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the slots",
		Args:  exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			apps, err := administer(cmd.Context(), c, agent.MethodAppList, struct{}{},
				func(_ context.Context, m agent.Admin, _ struct{}) ([]agent.AppInfo,
					error) {
					return m.Apps(), nil
				})
			if err != nil {
				return err
			}
			return c.print(apps, func(w io.Writer) {
				if len(apps) == 0 {
					fmt.Fprintln(w, "No apps yet. `pksa app add NAME` makes one.")
					return
				}
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "APP\tSESSIONS\tCREATED\tSECRET SINCE")
				for _, a := range apps {
					fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", a.Name, a.Sessions, when(a.Created), when(a.Rotated))
				}
				t.Flush()
			})
		},
	}
}

func (c *command) appRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a slot and end its sessions",
		Args:  exactly(1, "the NAME of the slot"),
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
