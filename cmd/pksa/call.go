package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
)

// act does to keystore and ledger what a method of the agent does.
type act[P, R any] func(context.Context, agent.Admin, P) (R, error)

// administer calls a method of the running agent. If none runs it does the same itself: it unlocks
// the keystore and opens the ledger, whose lock keeps an agent from starting meanwhile.
func administer[P, R any](ctx context.Context, c *command, method string, params P, alone act[P, R]) (R, error) {
	var result R
	cfg, err := c.settings()
	if err != nil {
		return result, err
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
		return err
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

// socket returns where the agent of these settings listens.
func socket(cfg *config.Config) control.Socket {
	return control.Socket{Path: cfg.Control, Home: cfg.Home}
}
