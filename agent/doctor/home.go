package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"pksa/agent"
	"pksa/agent/ledger"
	"pksa/keystore"
	"pksa/keystore/access"
)

// home looks at the folder and the files in it: owner, and who else may read or change them.
func (e *examiner) home(context.Context) bool {
	cfg := e.o.Config
	keepers := access.Administered(cfg.Home)
	folder := access.Folder(cfg.Home, keepers...)
	if !sameFault(e.o.Unusable, folder) || e.status == nil && e.running == nil {
		e.cannotStart(e.o.Unusable, "it goes on with the settings that it has", "mend them before the next restart")
	}
	e.cannotStart(e.o.Missing, "it has its keys in memory", "do not stop it before that is mended: put what is "+
		"missing back from where it was moved, or from a backup")
	if (e.o.Unusable != nil || e.o.Missing != nil) && e.status == nil && e.running == nil {
		return true // what else is there means nothing yet
	}
	e.fault(folder, "others could put files in the place of the wallet's")
	for _, file := range []struct {
		path    string
		kind    access.Kind
		meaning string
	}{
		{filepath.Join(cfg.Home, "config.yaml"), access.Decision,
			"others decide where the wallet connects to: a start would fail"},
		{cfg.Policy, access.Decision, "others decide what is signed: a start would fail"},
		{cfg.Ledger, access.Written, "others decide what was answered, and which apps there are"},
	} {
		if err := access.Check(file.path, file.kind, keepers...); !errors.Is(err, fs.ErrNotExist) {
			e.fault(err, file.meaning)
		}
	}
	e.readable(keepers)
	e.written()
	e.noSettings()
	for _, w := range cfg.Warnings {
		e.found(Finding{Level: Warning, What: w.Text, Where: w.Where, Meaning: "the setting is taken all the same",
			Next: "change it in config.yaml, or in the environment of the wallet"})
	}
	return true
}

// readable looks whether others can read what the wallet keeps: none of it is a secret by itself,
// since it is sealed; but it names apps, and shows when the wallet was at work. In a folder that
// others cannot enter modes of files mean nothing.
func (e *examiner) readable(keepers []uint32) {
	if access.Check(e.o.Config.Home, access.Kept, keepers...) == nil {
		return
	}
	audit := filepath.Join(filepath.Dir(e.o.Config.Ledger), "audit")
	for _, path := range []string{e.o.Config.Ledger, audit} {
		var open *access.Error
		if !errors.As(access.Check(path, access.Kept, keepers...), &open) || open.Want == 0 ||
			slices.Contains(e.refused, path) || path == audit && open.Mode&0o044 == 0 {
			continue
		}
		next := "chmod 600 " + path
		if path == audit {
			next = "chmod 700 " + path
		}
		e.found(Finding{Level: Warning, Where: path, What: "other users of this machine can read it",
			Meaning: "what was asked and answered is sealed; the names of apps, and when the wallet worked, are not",
			Next:    next + "; or close the home folder to others: chmod 700 " + e.o.Config.Home})
	}
}

// written compares the settings that are written with those of the running agent.
func (e *examiner) written() {
	if e.status == nil || e.status.Settings == nil {
		return
	}
	s := e.status.Settings
	var names []string
	for _, d := range s.Differ {
		names = append(names, d.Path)
	}
	f := Finding{Level: Warning, Where: filepath.Join(e.o.Config.Home, "config.yaml"),
		What:    "settings are written otherwise than they are in force: " + strings.Join(names, ", "),
		Meaning: "the running wallet goes on with those in force",
		Next: "see both by `pksa config show`; `pksa reload` takes over what can change while it runs, a restart the " +
			"rest"}
	switch {
	case s.Gone:
		f.Level, f.What = Error, "config.yaml is gone, and the running wallet has settings from it: "+
			strings.Join(names, ", ")
		f.Meaning = "the next start would take the defaults in their place"
		f.Next = "put it back; `pksa config show` shows what is in force and is not written any more"
	case s.Failed != "" && e.o.Unusable != nil: // which says what is wrong with them now
		return
	case s.Failed != "":
		f.What, f.Meaning = "the last reload changed nothing: "+s.Failed,
			"the running wallet goes on with the settings of before"
		f.Next = "mend that until `pksa config check` finds no error, then `pksa reload`"
	case len(names) == 0:
		return
	}
	e.found(f)
}

