package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/backup"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/keystore"
	"pksa/keystore/durable"
)

func (c *command) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the whole wallet into one encrypted file",
		Long: `Writes keystore, ledger, audit trail, policy and settings into FILE, which must
not exist yet. The agent may run meanwhile, and goes on; what it does after the
copy of the ledger is made is not in FILE. While it is being made, the copy lies
beside the ledger and takes as much room.

FILE is encrypted as the keystore is: what opens the keystore opens FILE. That
itself is not in FILE, and neither is the certificate of the relay. Keep it
elsewhere; the result says where it is now.

    pksa backup check FILE     reads it to its end, and says whether it is whole
    pksa restore FILE          puts it into an empty home folder`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.backup(cmd.Context(), args[0]) },
	}
	cmd.AddCommand(c.backupCheck())
	return cmd
}

func (c *command) backup(ctx context.Context, file string) error {
	cfg, err := c.wallet()
	if err != nil {
		return err
	}
	// Before anybody is asked for a passphrase; a link, too, is not followed.
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s exists already, and may be the backup that is needed; name another file", file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the backup: %w", err)
	}
	store, secret, err := c.unlock(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	secret.Wipe()
	copied, err := c.copyLedger(ctx, cfg, store)
	if err != nil {
		return err
	}
	defer os.Remove(copied.Path)
	ledger.Crashpoint("backup has its copy")
	made := time.Now().UTC().Truncate(time.Second)
	shown := c.progress("writing", megabytes)
	source := backup.Source{
		Keystore: cfg.Keystore, Config: filepath.Join(cfg.Home, "config.yaml"), Policy: cfg.Policy, Ledger: copied.Path,
		Segments: filepath.Join(filepath.Dir(cfg.Ledger), "audit"), MAC: store.LedgerMAC,
		Progress: func(done, all int64) { shown.at(uint64(done)>>20, uint64(all)>>20) },
		Manifest: backup.Manifest{Form: backup.Form, Made: made, Home: cfg.Home, Unlock: unlockName(cfg.Unlock),
			Record: copied.Record, Keystore: nameInHome(cfg, cfg.Keystore, "keystore.age"),
			Policy: nameInHome(cfg, cfg.Policy, "policy.yaml"), Ledger: nameInHome(cfg, cfg.Ledger, "ledger.db")},
	}
	written, err := writeBackup(ctx, file, store, source)
	shown.clear()
	if err != nil {
		return fmt.Errorf("the backup: %w", err)
	}
	result := map[string]any{"file": file, "made": made, "last_record": copied.Record, "segments": written.Segments,
		"bytes": written.Bytes, "unlock": unlockName(cfg.Unlock)}
	return c.say(result, func(w io.Writer) {
		fmt.Fprintf(w, "Written up to record %d of the audit trail:\n  %s\n", copied.Record, file)
		fmt.Fprintf(w, "What opens it is not in it, and lies here:\n  %s\n", unlockName(cfg.Unlock))
		fmt.Fprint(w, "Keep a copy of that elsewhere, apart from the backup: whoever has both\nhas the keys.\n")
	})
}

// nameInHome returns the name that a file of the wallet gets in a home that is restored.
func nameInHome(cfg *config.Config, path, usual string) string {
	if filepath.Dir(path) != cfg.Home {
		return usual
	}
	return backup.NameIn(filepath.Base(path), usual)
}

// copyLedger lets the running agent make a copy of its ledger, or makes one if none runs.
func (c *command) copyLedger(ctx context.Context, cfg *config.Config, store *keystore.Store) (agent.LedgerCopy, error) {
	var copied agent.LedgerCopy
	err := socket(cfg).Call(ctx, agent.MethodLedgerCopy, nil, &copied)
	if !errors.Is(err, control.ErrNoAgent) {
		return copied, err
	}
	l, err := c.openLedger(cfg, store)
	if err != nil {
		return copied, err
	}
	copied, err = agent.Admin{Ledger: l, Keys: store}.CopyLedger()
	return copied, errors.Join(err, l.Close())
}

// writeBackup writes an encrypted backup beside its place, syncs it, and gives it its name.
func writeBackup(ctx context.Context, file string, store *keystore.Store, s backup.Source) (backup.Written, error) {
	var written backup.Written
	reader, writer := io.Pipe()
	stop := context.AfterFunc(ctx, func() { writer.CloseWithError(context.Cause(ctx)) })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		sealed, err := store.EncryptTo(writer)
		if err == nil {
			written, err = backup.Write(sealed, s)
		}
		if err == nil {
			err = sealed.Close()
		}
		writer.CloseWithError(err) // io.EOF, if it is nil
	}()
	err := durable.System().ReplaceParts(file, parts(reader))
	reader.CloseWithError(err) // nobody reads any more
	<-done
	ledger.Crashpoint("backup in place")
	return written, err
}

