package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/config"
	"pksa/agent/node"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// rotateFlags are the flags of `pksa keys rotate`.
type rotateFlags struct {
	from                  string
	undo, finish, offline bool
}

func (c *command) keysRotate() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate ACCOUNT ROLE",
		Short: "Change a key for another one, and back until that is finished",
		Long: `Puts a new key in the place of one that is held, such as one that leaked. First
put the new key on the account, with a wallet that has its owner or active key;
if the old one leaked, in its place. Then:

    pksa keys rotate alice posting --from prompt    signs with the new key
    pksa keys rotate alice posting --finish         forgets the old one

In between, the old key stays in the keystore and signs nothing; --undo puts it
back, and removes the new one. The chain is asked at each step: whether it knows
the new key, whether it still knows the old one, whether it knows the one that
is put back. --offline leaves that out.

A running agent uses what is changed at once. The same command may run again: a
key that was put in its place before is no failure.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errUsage{errors.New("ACCOUNT and ROLE are wanted, and nothing else; the key never stands " +
					"on the command line, where others can read it: --from prompt asks for it")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.rotate(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "",
		"`source` of the new key: file:PATH, env:NAME, fd:N, credential:NAME, command:… or prompt")
	flags.BoolVar(&f.undo, "undo", false, "put the old key back, and remove the new one")
	flags.BoolVar(&f.finish, "finish", false, "forget the old key; this cannot be undone")
	flags.BoolVar(&f.offline, "offline", false, "do not compare the keys with the chain")
	return cmd
}

// rotated is what `pksa keys rotate` did.
type rotated struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Public  string `json:"public"` // of the key that signs
	// Before is the key that it replaced and that is kept until --finish; empty if none is.
	Before string `json:"before,omitempty"`
	Step   string `json:"step"`  // "rotated", "undone", "finished", or "unchanged" if it was so before
	Agent  bool   `json:"agent"` // an agent is running, and uses the key already
	locked bool   // an agent is running, and uses the key once it is unlocked
}

func (c *command) rotate(ctx context.Context, args []string, f rotateFlags) error {
	account, role, err := f.parse(args)
	if err != nil {
		return err
	}
	cfg, err := c.wallet()
	if err != nil {
		return err
	}
	result := rotated{Account: string(account), Role: role.String()}
	change := func(store *keystore.Store) (string, error) { return c.endRotation(ctx, cfg, store, account, role, f) }
	if f.from != "" {
		batch, err := c.newKey(ctx, cfg, account, role, f)
		if err != nil {
			return err
		}
		defer batch.Wipe()
		change = func(store *keystore.Store) (string, error) {
			change, err := store.Rotate(batch)
			if change == keystore.Unchanged {
				return "unchanged", err
			}
			return "rotated", err
		}
	}
	has, err := c.changeKeysIn(ctx, cfg, func(store *keystore.Store) (err error) {
		if result.Step, err = change(store); err != nil {
			return err
		}
		public, _ := store.Public(account, role)
		result.Public = public.String()
		if r, ok := store.Rotation(account, role); ok {
			result.Before = r.Before.String()
		}
		return nil
	})
	if err != nil {
		return rotateHint(err, account, role)
	}
	result.Agent, result.locked = has == runningAgent, has == lockedAgent
	return c.print(result, func(w io.Writer) { printRotated(w, result) })
}

// parse reads the command line. Nothing is read or opened yet.
func (f rotateFlags) parse(args []string) (account hive.AccountName, role hive.Role, err error) {
	if account, err = hive.ParseAccountName(args[0]); err != nil {
		return "", 0, errUsage{fmt.Errorf("%.20q: %w", args[0], err)}
	}
	if role, err = hive.ParseRole(args[1]); err != nil {
		return "", 0, errUsage{fmt.Errorf("%.20q: posting, active, memo or signing is wanted", args[1])}
	}
	if role == hive.Owner {
		return "", 0, hint(keystore.ErrOwnerKey, adviceOwnerKey)
	}
	steps := 0
	for _, wanted := range []bool{f.from != "", f.undo, f.finish} {
		if wanted {
			steps++
		}
	}
	if steps != 1 {
		return "", 0, errUsage{errors.New("name one step: --from SOURCE with the new key, --undo, or --finish")}
	}
	if _, err := keystore.ParseSource(f.from); f.from != "" && err != nil {
		return "", 0, errUsage{err}
	}
	return account, role, nil
}

// newKey reads the new key and compares it with the chain, before anything is changed.
func (c *command) newKey(ctx context.Context, cfg *config.Config, account hive.AccountName, role hive.Role,
	f rotateFlags) (*keystore.Batch, error) {
	source, err := keystore.ParseSource(f.from)
	if err != nil {
		return nil, errUsage{err}
	}
	q := keyRequest{account: account, roles: []hive.Role{role}, source: source}
	batch, err := c.readKeys(ctx, q)
	if err != nil {
		return nil, importHint(err, q)
	}
	if f.offline {
		return batch, nil
	}
	if err := c.checkBatch(ctx, cfg, batch); err != nil {
		batch.Wipe()
		return nil, rotateHint(err, account, role)
	}
	return batch, nil
}

// endRotation undoes or finishes a rotation, and returns which.
func (c *command) endRotation(ctx context.Context, cfg *config.Config, store *keystore.Store, account hive.AccountName,
	role hive.Role, f rotateFlags) (string, error) {
	r, ok := store.Rotation(account, role)
	if ok && !f.offline {
		if err := c.compareRotation(ctx, cfg, r, f.finish); err != nil {
			return "", err
		}
	}
	if _, held := store.Public(account, role); !ok && held && f.finish {
		return "unchanged", nil // such as when a script runs again
	}
	// Also if none is under way: the store knows what is missing.
	if f.finish {
		return "finished", store.FinishRotation(account, role)
	}
	return "undone", store.UndoRotation(account, role)
}

// errStillOnChain means that the key that was replaced still signs for its account.
var errStillOnChain = errors.New("the chain still knows the old key")

// compareRotation asks the chain about both keys. At the finish no host may know the old one any
// more, because after that it is gone; the key that signs from then on is known to most.
func (c *command) compareRotation(ctx context.Context, cfg *config.Config, r keystore.Rotation, finish bool) error {
	nodes, err := service.Nodes(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	views := nodes.Views(ctx, secondHosts, r.Account)
	hosts := len(views)
	if r.Role == hive.Signing {
		witnesses := nodes.WitnessViews(ctx, secondHosts, r.Account)
		hosts, views = len(witnesses), append(views, witnesses...)
	}
	if hosts == 0 {
		return hint(fmt.Errorf("asking the chain about %s: no Hive API node answers", r.Account), adviceNodes)
	}
	if !finish {
		if !known(views, r.Account, r.Before, r.Role, hosts) {
			return hint(fmt.Errorf("%w: %s", keystore.ErrWrongRole, r.Before), adviceUndoChain)
		}
		return nil
	}
	for _, v := range views {
		on := v.Accounts[r.Account]
		if roles := on.Roles(r.Before); len(roles) > 0 {
			return hint(fmt.Errorf("%w, %s, as %s key of %s: whoever has it can sign", errStillOnChain, r.Before,
				roles[0], r.Account), adviceStillOnChain)
		}
	}
	if !known(views, r.Account, r.Key, r.Role, hosts) {
		return hint(fmt.Errorf("%w: %s", keystore.ErrWrongRole, r.Key), adviceNotOnChain)
	}
	return nil
}

// known reports whether most of the hosts know a key in its role.
func known(views []node.View, account hive.AccountName, key hive.PublicKey, role hive.Role, hosts int) bool {
	said := 0
	for _, v := range views {
		on := v.Accounts[account]
		for _, found := range on.Roles(key) {
			if found == role {
				said++
			}
		}
	}
	return said*2 > hosts
}

// rotateHint adds to an error what can be done about it.
func rotateHint(err error, account hive.AccountName, role hive.Role) error {
	var has hinted
	switch {
	case errors.As(err, &has):
		return err
	case errors.Is(err, keystore.ErrRotating), errors.Is(err, keystore.ErrIsBefore):
		return rotating(err, fmt.Sprintf("%s/%s", account, role))
	case errors.Is(err, keystore.ErrNotRotating):
		return hint(err, adviceNotRotating)
	case errors.Is(err, keystore.ErrUnknownAccount), errors.Is(err, keystore.ErrUnknownKey):
		return hint(err, adviceNothingHeld, account, role)
	case errors.Is(err, keystore.ErrWrongRole):
		return hint(err, adviceNotOnChain)
	}
	return err
}

// rotating adds to an error about a key that is being rotated how that ends. The key is named as
// alice/posting.
func rotating(err error, key string) error {
	account, role, _ := strings.Cut(key, "/")
	return hint(err, adviceRotating, account, role)
}

func printRotated(w io.Writer, r rotated) {
	switch {
	case r.Step == "unchanged" && r.Before == "":
		fmt.Fprintf(w, "%s/%s is %s already, and no other key is kept beside it: nothing was changed.\n", r.Account,
			r.Role, r.Public)
		return
	case r.Step == "undone":
		fmt.Fprintf(w, "%s/%s is %s again; the new key is removed.\n", r.Account, r.Role, r.Public)
	case r.Step == "finished":
		fmt.Fprintf(w, "%s/%s is %s; the old key is removed. What was removed is still in copies and backups of the "+
			"keystore.\n", r.Account, r.Role, r.Public)
	default:
		fmt.Fprintf(w, "%s/%s is %s from now on. The old key, %s, is kept and signs nothing:\n"+
			"`pksa keys rotate %[1]s %[2]s --undo` puts it back. Once the account does not have it any more, "+
			"`pksa keys rotate %[1]s %[2]s --finish` removes it.\n", r.Account, r.Role, r.Public, r.Before)
	}
	switch {
	case r.Agent:
		fmt.Fprintln(w, "The running agent signs so already.")
	case !r.locked: // what a locked one does is told
		fmt.Fprintln(w, "No agent is running; it signs so when it starts.")
	}
}