// noSettings adds a note if there is no config.yaml. That may be meant so, and nobody can tell:
// `pksa init` writes one, and variables can say all. Of a running agent it is known whether it had
// one.
func (e *examiner) noSettings() {
	path := filepath.Join(e.o.Config.Home, "config.yaml")
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) || e.status != nil && e.status.Settings != nil {
		return
	}
	e.found(Finding{Level: Note, Where: path,
		What:    "config.yaml is not there: what no variable PKSA_… sets is the default",
		Meaning: "if there was one, its nodes, relays and bounds do not hold",
		Next:    "put it back if it was lost; if it is not there on purpose, an empty one ends this note"})
}

// sameFault reports whether two errors are about the owner or mode of the same file or folder.
func sameFault(one, other error) bool {
	var a, b *access.Error
	return errors.As(one, &a) && errors.As(other, &b) && a.Path == b.Path
}

// cannotStart adds why a start would fail. Where an agent runs, that is told with what it does now,
// and with what to do then: the advice for a wallet that stands still would do harm.
func (e *examiner) cannotStart(err error, now, next string) {
	switch {
	case err == nil:
	case e.status == nil && e.running == nil:
		e.fault(err, "a start would fail")
	default:
		e.found(Finding{Level: Error, What: err.Error(), Where: e.o.Config.Home,
			Meaning: "the running wallet does not need it: " + now + "; the next start would fail", Next: next})
	}
}

// unlock looks at what opens the keystore, without reading it, and at the keystore's file.
func (e *examiner) unlock(ctx context.Context) bool {
	cfg := e.o.Config
	keepers := access.Administered(cfg.Home) // a start by root is refused when the keystore is opened
	source, err := keystore.ParseSource(cfg.Unlock)
	if err == nil {
		err = source.Check(keepers...)
	}
	if err != nil && e.status == nil && e.running == nil && !errors.As(err, new(*access.Error)) {
		// A start meets it, too, and knows more about it.
		e.keys, err = e.o.OpenKeys(ctx)
		e.closed = err != nil
	}
	if e.status != nil && len(keepers) > 0 && errors.Is(err, fs.ErrNotExist) {
		err = nil // root looks at another user's wallet, whose unit may give it to that alone
	}
	e.fault(err, "what opens the keystore cannot be read: a start would fail")
	e.fault(access.Check(cfg.Keystore, access.Kept, keepers...), "the keystore cannot be read: a start would fail")
	return true
}

// keystore opens the keystore, unless an agent runs, or may run, that has opened it.
func (e *examiner) keystore(ctx context.Context) bool {
	if e.status != nil || e.running != nil || e.closed {
		return false // whoever runs holds the ledger
	}
	if e.keys == nil {
		var err error
		if e.keys, err = e.o.OpenKeys(ctx); err != nil {
			e.fault(err, "a start would fail, and nothing that the ledger holds can be read")
			return true
		}
	}
	if len(e.keys.Accounts()) == 0 {
		e.found(Finding{Level: Error, What: "no keys are held", Where: e.o.Config.Keystore,
			Meaning: "nothing can be answered", Next: nextImport})
	}
	return true
}

const meaningPolicy = "a rule may not do what it says"

// Advice that names a command.
const (
	nextImport = "a first key comes in by `pksa keys import ACCOUNT --role posting --from prompt`"
	nextApp    = "a first app is made by `pksa app add NAME`"
	nextRotate = "another secret for it comes from `pksa app rotate NAME`"
	nextKeys   = "if the key was changed on the chain, put the new one in its place: `pksa keys import --help` " +
		"shows --replace"
	nextApproval   = "say yes on the page of the console, or put the file back that is in force"
	nextWanted     = "enrol an approver for the present address, and run `pksa reload`; the log says what is lacking"
	nextPolicy     = "mend it there, or say there that it is meant so; examples/docs/policy.md tells how"
	nextTests      = "mend the policy or its tests until `pksa policy test` passes, then `pksa policy reload`"
	nextPolicyLost = "put a copy of it back; without one, `pksa init` writes one that allows nothing yet"
	nextMend       = "mend the file until `pksa policy check` finds no error"
	nextGuard      = "see by `pksa guard list` what changed; if it was you, `pksa guard accept ACCOUNT` takes it for " +
		"right; if not, change the account's keys with its owner key"
	nextLimit = "see by `pksa limit list` what counted; the limit frees itself as time passes"
	nextQuiet = "find out whether the relay or the application is at fault; `pksa session release --help` tells " +
		"how it ends"
)

