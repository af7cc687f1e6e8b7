package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/protocol"
)

// answerMargin is how much longer than the wait a command listens for what the agent makes of it.
const answerMargin = 5 * time.Second

// pair hands a link to the running agent and waits for the application's request. With no agent
// running there is nobody to wait for it, so the session is made at once: an agent started before
// the request expires at the relay answers it then.
func (c *command) pair(ctx context.Context, p agent.PairParams, wait time.Duration) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	link, err := protocol.ParsePairingLink(string(p.Link))
	if err != nil {
		return hint(err, "paste the whole link, beginning with has://auth_req/")
	}
	// The agent ends the wait and says why; only an agent that says nothing is given up.
	waiting, cancel := context.WithTimeout(ctx, wait+answerMargin)
	defer cancel()
	var info agent.SessionInfo
	if !c.asJSON {
		fmt.Fprintf(c.err, "Waiting for the request of %s, at most %s …\n", link.Account, wait)
	}
	p.Wait = wait
	err = control.Call(waiting, cfg.Control, agent.MethodPair, p, &info)
	offline := errors.Is(err, control.ErrNoAgent)
	if offline {
		request := agent.SessionRequest{App: p.App, Account: string(link.Account), AuthKey: control.Secret(link.Key),
			Length: p.Length, Paired: true}
		info, err = administer(ctx, c, agent.MethodSessionAdd, request,
			func(ctx context.Context, m agent.Admin, q agent.SessionRequest) (agent.SessionInfo, error) {
				return m.AddSession(ctx, q)
			})
	}
	if err != nil {
		return err
	}
	return c.print(info, func(w io.Writer) {
		fmt.Fprintf(w, "Session %s: %s may ask for %s until %s.\n", info.ID, info.App, info.Account, when(info.Expires))
		if offline {
			fmt.Fprintln(w, "No agent runs. Start it with `pksa run` within a minute, so that the application gets "+
				"its answer.")
		}
	})
}

func (c *command) pairCommand() *cobra.Command {
	var app, length, from string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "pair --app NAME",
		Short: "Take the pairing link of a web page (what its QR code says)",
		Long: `Asks for the has://auth_req/… link that an application shows as a QR code, and makes the
session that it asks for. The link holds the key of the session: it is a secret, and is
read from the terminal or another source, never from the command line.`,
		Args: noSecrets("link"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if app == "" {
				return errUsage{fmt.Errorf("say whose session it will be: --app NAME")}
			}
			lasts, err := days(length)
			if err != nil {
				return err
			}
			link, err := c.secretFrom(cmd.Context(), from, "pairing link")
			if err != nil {
				return err
			}
			return c.pair(cmd.Context(), agent.PairParams{App: app, Link: control.Secret(link), Length: lasts}, wait)
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "the slot that the session belongs to")
	cmd.Flags().StringVar(&length, "for", "24h", "how long the session lives: 12h, 30d; at most a year")
	cmd.Flags().StringVar(&from, "link", "prompt", "where the link is: prompt, file:PATH, env:NAME, fd:N or command:…")
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for the application's request")
	return cmd
}
