package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/cmd/pksa/internal/systemd"
	"pksa/keystore"
	"pksa/protocol/hive"
)

func (c *command) keysCommand() *cobra.Command {
	return groupCommand("keys", "Import, list, check and remove private keys",
		`Private keys stand encrypted in the keystore. A command that changes it lets a
running agent read it again.`,
		c.keysImport(), c.keysList(), c.keysRemove(), c.keysRotate(), c.keysCheck(), c.keysPasswd())
}

// changeKeys opens the keystore, changes it, and lets a running agent read it again.
func (c *command) changeKeys(ctx context.Context, cfg *config.Config, change func(*keystore.Store) error) error {
	_, err := c.changeKeysIn(ctx, cfg, change)
	return err
}

// changeKeysIn does what changeKeys does, and returns who has the change then.
func (c *command) changeKeysIn(ctx context.Context, cfg *config.Config, change func(*keystore.Store) error) (reader,
	error) {
	store, secret, err := c.unlock(ctx, cfg)
	if err != nil {
		return nobody, err
	}
	defer secret.Wipe()
	defer store.Close()
	if err := change(store); err != nil {
		return nobody, err
	}
	ledger.Crashpoint("keys changed")
	// On disk first, then the agent: it reads the file itself. It holds no secret that opens the
	// file, so it gets the one that was used here, or what opens this state of the file where that
	// takes a plugin, which it cannot start.
	handed := store.Handover(secret)
	defer handed.Wipe()
	return c.letReload(ctx, cfg, handed)
}

// reader is who has read the keystore again after a change.
type reader int

const (
	nobody       reader = iota // no agent runs
	runningAgent               // it uses what was changed
	lockedAgent                // it reads the keystore when it is unlocked
)

// letReload lets a running agent read the keystore again, by what opens it now.
func (c *command) letReload(ctx context.Context, cfg *config.Config, secret keystore.Secret) (reader, error) {
	var done agent.KeysReloaded
	err := socket(cfg).Call(ctx, agent.MethodKeysReload, agent.ReloadParams{Secret: secret.Bytes()}, &done)
	switch {
	case errors.Is(err, control.ErrNoAgent):
		return nobody, nil
	case err != nil:
		return runningAgent, hint(fmt.Errorf("the keystore is changed, but the running agent did not read it again: %w",
			err), adviceRestart)
	case done.Locked:
		c.tell(systemd.Warning, "pksa: the running wallet is locked: it reads the keystore at `pksa unlock`\n")
		return lockedAgent, nil
	}
	return runningAgent, nil
}

// keyInfo is one held key.
type keyInfo struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Public  string `json:"public"`
	// Before is the key that a rotation replaced, until that ends. It signs nothing.
	Before string `json:"before,omitempty"`
}

// keysOf returns what a keystore holds.
func keysOf(store *keystore.Store) []keyInfo {
	keys := []keyInfo{}
	for _, account := range store.Accounts() {
		for _, role := range store.Roles(account) {
			public, _ := store.Public(account, role)
			info := keyInfo{Account: string(account), Role: role.String(), Public: public.String()}
			if r, ok := store.Rotation(account, role); ok {
				info.Before = r.Before.String()
			}
			keys = append(keys, info)
		}
	}
	return keys
}

func (c *command) keysList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List accounts, roles and public keys of what is held",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			store, err := c.openKeys(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer store.Close()
			keys := keysOf(store)
			return c.print(keys, func(w io.Writer) {
				if len(keys) == 0 {
					fmt.Fprintln(w, "No keys yet. `pksa keys import ACCOUNT --role posting --from prompt` imports "+
						"one.")
					return
				}
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "ACCOUNT\tROLE\tPUBLIC KEY")
				for _, k := range keys {
					fmt.Fprintf(t, "%s\t%s\t%s\n", k.Account, k.Role, k.Public)
				}
				t.Flush()
				for _, k := range keys {
					if k.Before != "" {
						fmt.Fprintf(w, "%s/%s is being rotated: the key of before, %s, is kept and signs nothing.\n"+
							"`pksa keys rotate %[1]s %[2]s --finish` forgets it, --undo puts it back.\n", k.Account,
							k.Role, k.Before)
					}
				}
			})
		},
	}
}

func (c *command) keysRemove() *cobra.Command {
	var words []string
	cmd := &cobra.Command{
		Use:   "remove ACCOUNT [--role ROLE]",
		Short: "Remove a key, or all keys of an account",
		Args:  one("the ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			account, err := hive.ParseAccountName(args[0])
			if err != nil {
				return errUsage{fmt.Errorf("%q: %w", args[0], err)}
			}
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			err = c.changeKeys(cmd.Context(), cfg, func(store *keystore.Store) error {
				if len(words) == 0 {
					return store.RemoveAccount(account)
				}
				roles, err := parseRoles(words)
				if err != nil {
					return err
				}
				for _, role := range roles {
					if err := store.Remove(account, role); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			what := "all keys"
			if len(words) > 0 {
				what = "the " + strings.Join(words, ", ") + " key"
			}
			return c.print(map[string]any{"account": account, "roles": words}, func(w io.Writer) {
				fmt.Fprintf(w, "Removed %s of %s. What was removed is still in copies and backups of the keystore.\n",
					what, account)
			})
		},
	}
	cmd.Flags().StringSliceVar(&words, "role", nil,
		"`role` of the key: posting, active, memo or signing (default: all keys of the account)")
	return cmd
}

func (c *command) keysCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Compare the held keys with the accounts on the chain",
		Long: `Compares the held keys with the accounts on the chain. It asks the running
agent. The exit status is 1 if a key does not fit.

A key may weigh less than its authority asks for. It fits, and what it signs
needs the signatures of others, too.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var checks []agent.KeyCheck
			if err := c.call(cmd.Context(), agent.MethodKeysCheck, struct{}{}, &checks); err != nil {
				return err
			}
			wrong := 0
			for _, check := range checks {
				if !check.OK {
					wrong++
				}
			}
			err := c.print(checks, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, check := range checks {
					word := "fits"
					switch {
					case !check.OK:
						word = check.Problem
					case check.Threshold > 0:
						word = fmt.Sprintf("fits, and needs others: it weighs %d of %d", check.Weight, check.Threshold)
					}
					fmt.Fprintf(t, "%s\t%s\t%s\n", check.Account, check.Role, word)
				}
				t.Flush()
			})
			if err == nil && wrong > 0 {
				return errSilent
			}
			return err
		},
	}
}
