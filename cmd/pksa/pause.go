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
		Use:   "pause",
		Short: "Tell each request to come again later, until resume",
		Long: `Has the wallet answer each request with "busy, try again" and carry out none,
until ` + "`pksa resume`" + `. It keeps its keys, its sessions and its place at the
relays, and finishes what was admitted before. What is refused meanwhile is used
up: the application asks anew.

The pause holds over restarts, and can be made while no agent runs. Status, exit
status and /readyz say that the wallet is not ready, and the audit trail has
both ends of it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := administer(cmd.Context(), c, agent.MethodPause, struct{}{},
				func(ctx context.Context, a agent.Admin, _ struct{}) (agent.Paused, error) { return a.Pause(ctx) })
			if err != nil {
				return err
			}
			return c.print(p, func(w io.Writer) {
				fmt.Fprintf(w, "%s since %s; `pksa resume` ends it.\n",
					map[bool]string{false: "Paused", true: "Was paused already,"}[p.Already], moment(p.Since))
			})
		},
	}
}

func (c *command) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Serve again after pause",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := administer(cmd.Context(), c, agent.MethodResume, struct{}{},
				func(ctx context.Context, a agent.Admin, _ struct{}) (agent.Paused, error) { return a.Resume(ctx) })
			if err != nil {
				return err
			}
			return c.print(p, func(w io.Writer) {
				if p.Already {
					fmt.Fprintln(w, "The wallet was not paused.")
					return
				}
				fmt.Fprintln(w, "Serves again.")
			})
		},
	}
}
