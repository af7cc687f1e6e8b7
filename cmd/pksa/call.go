package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"pksa/agent"
	"pksa/agent/control"
)

// administer calls a method of the running agent or, if none runs, the same act on the ledger
// itself, which takes its lock and unlocks the keystore.
func administer[P, R any](ctx context.Context, c *command, method string, params P, alone func(context.Context,
	agent.Admin, P) (R, error)) (R, error) {
	var result R
	cfg, err := c.settings()
	if err != nil {
		return result, err
	}
	err = control.Call(ctx, cfg.Control, method, params, &result)
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