// parts returns what a reader delivers, piece by piece.
func parts(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		buffer := make([]byte, 256<<10)
		for {
			n, err := r.Read(buffer)
			ledger.Crashpoint("file written in part")
			if n > 0 && !yield(buffer[:n], nil) || errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// counted is a file whose reading is shown.
type counted struct {
	io.Reader
	done, all uint64
	shown     *progress
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += uint64(n)
	r.shown.at(r.done>>20, r.all>>20)
	return n, err
}

// counting returns a reader of a file that shows a person how far it is.
func (c *command) counting(file *os.File) *counted {
	r := &counted{Reader: file, shown: c.progress("reading", megabytes)}
	if info, err := file.Stat(); err == nil {
		r.all = uint64(info.Size())
	}
	return r
}

func (c *command) backupCheck() *cobra.Command {
	var unlock string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check that a backup is whole",
		Long: `Reads a backup to its end: whether what opens the keystore opens it, whether it
is whole, and whether the wallet whose keystore is in it has made it. Nothing of
it is written anywhere but the keystore, encrypted, into a temporary folder.`,
		Args: exactlyOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.checkBackup(cmd.Context(), args[0], unlock) },
	}
	addUnlockFlag(cmd, &unlock)
	return cmd
}

func addUnlockFlag(cmd *cobra.Command, unlock *string) {
	cmd.Flags().StringVar(unlock, "unlock", "",
		"`source` that opens the backup, if it is not that of the settings: identity:PATH, file:PATH, env:NAME, "+
			"credential:NAME, command:… or prompt")
}

func (c *command) checkBackup(ctx context.Context, file, unlock string) error {
	cfg, err := c.settingsToOpen(unlock)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "pksa-backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	kept := filepath.Join(folder, "keystore.age")
	contents, store, err := c.openBackup(ctx, cfg, opening{file, func(f backup.File, r io.Reader) error {
		if f.Entry != backup.KeystoreEntry {
			return nil
		}
		return durable.System().ReplaceParts(kept, parts(r))
	}, func(backup.Manifest) string { return kept }})
	if err != nil {
		return err
	}
	store.Close()
	m := contents.Manifest
	result := map[string]any{"file": file, "made": m.Made, "home": m.Home, "unlock": m.Unlock, "last_record": m.Record,
		"segments": contents.Segments, "bytes": contents.Bytes}
	return c.say(result, func(w io.Writer) {
		fmt.Fprintf(w, "%s is whole.\nIt holds a wallet as of %s, up to record %d.\n"+
			"Its home was\n  %s\n", file, when(m.Made), m.Record, m.Home)
	})
}

// settingsToOpen returns the settings with the source that opens a backup.
func (c *command) settingsToOpen(unlock string) (*config.Config, error) {
	if unlock != "" {
		if _, err := keystore.ParseSource(unlock); err != nil {
			return nil, errUsage{err}
		}
		var err error
		if unlock, err = whole(unlock); err != nil {
			return nil, err
		}
	}
	home, err := c.homeFolder()
	if err != nil {
		return nil, err
	}
	return c.settingsWith(home, map[string]string{"PKSA_UNLOCK": unlock})
}

// opening is how a backup is opened.
type opening struct {
	file     string
	take     func(backup.File, io.Reader) error
	keystore func(backup.Manifest) string // where take has put the keystore
}

// openBackup reads a backup to its end, and opens the keystore that was in it. The error says that
// the backup is not whole, not of that keystore, or opened by something else.
func (c *command) openBackup(ctx context.Context, cfg *config.Config, o opening) (*backup.Contents, *keystore.Store,
	error) {
	file, err := os.Open(o.file)
	if err != nil {
		return nil, nil, fmt.Errorf("the backup: %w", err)
	}
	defer file.Close()
	secret, err := c.unlockSecret(ctx, cfg)
	if err != nil {
		return nil, nil, hint(err, adviceBackupOpener)
	}
	defer secret.Wipe()
	unlock, err := c.unlockOf(ctx, secret)
	if err != nil {
		return nil, nil, fmt.Errorf("what %s delivers opens no backup: %w", unlockName(cfg.Unlock), err)
	}
	defer unlock.Wipe()
	from := c.counting(file)
	defer from.shown.clear()
	plain, err := keystore.Decrypt(bufio.NewReaderSize(from, 256<<10), unlock)
	if err != nil {
		return nil, nil, backupHint(o.file, err)
	}
	contents, err := backup.Read(plain, func(f backup.File, r io.Reader) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return o.take(f, r)
	})
	if err != nil {
		return nil, nil, backupHint(o.file, err)
	}
	store, err := keystore.Open(o.keystore(contents.Manifest), unlock)
	if err != nil {
		return nil, nil, backupHint(o.file, err)
	}
	if err := contents.Verify(store.LedgerMAC); err != nil {
		store.Close()
		return nil, nil, backupHint(o.file, err)
	}
	return contents, store, nil
}

// backupHint adds to an error of a backup what can be done about it.
func backupHint(file string, err error) error {
	switch {
	case errors.Is(err, keystore.ErrWrongPassphrase), errors.Is(err, keystore.ErrWrongIdentity),
		errors.Is(err, keystore.ErrWrongLock):
		return hint(fmt.Errorf("%s: what was given does not open it", file), adviceBackupOpener)
	case errors.Is(err, keystore.ErrDamaged):
		err = backup.ErrDamaged // the text of a keystore's damage would lead elsewhere
	}
	return fmt.Errorf("%s: %w", file, err)
}
