package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/protocol"
)

// call asks the running agent, and says what to do when none runs.
func (c *command) call(ctx context.Context, method string, params, result any) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	err = control.Call(ctx, cfg.Control, method, params, result)
	if errors.Is(err, control.ErrNoAgent) {
		err = fmt.Errorf("%w with home folder %s", err, cfg.Home)
		if _, missing := os.Stat(cfg.Keystore); errors.Is(missing, fs.ErrNotExist) {
			return hint(err, "there is no wallet yet: `pksa init` makes one; another home folder is named with --home")
		}
		return hint(err, "start it with `pksa run`; another home folder is named with --home")
	}
	return err
}

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
