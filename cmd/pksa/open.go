package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/service"
	"pksa/keystore"
)

// openKeys unlocks and opens the keystore of the home folder.
func (c *command) openKeys(ctx context.Context, cfg *config.Config) (*keystore.Store, error) {
	secret, err := c.unlockSecret(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	return openStore(cfg, secret)
}

// openStore opens the keystore with the secret that unlocks it, which stays the caller's.
func openStore(cfg *config.Config, secret keystore.Secret) (*keystore.Store, error) {
	unlock, err := keystore.NewUnlock(secret)
	if err != nil {
		return nil, err
	}
	defer unlock.Wipe()
	store, err := keystore.Open(cfg.Keystore, unlock)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, hint(err, "`pksa init` makes one")
	case errors.Is(err, keystore.ErrWrongPassphrase), errors.Is(err, keystore.ErrWrongIdentity),
		errors.Is(err, keystore.ErrWrongLock):
		return nil, hint(err, "what unlocks it comes from %s, as the setting unlock or PKSA_UNLOCK says",
			unlockName(cfg.Unlock))
	case errors.Is(err, keystore.ErrDamaged):
		return nil, hint(err, "put a copy of %s back; the file was not touched", cfg.Keystore)
	}
	return store, err
}

// ledgerOptions returns those of this home folder's ledger.
func (c *command) ledgerOptions(cfg *config.Config, store *keystore.Store) ledger.Options {
	return service.LedgerOptions(cfg, store, c.logger(cfg))
}

// openLedger opens the ledger that belongs to the keystore.
func (c *command) openLedger(cfg *config.Config, store *keystore.Store) (*ledger.Ledger, error) {
	l, err := ledger.Open(cfg.Ledger, c.ledgerOptions(cfg, store))
	if err != nil {
		return nil, ledgerHint(cfg.Ledger, err)
	}
	return l, nil
}

// ledgerHint adds to an error of the ledger what can be done about it.
func ledgerHint(path string, err error) error {
	reason := err
	err = namedLedger(path, err)
	switch {
	case errors.Is(reason, ledger.ErrMissing):
		return hint(err, "restore it from a backup; or start a new one with `pksa ledger new`, which forgets all "+
			"sessions and what was answered before")
	case errors.Is(reason, ledger.ErrRestored):
		return hint(err, "if you restored it on purpose, `pksa ledger accept` goes on with it; `pksa ledger "+
			"accept --help` says what happens to sessions")
	case errors.Is(reason, ledger.ErrLocked):
		return hint(err, "another pksa is running with this home folder; stop it first")
	case errors.Is(reason, ledger.ErrExists):
		return hint(err, "nothing was changed; `pksa ledger new` is for a ledger that is gone")
	case errors.Is(reason, ledger.ErrOther):
		return hint(err, "ledger and keystore belong together: put both back from the same copy")
	case errors.Is(reason, ledger.ErrDamaged):
		return hint(err, "restore it and its .mark file from a backup, then `pksa ledger accept`")
	}
	return err
}

// namedLedger adds the path of the ledger to an error, unless the error names it.
func namedLedger(path string, err error) error {
	switch text, quoted := err.Error(), strconv.Quote(path); {
	case strings.HasPrefix(text, quoted):
		return fmt.Errorf("ledger %w", err)
	case strings.Contains(text, quoted):
		return err
	}
	return fmt.Errorf("ledger %q: %w", path, err)
}

// offline is keystore and ledger of the home folder while no agent is running.
type offline struct {
	keys   *keystore.Store
	ledger *ledger.Ledger
}

func (c *command) offline(ctx context.Context, cfg *config.Config) (*offline, error) {
	keys, err := c.openKeys(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l, err := c.openLedger(cfg, keys)
	if err != nil {
		keys.Close()
		return nil, err
	}
	return &offline{keys, l}, nil
}

func (o *offline) admin() agent.Admin { return agent.Admin{Ledger: o.ledger, Keys: o.keys} }

// close closes the ledger first: it is sealed by a key of the keystore.
func (o *offline) close() error {
	err := o.ledger.Close()
	o.keys.Close()
	return err
}
