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

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/keystore"
)

// starterPolicy is what `pksa init` writes: it allows nothing, and shows how to allow something.
const starterPolicy = `# What this wallet answers by itself. What no rule allows is denied.
# Check it with "pksa policy check"; a running agent takes it over with "pksa policy reload".
version: 2

# Take the signs # away and put your own names in.
#
# allow:
#   - name: sessions
#     comment: mybot may log in
#     request: auth
#     apps: [mybot]                 # made with: pksa app add mybot
#     session: 30d
#
#   - name: curation
#     comment: mybot may vote for alice, and nothing else
#     request: sign
#     accounts: [alice]
#     apps: [mybot]
#     operations: [vote]
`

func (c *command) initCommand() *cobra.Command {
	var unlock string
	var anew bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the home folder: settings, policy, keystore and ledger",
		Long: `Makes the home folder with a commented config.yaml, a policy.yaml that allows
nothing yet, an empty keystore.age and a ledger.db. Files that exist already are
left as they are.

The keystore is locked to an age identity in identity.txt, unless --unlock names
another source. With --unlock prompt you type a passphrase now and at every
start.

With --set-aside a wallet that cannot be opened any more, because the keystore
or what opens it is lost, begins anew: its keystore and ledger get other names,
and new ones take their place. Settings and policy stay. Nothing is deleted.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.init(cmd.Context(), unlock, anew) },
	}
	cmd.Flags().StringVar(&unlock, "unlock", "",
		"`source` that opens the keystore: identity:PATH (default, made if missing), file:PATH, env:NAME, "+
			"credential:NAME, command:… or prompt")
	cmd.Flags().BoolVar(&anew, "set-aside", false,
		"set a keystore that cannot be opened any more aside, with its ledger, and begin anew")
	return cmd
}

func (c *command) init(ctx context.Context, unlock string, anew bool) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	values := map[string]string{}
	if unlock != "" {
		values["unlock"] = quoted(unlock)
	}
	lost, err := c.beforeInit(ctx, home, unlock, anew)
	if err != nil {
		return err
	}
	_, missing := os.Stat(home)
	var made []string
	cfg, err := c.makeHome(ctx, home, values, &made)
	if err != nil {
		// Whole or not at all: a half-made home would make the next init leave out the rest.
		for _, path := range made {
			os.Remove(path)
		}
		if missing != nil {
			os.Remove(home) // fails unless it is empty
		}
		if lost != nil {
			err = errors.Join(err, lost.undo())
		}
		return c.wrongUser(home, err)
	}
	if made == nil {
		made = []string{} // a list in JSON, too
	}
	result := map[string]any{"home": home, "made": made, "already": len(made) == 0}
	if anew {
		result["set_aside"] = lost.names()
	}
	return c.say(result, func(w io.Writer) {
		if names := lost.names(); len(names) > 0 {
			fmt.Fprintln(w, "Set aside:")
			for _, path := range names {
				fmt.Fprintf(w, "  %s\n", path)
			}
		}
		c.printNext(w, cfg, made)
	})
}

// beforeInit refuses to make files in the place of lost ones, as a person may still have copies.
// With anew it sets aside what cannot be opened without the lost ones.
func (c *command) beforeInit(ctx context.Context, home, unlock string, anew bool) (*aside, error) {
	if is(filepath.Join(home, "config.yaml")) {
		unlock = "" // the file says it, and stays as it is
	}
	cfg, err := c.settingsWith(home, map[string]string{"PKSA_UNLOCK": unlock})
	if err != nil {
		return nil, err
	}
	if anew {
		return c.setAsideWallet(ctx, cfg)
	}
	if is(cfg.Keystore) {
		if err := c.checkWallet(cfg); err != nil {
			return nil, err
		}
		if cfg.Database == "" && !is(cfg.Ledger) {
			return nil, ledgerHint(cfg.LedgerPlace(), ledger.ErrMissing)
		}
		return nil, nil
	}
	for _, path := range ledgerFiles(cfg) {
		if is(path) {
			return nil, c.checkEmpty(cfg)
		}
	}
	return nil, nil
}

// makeHome makes what is missing, and adds it to made, also when it fails later. The order is that
// in which each file says how the next is made: the settings name all others, and the ledger is
// sealed by a key in the keystore.
func (c *command) makeHome(ctx context.Context, home string, values map[string]string, made *[]string) (*config.Config,
	error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	if err := writeNew(filepath.Join(home, "config.yaml"), config.Template(values), made); err != nil {
		return nil, err
	}
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	if err := writeNew(cfg.Policy, starterPolicy, made); err != nil {
		return nil, err
	}
	return cfg, c.initKeys(ctx, cfg, made)
}

// writeNew writes a file unless there is one, and adds it to made.
func writeNew(path, text string, made *[]string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	*made = append(*made, path) // from now on it is there, whole or not
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// initKeys makes keystore and ledger, which belong together. It makes no ledger beside a keystore
// that exists: if that one had a ledger, a new one would forget what was answered.
func (c *command) initKeys(ctx context.Context, cfg *config.Config, made *[]string) error {
	if _, err := os.Stat(cfg.Keystore); err == nil {
		return nil
	}
	store, err := c.newStore(ctx, cfg, made)
	if err == nil {
		store.Close()
	}
	return err
}

// newStore makes a keystore and its ledger, and adds both to made.
func (c *command) newStore(ctx context.Context, cfg *config.Config, made *[]string) (*keystore.Store, error) {
	unlock, err := c.newUnlock(ctx, cfg, made)
	if err != nil {
		return nil, err
	}
	defer unlock.Wipe()
	store, err := keystore.Create(cfg.Keystore, unlock)
	if err != nil {
		return nil, err
	}
	*made = append(*made, cfg.Keystore)
	// Killed here, a keystore without keys and ledger is left. The next start says that the ledger
	// is missing, and `pksa ledger new` makes it: nothing was answered yet that it could forget.
	//
	// There may have been a wallet before this one, here or on a machine that is lost, whose
	// applications keep their secrets.
	if err := ledger.CreateAnew(cfg.Ledger, c.ledgerOptions(cfg, store)); err != nil {
		store.Close()
		return nil, namedLedger(cfg.LedgerPlace(), err)
	}
	*made = append(*made, cfg.LedgerPlace())
	return store, nil
}

// newUnlock returns what will open the new keystore: an identity, which is made if it is missing,
// or the secret of the source.
func (c *command) newUnlock(ctx context.Context, cfg *config.Config, made *[]string) (keystore.Unlock, error) {
	if err := belongsToUs(cfg); err != nil {
		return keystore.Unlock{}, err
	}
	source, err := keystore.ParseSource(cfg.Unlock)
	if err != nil {
		return keystore.Unlock{}, fmt.Errorf("setting unlock: %w", err)
	}
	if path, ok := identityPath(cfg.Unlock); ok {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			unlock, _, err := keystore.CreateIdentity(path)
			if err == nil {
				*made = append(*made, path)
			}
			return unlock, err
		}
	}
	ask := c.prompt
	if cfg.Unlock == "prompt" {
		ask = c.promptTwice
	}
	unlock, err := source.Unlock(ctx, func(label string) ([]byte, error) { return ask(ctx, label) })
	if errors.Is(err, os.ErrNotExist) {
		err = hint(err, adviceOpenerFirst)
	}
	return unlock.WithPlugins(c.plugins(ctx)), err
}

// identityPath returns the path of an unlock source of the form identity:PATH.
func identityPath(unlock string) (string, bool) {
	const prefix = "identity:"
	if len(unlock) > len(prefix) && unlock[:len(prefix)] == prefix {
		return unlock[len(prefix):], true
	}
	return "", false
}

// printNext prints what was made and the next steps.
func (c *command) printNext(w io.Writer, cfg *config.Config, made []string) {
	if len(made) == 0 {
		fmt.Fprintf(w, "Everything exists already; nothing was changed in\n  %s\n", cfg.Home)
	} else {
		fmt.Fprintln(w, "Made:")
		for _, path := range made {
			fmt.Fprintf(w, "  %s\n", path)
		}
	}
	fmt.Fprintf(w, `
Next:
  1. import a key:
     %[1]s keys import ACCOUNT --role posting --from prompt
  2. name your application:
     %[1]s app add mybot
  3. allow what it may do, in this file, and check it:
     %[2]s
     %[1]s policy check
  4. start the wallet:
     %[1]s run

`, c.program(), shellWord(cfg.Policy))
	if path, ok := identityPath(cfg.Unlock); ok {
		fmt.Fprintf(w, "Keep copies of these in a safe place: without both the keys are gone.\n  %s\n  %s\n", path,
			cfg.Keystore)
	} else {
		fmt.Fprintf(w, "Keep a copy of the keystore in a safe place, and what opens it: without both the keys are "+
			"gone.\n  %s\n  %s\n", cfg.Keystore, unlockName(cfg.Unlock))
	}
	fmt.Fprintln(w, "Run one copy of this folder: a second one yields to the first and stops. To\n"+
		"move it, stop the wallet, copy the whole folder, and start the copy;\n`pksa help ledger moved` tells more.")
}

// unlockName returns the source in the words of a message. The arguments of a command are left out:
// they may be secret.
func unlockName(unlock string) string {
	kind, rest, _ := strings.Cut(unlock, ":")
	switch {
	case kind == "prompt":
		return "the passphrase"
	case kind == "command":
		return kind + ":" + strings.Fields(rest)[0]
	}
	return unlock
}