// ledgerState opens the ledger, which compares it with its mark, unless an agent runs.
func (e *examiner) ledgerState(context.Context) bool {
	if e.keys == nil || e.away {
		return false
	}
	l, err := e.o.OpenLedger(e.keys)
	switch {
	case errors.Is(err, ledger.ErrLocked):
		e.found(Finding{Level: Error, What: err.Error(), Where: e.o.Config.LedgerPlace(),
			Meaning: "another pksa works with it, and " + e.o.Config.Control + " leads to no agent",
			Next: "if an agent starts or stops just now, or a command works there, look again when it is done; if an " +
				"agent runs, let the setting control be what it was at its start, or stop it by its process"})
		return true
	case errors.Is(err, ledger.ErrRestored):
		e.fault(err, "a start would fail: nobody knows whether this is all that the wallet has answered")
		return true
	case err != nil:
		e.fault(err, "a start would fail: without its ledger the wallet does not know what it has answered")
		return true
	}
	e.ledger = l
	e.fault(l.Err(), "nothing can be recorded, so nothing is signed")
	if err := agent.CheckYield(l); err != nil {
		e.found(Finding{Level: Error, What: err.Error(), Where: e.o.Config.LedgerPlace(), Meaning: "it does not start",
			Next: "find the other copy; examples/docs/moving.md tells how one of the two goes on"})
	}
	e.judgeTrail(l.Backlog(), l.Spared())
	if ahead := time.Until(l.Now()); ahead > 5*time.Minute {
		e.found(Finding{Level: Error, What: fmt.Sprintf("the ledger's last record is %s in the future",
			ahead.Round(time.Minute)), Where: e.o.Config.LedgerPlace(), Meaning: "no nonce is new until then",
			Next: "set the clock right; if it is, examples/docs/operating.md tells how the ledger is led back"})
	}
	if len(l.Slots()) == 0 {
		e.found(Finding{Level: Note, What: "there is no app", Meaning: "nobody can log in by a secret", Next: nextApp})
	}
	return true
}

// judgeTrail judges the full segments of the audit trail.
func (e *examiner) judgeTrail(backlog error, spared bool) {
	where := e.o.Config.Database
	if where == "" {
		where = filepath.Join(filepath.Dir(e.o.Config.Ledger), "audit")
	}
	if backlog != nil {
		e.found(Finding{Level: Warning, What: fmt.Sprintf("full segments of the audit trail stay in the ledger: %v",
			backlog),
			Where:   where,
			Meaning: "the ledger grows with each request",
			Next:    "make room on the disk, and let the wallet write into the folder"})
	}
	if spared {
		e.found(Finding{Level: Warning, What: "the audit trail has more than audit.max is by default",
			Meaning: "nothing is removed for its size", Next: "set audit.max in config.yaml"})
	}
}

// The bounds of what the disk is expected to do.
const (
	slowSync  = 100 * time.Millisecond // every decision waits for one sync
	scarce    = 256 << 20              // bytes free
	tooScarce = 8 << 20
	syncTries = 5
)

// disk measures how long the disk takes to keep something, and how much room there is.
func (e *examiner) disk(context.Context) bool {
	folder := filepath.Dir(e.o.Config.Ledger)
	took, err := e.o.Sync(folder)
	if err == nil && e.o.Config.Database != "" {
		return true // it keeps the mark, for which no request waits, and which does not grow
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false // said by an earlier check
	case err != nil && e.fixed && errors.Is(err, syscall.EROFS):
		return true // so was this
	case err != nil:
		f := Finding{Level: Error, What: err.Error(), Where: folder,
			Meaning: "nothing can be recorded, so nothing is signed",
			Next: "the folder has to be on a disk with room that this user may write: no read-only volume, no " +
				"quota that is used up"}
		if e.status != nil && len(e.status.NotReady) == 0 { // there is room within the ledger's file
			f.Meaning = "the running wallet goes on while its ledger need not grow, and then signs nothing"
		}
		e.found(f)
		return true // how much is free is the same fault
	case took > slowSync:
		e.found(Finding{Level: Warning, What: fmt.Sprintf("the disk takes %d ms to keep a record", took.Milliseconds()),
			Where: folder, Meaning: "every request waits that long at least",
			Next: "put the ledger on a local disk; a network disk or a card of flash memory is slow"})
	}
	free := ledger.Free(folder)
	f := Finding{What: fmt.Sprintf("%d MB are free", free/1_000_000), Where: folder,
		Meaning: "while the disk is full nothing is recorded, and nothing signed",
		Next:    "make room, or bound the audit trail by audit.max"}
	switch {
	case free >= 0 && free < tooScarce:
		f.Level = Error
		e.found(f)
	case free >= 0 && free < scarce:
		f.Level = Warning
		e.found(f)
	}
	return true
}

// syncTime returns how long the disk of a folder takes to keep a few bytes: the median of some
// tries.
func syncTime(folder string) (time.Duration, error) {
	if _, err := os.Stat(folder); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(folder, ".pksa-doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range syncTries {
		begun := time.Now()
		if _, err := f.Write(bytes.Repeat([]byte{1}, 4096)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
