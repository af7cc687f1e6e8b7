package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pksa/agent"
)

func (c *command) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause [APP]",
		Short: "Tell each request to come again later, until resume",
		Long: `Has the wallet answer each request with "busy, try again" and carry out none,
until ` + "`pksa resume`" + `. It keeps its keys, its sessions and its place at the
relays, and finishes what was admitted before. What is refused meanwhile is used
up: the application asks anew.

With the name of an app it is the requests of this app alone, its logins too,
until ` + "`pksa resume APP`" + `.

The pause holds over restarts, and can be made while no agent runs. Status, exit
status and /readyz say that the wallet is not ready, and the audit trail has
both ends of it. A wallet of which one app is paused is ready; status names it.`,
		Args: atMostOne("APP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			app := append(args, "")[0]
			p, err := administer(cmd.Context(), c, agent.MethodPause, agent.PauseParams{App: app},
				func(ctx context.Context, a agent.Admin, p agent.PauseParams) (agent.Paused, error) {
					return a.Pause(ctx, p.App)
				})
			if err != nil {
				return err
			}
			return c.print(p, func(w io.Writer) {
				end := "pksa resume"
				if app != "" {
					end += " " + app
				}
				fmt.Fprintf(w, "%s since %s; `%s` ends it.\n",
					map[bool]string{false: "Paused", true: "Was paused already,"}[p.Already], moment(p.Since), end)
			})
		},
	}
}

func (c *command) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume [APP]",
		Short: "Serve again after pause",
		Long: `Ends the pause of the wallet, or that of one app. Apps that are paused by name
stay so when the pause of the wallet ends; ` + "`pksa status`" + ` names them.`,
		Args: atMostOne("APP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			app := append(args, "")[0]
			p, err := administer(cmd.Context(), c, agent.MethodResume, agent.PauseParams{App: app},
				func(ctx context.Context, a agent.Admin, p agent.PauseParams) (agent.Paused, error) {
					return a.Resume(ctx, p.App)
				})
			if err != nil {
				return err
			}
			return c.print(p, func(w io.Writer) {
				switch {
				case p.Already && app == "":
					fmt.Fprintln(w, "The wallet was not paused.")
				case p.Already:
					fmt.Fprintf(w, "App %s was not paused.\n", app)
				default:
					fmt.Fprintln(w, "Serves again.")
				}
			})
		},
	}
}
