package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/lock"
	"pksa/agent/status"
	"pksa/keystore"
)

func (c *command) lockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lock",
		Short: "Wipe the keys from the running wallet, until unlock",
		Long: `Has the running wallet take no more requests, finish what it admitted, leave the
relays and wipe the private keys from its memory, until ` + "`pksa unlock`" + `. That may
take as long as the setting stop_timeout. A relay keeps requests until they
expire. For a wallet that answers "busy, try again" and keeps its keys there is
` + "`pksa pause`" + `.

The keys that seal the ledger, and the sessions' keys, stay in memory. A lock
protects little where what opens the keystore lies on the same disk. It ends
with the process: a start unlocks as always. The setting lock_after locks after
a time without requests, and guard: lock when somebody else changes an account.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s lock.Status
			ledger.Crashpoint("lock not asked yet")
			if err := c.callRunning(cmd.Context(), agent.MethodLock, struct{}{}, &s, adviceLockStopped); err != nil {
				return err
			}
			ledger.Crashpoint("lock answered")
			return c.print(s, func(w io.Writer) {
				fmt.Fprintf(w, "%s since %s by %s; `pksa unlock` ends it.\n",
					map[bool]string{false: "Locked", true: "Was locked already,"}[s.Already], moment(s.Since), s.By)
			})
		},
	}
}

func (c *command) unlockCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Give a locked wallet its keys again",
		Long: `Has the running wallet read what opens its keystore again, from where the
setting unlock says, and go on. Where that is prompt, the passphrase is typed
here; an environment variable or a file descriptor (env:, fd:) is one of this
command, and an age plugin is started by it. --from names another source, which
this command reads:

    pksa unlock
    pksa unlock --from prompt`,
		Args: noSecrets("passphrase"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.endLock(cmd.Context(), from)
			if err != nil {
				return err
			}
			return c.print(s, func(w io.Writer) {
				if s.Already {
					fmt.Fprintln(w, "The wallet was not locked.")
					return
				}
				fmt.Fprintln(w, "Unlocked; it connects to the relays. `pksa status` shows when it serves.")
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "",
		"`source` of what opens the keystore, read here: prompt, file:PATH, env:NAME, credential:NAME, command:… or "+
			"identity:PATH")
	return cmd
}

// endLock ends the lock of the running wallet.
func (c *command) endLock(ctx context.Context, from string) (s lock.Status, err error) {
	if from != "" {
		if _, err := keystore.ParseSource(from); err != nil {
			return s, errUsage{err}
		}
	}
	// Asked first: nobody types a passphrase for a wallet that is not locked.
	var now agent.Status
	if err := c.callRunning(ctx, agent.MethodStatus, struct{}{}, &now, adviceUnlockStopped); err != nil {
		return s, err
	}
	if !isLocked(now) {
		return lock.Status{Already: true}, nil
	}
	if from == "" {
		ledger.Crashpoint("unlock not asked yet")
		if err := c.call(ctx, agent.MethodUnlock, agent.UnlockParams{}, &s); err != nil || !s.Bring {
			ledger.Crashpoint("unlock answered")
			if errors.As(err, new(*control.Error)) && !strings.HasPrefix(err.Error(), lock.Still) {
				err = otherOpener(err)
			}
			return s, err
		}
	}
	cfg, err := c.settings()
	if err != nil {
		return s, err
	}
	return c.bringOpener(ctx, cfg, cmp.Or(from, cfg.Unlock))
}

// bringOpener ends the lock with what a source delivers here. It is tried here first, so that a
// person may type it again, and a plugin is started where that is possible.
func (c *command) bringOpener(ctx context.Context, cfg *config.Config, from string) (s lock.Status, err error) {
	read := *cfg
	read.Unlock = from
	store, secret, err := c.unlock(ctx, &read)
	if err != nil {
		return s, otherOpener(err)
	}
	defer secret.Wipe()
	defer store.Close()
	handed := store.Handover(secret)
	defer handed.Wipe()
	ledger.Crashpoint("unlock opened here")
	err = c.call(ctx, agent.MethodUnlock, agent.UnlockParams{Secret: handed.Bytes()}, &s)
	return s, err
}

// otherOpener returns the error of an unlock with what to do. The advice for a keystore that nobody
// can open would do harm: this wallet runs, and was opened before.
func otherOpener(err error) error {
	var said hinted
	if errors.As(err, &said) {
		err = said.error
	}
	return hint(err, adviceUnlockOther)
}

// callRunning calls a method of the running agent. Where none runs, it says what that means here.
func (c *command) callRunning(ctx context.Context, method string, params, result any, stopped *advice) error {
	err := c.call(ctx, method, params, result)
	if errors.Is(err, control.ErrNoAgent) {
		var said hinted
		if errors.As(err, &said) {
			err = said.error
		}
		return hint(err, stopped)
	}
	return err
}

// isLocked reports whether the wallet says that it is locked.
func isLocked(s agent.Status) bool {
	return slices.ContainsFunc(s.Hindrances, func(h status.Hindrance) bool { return h.Cause == status.CauseLocked })
}
