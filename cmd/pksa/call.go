package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/cmd/pksa/internal/systemd"
	"pksa/keystore/access"
)

// act does to keystore and ledger what a method of the agent does.
type act[P, R any] func(context.Context, agent.Admin, P) (R, error)

// administer calls a method of the running agent. If none runs it does the same itself: it unlocks
// the keystore and opens the ledger, whose lock keeps an agent from starting meanwhile.
func administer[P, R any](ctx context.Context, c *command, method string, params P, alone act[P, R]) (R, error) {
	var result R
	cfg, err := c.settings()
	if err != nil {
		return result, c.callAllTheSame(ctx, err, method, params, &result)
	}
	err = socket(cfg).Call(ctx, method, params, &result)
	if !errors.Is(err, control.ErrNoAgent) {
		return result, err
	}
	store, err := c.offline(ctx, cfg)
	if err != nil {
		return result, err
	}
	result, err = alone(ctx, store.admin(), params)
	return result, errors.Join(err, store.close())
}

// call calls a method of the running agent. The error has a hint if none runs.
func (c *command) call(ctx context.Context, method string, params, result any) error {
	cfg, err := c.settings()
	if err != nil {
		return c.callAllTheSame(ctx, err, method, params, result)
	}
	err = socket(cfg).Call(ctx, method, params, result)
	if errors.Is(err, control.ErrNoAgent) {
		if _, missing := os.Stat(cfg.Keystore); missing != nil {
			return c.checkWallet(cfg)
		}
		return hint(fmt.Errorf("%w with home folder %s", err, cfg.Home), adviceNotRunning)
	}
	return err
}

// callAllTheSame calls a method of an agent that was started before the settings could not be read
// any more, where it is by default: a wallet has to be locked or paused, and its sessions revoked,
// at any time. If none is there, the error is the one about the settings. Where others could have
// written the settings, or could write them, nothing but the status is asked: what is in the home
// folder may be theirs, too.
func (c *command) callAllTheSame(ctx context.Context, wrong error, method string, params, result any) error {
	if method != agent.MethodStatus && errors.As(wrong, new(*access.Error)) {
		return wrong
	}
	home, err := c.homeFolder()
	if err != nil {
		return wrong
	}
	without, err := config.Parse(home, "", nil, os.Environ())
	if err != nil {
		return wrong
	}
	err = socket(without).Call(ctx, method, params, result)
	if err != nil && !errors.As(err, new(*control.Error)) {
		return wrong // nobody has answered
	}
	c.tellOfSettings(method)
	return err
}

// tellOfSettings warns of settings that cannot be used, unless the answer to the method tells.
func (c *command) tellOfSettings(method string) {
	if method != agent.MethodStatus && !c.warned {
		c.tell(systemd.Warning, "pksa: the settings have errors, and the running wallet goes on with those of before\n")
		c.warned = true
	}
}

// socket returns where the agent of these settings listens.
func socket(cfg *config.Config) control.Socket {
	return control.Socket{Path: cfg.Control, Home: cfg.Home}
}
