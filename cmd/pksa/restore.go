package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"pksa/agent/backup"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/service"
)

func (c *command) restoreCommand() *cobra.Command {
	var r restoring
	var unlock string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore a backup into an empty home folder",
		Long: `Puts the wallet of a backup into the home folder, which is empty or missing;
only what opens the backup may lie there. A restore that is interrupted leaves
the empty folder, or the whole wallet.

What happened after the backup is not known any more: it also holds secrets that
were replaced since, sessions that were revoked, and room of limits that was
used up. Therefore

  - no nonce up to now is accepted: requests of before get no answer;
  - the secrets of all apps count no more, and all sessions end, but for those
    of apps that --keep names; "pksa app rotate NAME" gives one a new secret;
  - sessions of kept apps that took requests without nonces end, and the others
    must send nonces;
  - no limit has room until its window has passed, unless --limits-as-counted
    lets limits go on as the backup counted them.

To move a wallet, stop it for good before the backup is made: then nothing
happened since, and you can keep its apps and let its limits go on.`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.restore(cmd.Context(), args[0], unlock, r) },
	}
	addUnlockFlag(cmd, &unlock)
	r.addFlags(cmd)
	return cmd
}

func (c *command) restore(ctx context.Context, file, unlock string, r restoring) error {
	cfg, err := c.settingsToOpen(unlock)
	if err != nil {
		return err
	}
	stage, err := backup.Begin(cfg.Home, openerIn(cfg)...)
	if errors.Is(err, backup.ErrNotEmpty) {
		return hint(err, adviceRestoreEmpty)
	}
	if err != nil {
		return fmt.Errorf("the restore: %w", err)
	}
	contents, accepted, err := c.fillStage(ctx, cfg, stage, opened{file, r})
	if err == nil {
		err = stage.Ready()
	}
	// Ready, it is the wallet, and only has to be moved; any command would do so.
	if err = errors.Join(err, stage.Discard()); err != nil {
		return err
	}
	if err := backup.Finish(cfg.Home); err != nil {
		return err
	}
	return c.printHome(cfg.Home, contents, accepted)
}

// openerIn returns the name of what unlocks the keystore, if it lies in the home folder.
func openerIn(cfg *config.Config) []string {
	if path, ok := openerFile(cfg); ok && filepath.Dir(path) == cfg.Home {
		return []string{filepath.Base(path)}
	}
	return nil
}

// opened is a backup and what the operator knows of the time since it was made.
type opened struct {
	file string
	restoring
}

// fillStage puts the files of a backup into the stage, and makes the ledger there one that goes on.
func (c *command) fillStage(ctx context.Context, cfg *config.Config, stage *backup.Stage, o opened) (*backup.Contents,
	ledger.Accepted, error) {
	contents, store, err := c.openBackup(ctx, cfg, opening{o.file, stage.Take, func(m backup.Manifest) string {
		return filepath.Join(stage.Folder(), m.Keystore)
	}})
	if err != nil {
		return nil, ledger.Accepted{}, err
	}
	defer store.Close()
	// What is kept of the trail is for the settings of the wallet to say, when it runs.
	usual := config.Default(stage.Folder())
	usual.AuditKeep, usual.AuditMax, usual.AuditMaxSet = 0, 0, true
	path := filepath.Join(stage.Folder(), contents.Manifest.Ledger)
	accepted, err := ledger.Accept(path, service.LedgerOptions(usual, store, c.logger(usual)), o.acceptance("restore"))
	switch {
	case errors.Is(err, ledger.ErrNoSlot):
		return nil, accepted, hint(fmt.Errorf("--keep: %w", err), adviceRestoreKeep)
	case err != nil:
		return nil, accepted, fmt.Errorf("the ledger in %s: %w", o.file, err)
	}
	return contents, accepted, nil
}

// printHome prints what was restored, and what else it takes.
func (c *command) printHome(home string, contents *backup.Contents, accepted ledger.Accepted) error {
	m := contents.Manifest
	result := acceptedResult(accepted)
	result["home"], result["made"], result["unlock"] = home, m.Made, m.Unlock
	delete(result, "mark") // a backup has none
	names, err := c.elsewhere(home, m)
	result["elsewhere"] = append([]string{}, names...)
	return errors.Join(err, c.say(result, func(w io.Writer) {
		fmt.Fprintf(w, "Restored into %s\nThe wallet is as of %s, up to record %d.\n", home, when(m.Made),
			accepted.Last)
		printRestored(w, accepted)
		for _, name := range names {
			fmt.Fprintf(w, "The settings want %s\n", name)
		}
		fmt.Fprint(w, "Be sure that the wallet which the backup is of runs nowhere any more, then\n"+
			"start this one: `pksa run`\n")
	}))
}

// elsewhere returns which files the settings look for in other places than the home folder.
func (c *command) elsewhere(home string, m backup.Manifest) (names []string, err error) {
	cfg, err := c.settingsWith(home, nil)
	if err != nil {
		return nil, fmt.Errorf("the wallet is restored, and its settings cannot be used here: %w", err)
	}
	for _, f := range []struct{ setting, wanted, name string }{{"keystore", cfg.Keystore, m.Keystore},
		{"policy", cfg.Policy, m.Policy}, {"ledger", cfg.Ledger, m.Ledger}} {
		if here := filepath.Join(home, f.name); f.wanted != here {
			names = append(names, fmt.Sprintf("the %s at %s: it lies at %s", f.setting, f.wanted, here))
		}
	}
	if path, ok := openerFile(cfg); ok && !is(path) {
		names = append(names, "what opens the keystore at "+path)
	}
	return names, nil
}
