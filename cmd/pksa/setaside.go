package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/keystore"
)

// asideLayout is how the moment is written in the name of a file that was set aside.
const asideLayout = "20060102T150405Z"

// aside is files that got another name, because nothing here can read them any more. They are all
// kept: a copy of what opens them may turn up.
type aside struct {
	from, to []string
}

// setAside renames each file that exists, to a name that says when it was set aside. It sets all
// aside or none.
func setAside(paths []string, now time.Time) (*aside, error) {
	a, ending := new(aside), freeEnding(paths, now)
	for _, path := range paths {
		if !is(path) {
			continue
		}
		to := path + ending
		if err := os.Rename(path, to); err != nil {
			return nil, errors.Join(err, a.undo())
		}
		a.from, a.to = append(a.from, path), append(a.to, to)
	}
	return a, nil
}

// freeEnding returns what is put behind the names, the same for all. Two that are set aside in one
// second differ by a number.
func freeEnding(paths []string, now time.Time) string {
	first := ".aside-" + now.UTC().Format(asideLayout)
	taken := func(ending string) bool {
		return slices.ContainsFunc(paths, func(path string) bool { return is(path + ending) })
	}
	ending := first
	for n := 2; taken(ending); n++ {
		ending = fmt.Sprintf("%s-%d", first, n)
	}
	return ending
}

// undo renames the files back.
func (a *aside) undo() error {
	var errs []error
	for i := range a.from {
		errs = append(errs, os.Rename(a.to[i], a.from[i]))
	}
	a.from, a.to = nil, nil
	return errors.Join(errs...)
}

// setAsideWallet sets keystore and ledger of a wallet aside that cannot be opened any more. It
// refuses one that can be.
func (c *command) setAsideWallet(ctx context.Context, cfg *config.Config) (*aside, error) {
	if err := c.checkStopped(ctx, cfg); err != nil {
		return nil, err
	}
	paths := append([]string{cfg.Keystore}, ledgerFiles(cfg)...)
	if is(cfg.Keystore) && cfg.Unlock != "prompt" { // who has lost a passphrase cannot type it
		switch err := c.checkLost(ctx, cfg); {
		case errors.Is(err, errIdentityUnreadable):
			path, _ := identityPath(cfg.Unlock)
			paths = append(paths, path)
		case err != nil:
			return nil, err
		}
	}
	if err := c.sure(ctx, fmt.Sprintf("Set the keys and the ledger in %s aside, and begin anew?",
		cfg.Home)); err != nil {
		return nil, err
	}
	return setAside(paths, time.Now())
}

// errIdentityUnreadable means that the file of the identity holds none.
var errIdentityUnreadable = errors.New("no identity stands there")

// checkLost returns an error unless the keystore cannot be opened because it, or what opens it, is
// lost. Whatever else is wrong may be mended.
func (c *command) checkLost(ctx context.Context, cfg *config.Config) error {
	if err := c.checkWallet(cfg); errors.Is(err, errOpenerElsewhere) {
		return err
	} else if err != nil {
		return nil // what opens it is missing
	}
	secret, err := c.unlockSecret(ctx, cfg)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	if _, isIdentity := identityPath(cfg.Unlock); isIdentity {
		if _, err := keystore.NewUnlock(secret); err != nil || !keystore.HoldsIdentity(secret) {
			return errIdentityUnreadable
		}
	}
	store, err := c.openStore(ctx, cfg, secret)
	switch {
	case err == nil:
		store.Close()
		return hint(fmt.Errorf("keystore %s can be opened; nothing was changed", cfg.Keystore), adviceNotLost)
	case errors.Is(err, keystore.ErrWrongPassphrase), errors.Is(err, keystore.ErrWrongIdentity),
		errors.Is(err, keystore.ErrWrongLock), errors.Is(err, keystore.ErrDamaged):
		return nil
	}
	return err
}

// checkStopped refuses to go on while an agent is running.
func (c *command) checkStopped(ctx context.Context, cfg *config.Config) error {
	err := socket(cfg).Call(ctx, agent.MethodStatus, struct{}{}, nil)
	if errors.Is(err, control.ErrNoAgent) {
		return nil
	}
	return hint(errors.Join(fmt.Errorf("an agent is running with home folder %s", cfg.Home), err), adviceLedgerLocked)
}

// setAsideLedger sets a ledger aside that cannot be read any more. It refuses one that can be.
func (c *command) setAsideLedger(ctx context.Context, cfg *config.Config, o ledger.Options) (*aside, error) {
	if err := c.checkStopped(ctx, cfg); err != nil {
		return nil, err
	}
	if cfg.Database != "" {
		return nil, hint(fmt.Errorf("the ledger is in the database %s; nothing was changed", cfg.Database),
			adviceLedgerDatabase)
	}
	l, err := ledger.Open(cfg.Ledger, o)
	switch {
	case err == nil:
		return nil, errors.Join(hint(fmt.Errorf("ledger %s can be read; nothing was changed", cfg.LedgerPlace()),
			adviceNotLost),
			l.Close())
	case errors.Is(err, ledger.ErrMissing), errors.Is(err, ledger.ErrDamaged), errors.Is(err, ledger.ErrOther):
	default:
		return nil, ledgerHint(cfg.LedgerPlace(), err)
	}
	if err := c.sure(ctx, fmt.Sprintf("Set the ledger %s aside, and begin with an empty one?",
		cfg.Ledger)); err != nil {
		return nil, err
	}
	return setAside(ledgerFiles(cfg), time.Now())
}

// names returns the new names of what was set aside, a list in JSON, too.
func (a *aside) names() []string {
	names := []string{}
	if a != nil {
		for _, path := range a.to {
			names = append(names, filepath.Clean(path))
		}
	}
	return names
}
