package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"pksa/keystore"
)

func (c *command) keysPasswd() *cobra.Command {
	var source string
	cmd := &cobra.Command{
		Use:   "passwd",
		Short: "Change what opens the keystore",
		Long: `Locks the keystore anew, by another passphrase or another age identity. Without
--new a passphrase is typed, where one is typed at every start. Otherwise --new
names another source than the one that opens it now:

    pksa keys passwd --new prompt
    pksa keys passwd --new file:/etc/pksa/unlock.new
    pksa keys passwd --new identity:/etc/pksa/identity.txt     made if missing

Set unlock in config.yaml, or PKSA_UNLOCK, to the new source afterwards. A
running agent goes on. Copies of the keystore that were made before are still
opened by what opened them: if that was stolen, change the keys on the chain.`,
		Args: noSecrets("passphrase"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.passwd(cmd.Context(), source) },
	}
	cmd.Flags().StringVar(&source, "new", "",
		"`source` of what will open it: prompt, file:PATH, env:NAME, credential:NAME, command:… or identity:PATH")
	return cmd
}

func (c *command) passwd(ctx context.Context, next string) error {
	cfg, err := c.wallet()
	if err != nil {
		return err
	}
	if next == "" {
		next = "prompt"
		if cfg.Unlock != next {
			return errUsage{fmt.Errorf("name what will open the keystore: --new prompt, or another source than %s",
				unlockName(cfg.Unlock))}
		}
	}
	if _, err := keystore.ParseSource(next); err != nil {
		return errUsage{err}
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
	now := *cfg
	now.Unlock = next
	var made []string
	unlock, err := c.newUnlock(ctx, &now, &made)
	if err == nil {
		err = store.ChangeLock(unlock)
		unlock.Wipe()
	}
	if err != nil {
		if !errors.Is(err, keystore.ErrInDoubt) { // else the new identity may be what opens the file
			for _, path := range made {
				os.Remove(path)
			}
		}
		return err
	}
	changed := next != cfg.Unlock
	return c.print(map[string]any{"keystore": cfg.Keystore, "unlock": unlockName(next)}, func(w io.Writer) {
		fmt.Fprintf(w, "The keystore is opened by %s from now on.\n", unlockName(next))
		if changed {
			fmt.Fprintf(w, "Set unlock in config.yaml, or PKSA_UNLOCK, to it: nothing here opens the keystore "+
				"before.\n")
		}
		fmt.Fprintf(w, "Keep a copy of %s with it: older copies are opened by what opened them.\n", cfg.Keystore)
	})
}
