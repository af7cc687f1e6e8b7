package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/keystore"
	"pksa/keystore/access"
)

// keysPasswd returns passwdCommand by its name of before.
func (c *command) keysPasswd() *cobra.Command {
	cmd := c.passwdCommand()
	cmd.Short += ", as keystore passwd does"
	return cmd
}

func (c *command) passwdCommand() *cobra.Command {
	var source string
	var lost bool
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Change what opens the keystore",
		Long: `Locks the keystore anew, by another passphrase or another age identity. Without
--new a passphrase is typed, where one is typed at every start. Otherwise --new
names another source than the one that opens it now:

    pksa keystore passwd --new prompt
    pksa keystore passwd --new file:/etc/pksa/unlock.new
    pksa keystore passwd --new identity:/etc/pksa/identity.txt

An identity that is missing is made.

Set unlock in config.yaml, or PKSA_UNLOCK, to the new source afterwards. A
running agent goes on. Copies of the keystore that were made before are still
opened by what opened them: if that was stolen, change the keys on the chain.
Recipients of "pksa keystore recipients" go on opening it.

If what opens the keystore is lost while the wallet still runs, --lost lets the
running wallet lock it anew. Only root may ask for that: who reads the new file
has the keys, and nobody but root can take them out of a running wallet. The
recipients besides are dropped then.`,
		Args: noSecrets("passphrase"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lost {
				return c.relock(cmd.Context(), source)
			}
			return c.passwd(cmd.Context(), source)
		},
	}
	cmd.Flags().StringVar(&source, "new", "",
		"`source` of what will open it: prompt, file:PATH, env:NAME, credential:NAME, command:… or identity:PATH")
	cmd.Flags().BoolVar(&lost, "lost", false, "what opens it is lost: let the running wallet lock it anew; for root")
	return cmd
}

func (c *command) passwd(ctx context.Context, next string) error {
	cfg, err := c.wallet()
	if err != nil {
		return err
	}
	if next, err = newLock(cfg, next); err != nil {
		return err
	}
	if next == cfg.Unlock && next != "prompt" {
		return errUsage{fmt.Errorf("%s opens the keystore now: name another source, so that both exist until the "+
			"change is made", unlockName(next))}
	}
	store, secret, err := c.unlock(ctx, cfg)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	defer store.Close()
	var made []string
	fresh, err := c.newSecret(ctx, next, &made)
	defer fresh.Wipe()
	others := store.Others()
	if err == nil {
		err = c.changeLock(ctx, store, fresh, others)
	}
	if err != nil {
		if !errors.Is(err, keystore.ErrInDoubt) { // else the new identity may be what opens the file
			for _, path := range made {
				os.Remove(path)
			}
		}
		if errors.Is(err, keystore.ErrBadLock) && len(others) > 0 {
			err = hint(err, adviceOtherRecipients)
		}
		return err
	}
	ledger.Crashpoint("keys changed")
	// A running agent must know the file as it is now, else it could not lock it anew.
	handed := store.Handover(fresh)
	defer handed.Wipe()
	if _, err := c.letReload(ctx, cfg, handed); err != nil {
		return err
	}
	return c.printLock(cfg, next, made)
}

func (c *command) changeLock(ctx context.Context, store *keystore.Store, secret keystore.Secret,
	others []string) error {
	unlock, err := c.unlockOf(ctx, secret)
	if err != nil {
		return err
	}
	defer unlock.Wipe()
	return store.ChangeLock(unlock, others...)
}

