package main

import (
	"context"
	"errors"
	"fmt"
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
	store, secret, err := c.unlock(ctx, cfg)
	secret.Wipe()
	return store, err
}

// passphraseTries is how often a person is asked for the passphrase.
const passphraseTries = 3

// unlock opens the keystore of the home folder. The secret is what opened it, and is the caller's.
func (c *command) unlock(ctx context.Context, cfg *config.Config) (*keystore.Store, keystore.Secret, error) {
	if err := c.checkWallet(cfg); err != nil {
		return nil, keystore.Secret{}, err
	}
	for try := 1; ; try++ {
		secret, err := c.unlockSecret(ctx, cfg)
		if err != nil {
			return nil, keystore.Secret{}, err
		}
		store, err := c.openStore(ctx, cfg, secret)
		if err == nil {
			return store, secret, nil
		}
		secret.Wipe()
		if cfg.Unlock != "prompt" || !errors.Is(err, keystore.ErrWrongPassphrase) || try == passphraseTries {
			return nil, keystore.Secret{}, err
		}
		fmt.Fprintln(c.err, "pksa: wrong passphrase, try again")
	}
}

// openStore opens the keystore with the secret that unlocks it, which stays the caller's.
func (c *command) openStore(ctx context.Context, cfg *config.Config, secret keystore.Secret) (*keystore.Store,
	error) {
	unlock, err := c.unlockOf(ctx, secret)
	if err != nil {
		return nil, hint(fmt.Errorf("what %s delivers opens no keystore: %w", unlockName(cfg.Unlock), err),
			adviceOpenerBad)
	}
	defer unlock.Wipe()
	store, err := keystore.Open(cfg.Keystore, unlock)
	switch {
	case errors.Is(err, keystore.ErrWrongPassphrase), errors.Is(err, keystore.ErrWrongIdentity),
		errors.Is(err, keystore.ErrWrongLock):
		return nil, hint(err, adviceUnlock, unlockName(cfg.Unlock))
	case errors.Is(err, keystore.ErrDamaged):
		return nil, hint(err, adviceKeystore)
	case err != nil:
		return nil, c.wrongUser(cfg.Home, err)
	}
	return store, nil
}

// ledgerOptions returns those of this home folder's ledger.
func (c *command) ledgerOptions(cfg *config.Config, store *keystore.Store) ledger.Options {
	return service.LedgerOptions(cfg, store, c.logger(cfg))
}

// openLedger opens the ledger that belongs to the keystore.
func (c *command) openLedger(cfg *config.Config, store *keystore.Store) (*ledger.Ledger, error) {
	l, err := ledger.Open(cfg.Ledger, c.ledgerOptions(cfg, store))
	if err != nil {
		return nil, ledgerHint(cfg.LedgerPlace(), err)
	}
	return l, nil
}

// ledgerHint adds to an error of the ledger what can be done about it.
func ledgerHint(place string, err error) error {
	reason := err
	err = namedLedger(place, err)
	if strings.HasPrefix(place, "postgres://") {
		switch {
		case errors.Is(reason, ledger.ErrMissing) && !errors.Is(reason, ledger.ErrElsewhere):
			return hint(err, adviceDatabaseEmpty)
		case errors.Is(reason, ledger.ErrLocked):
			return hint(err, adviceDatabaseLocked)
		case errors.Is(reason, ledger.ErrOther):
			return hint(err, adviceLedgerDatabase)
		case errors.As(reason, new(*ledger.LossError)):
			return hint(err, adviceDatabaseLoss)
		}
	}
	switch {
	case errors.Is(reason, ledger.ErrElsewhere):
		return hint(err, adviceLedgerElsewhere)
	case errors.Is(reason, ledger.ErrMissing):
		return hint(err, adviceLedgerLost)
	case errors.Is(reason, ledger.ErrMark):
		return hint(err, adviceLedgerMark)
	case errors.Is(reason, ledger.ErrRestored):
		return hint(err, adviceLedgerRestored)
	case errors.Is(reason, ledger.ErrLocked):
		return hint(err, adviceLedgerLocked)
	case errors.Is(reason, ledger.ErrExists):
		return hint(err, adviceLedgerExists)
	case errors.Is(reason, ledger.ErrOther):
		return hint(err, adviceLedgerOther)
	case errors.As(reason, new(*ledger.LossError)):
		return hint(err, adviceLedgerLoss)
	case errors.As(reason, new(*ledger.ValueError)):
		return hint(err, adviceLedgerValue)
	case errors.Is(reason, ledger.ErrDamaged):
		return hint(err, adviceLedgerDamaged)
	}
	return err
}

// namedLedger adds the place of the ledger to an error, unless the error names it.
func namedLedger(place string, err error) error {
	switch text, quoted := err.Error(), strconv.Quote(place); {
	case strings.HasPrefix(text, quoted), strings.HasPrefix(text, place):
		return fmt.Errorf("ledger %w", err)
	case strings.Contains(text, quoted), strings.Contains(text, place):
		return err
	}
	return fmt.Errorf("ledger %q: %w", place, err)
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