// newSecret reads what will open the keystore. An identity that is missing is made and added to
// made, unless that is nil.
func (c *command) newSecret(ctx context.Context, next string, made *[]string) (keystore.Secret, error) {
	source, err := keystore.ParseSource(next)
	if err != nil {
		return keystore.Secret{}, errUsage{err}
	}
	path, identity := identityPath(next)
	if identity && made != nil {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if _, _, err := keystore.CreateIdentity(path); err != nil {
				return keystore.Secret{}, err
			}
			*made = append(*made, path)
		}
	}
	ask := c.prompt
	if next == "prompt" {
		ask = c.promptTwice
	}
	secret, err := source.Read(ctx, func(string) ([]byte, error) { return ask(ctx, "passphrase of the keystore") })
	switch {
	case errors.Is(err, os.ErrNotExist) && made != nil:
		return keystore.Secret{}, hint(err, adviceOpenerFirst)
	case err != nil:
		return keystore.Secret{}, err
	case identity && !keystore.HoldsIdentity(secret):
		secret.Wipe()
		return keystore.Secret{}, fmt.Errorf("%s holds no age identity: there is no line that begins with "+
			"AGE-SECRET-KEY-1 or AGE-PLUGIN-", path)
	}
	return secret, nil
}

// newLock returns the source of what will open the keystore, by the flag --new.
func newLock(cfg *config.Config, next string) (string, error) {
	if next == "" {
		next = "prompt"
		if cfg.Unlock != next {
			return "", errUsage{fmt.Errorf("name what will open the keystore: --new prompt, or another source than %s",
				unlockName(cfg.Unlock))}
		}
	}
	if _, err := keystore.ParseSource(next); err != nil {
		return "", errUsage{err}
	}
	return whole(next)
}

// whole returns a source that a command line names as the settings name it: there a path would
// begin in the home folder, and not where the shell is.
func whole(source string) (string, error) {
	kind, path, _ := strings.Cut(source, ":")
	if kind != "identity" && kind != "file" {
		return source, nil
	}
	path, err := filepath.Abs(path)
	return kind + ":" + path, err
}

// printLock prints what opens the keystore from now on, and what to do with a file made for that.
func (c *command) printLock(cfg *config.Config, next string, made []string) error {
	changed := next != cfg.Unlock
	return c.print(map[string]any{"keystore": cfg.Keystore, "unlock": unlockName(next)}, func(w io.Writer) {
		fmt.Fprintf(w, "The keystore is opened by %s from now on.\n", unlockName(next))
		if changed {
			fmt.Fprintf(w, "Set unlock in config.yaml, or PKSA_UNLOCK, to it: nothing here opens the keystore "+
				"before.\n")
		}
		for _, path := range made {
			printForeign(w, cfg.Home, path)
		}
		fmt.Fprintf(w, "Keep a copy of %s with it: older copies are opened by what opened them.\n", cfg.Keystore)
	})
}

// printForeign prints how the user of a wallet gets a file that root has made for it: no start can
// read it before.
func printForeign(w io.Writer, home, path string) {
	info, err := os.Stat(home)
	if err != nil || len(access.Administered(home)) == 0 {
		return
	}
	fmt.Fprintf(w, "%s was made, and belongs to root. The wallet's user has to read it before the next start:\n"+
		"  chown %s %s\n", path, shellWord(ownerOf(info)), shellWord(path))
}

// relock lets the running wallet lock the keystore anew. What it is locked by is read here, from a
// source that this command line names, and never from one of the settings, which may be another
// user's.
func (c *command) relock(ctx context.Context, next string) error {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	if next == "" {
		next = "prompt"
	}
	if _, err := keystore.ParseSource(next); err != nil {
		return errUsage{err}
	}
	if next, err = whole(next); err != nil {
		return err
	}
	// Asked first: nobody types a passphrase for what cannot be done.
	if err := c.call(ctx, agent.MethodLive, struct{}{}, nil); err != nil {
		if errors.Is(err, control.ErrNoAgent) {
			return hint(err, adviceLostStopped)
		}
		return err
	}
	var made []string
	secret, err := c.newSecret(ctx, next, &made)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	// An identity that was made stays whatever happens: it may be what opens the keystore now.
	ledger.Crashpoint("new lock not asked yet")
	err = socket(cfg).Call(ctx, agent.MethodKeysRelock, agent.ReloadParams{Secret: secret.Bytes()}, nil)
	if err != nil {
		return err
	}
	ledger.Crashpoint("new lock made")
	return c.printLock(cfg, next, made)
}
