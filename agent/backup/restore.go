package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"pksa/agent/ledger"
	"pksa/keystore/access"
	"pksa/keystore/durable"
	"pksa/keystore/filelock"
)

const (
	// stageName is the folder in which a home is put together.
	stageName = "restore.part"
	// readyName is a file beside it that says that the home is whole there.
	readyName = "restore.ready"
	// lockName is a file in it that is locked while somebody puts the home together.
	lockName = "lock"
)

// ErrNotEmpty means that a home folder holds something already.
var ErrNotEmpty = errors.New("is not empty: a backup is restored into an empty folder")

// Stage is a home that is being put together. Its methods are called one after the other.
type Stage struct {
	home string
	lock *os.File
}

// Begin makes the home folder, if it is missing, and a stage in it. The folder holds nothing but
// files of these names. What a killed restore has left is removed. [ErrNotEmpty].
func Begin(home string, besides ...string) (*Stage, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	if err := access.Folder(home); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); name != stageName && name != "lost+found" && !slices.Contains(besides, name) {
			return nil, fmt.Errorf("%s %w; there is %q", home, ErrNotEmpty, name)
		}
	}
	s := &Stage{home: home}
	if err := os.Mkdir(s.Folder(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if s.lock, err = os.OpenFile(filepath.Join(s.Folder(), lockName), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err := filelock.Lock(s.lock); err != nil {
		return nil, errors.Join(fmt.Errorf("another restore into %s goes on: %w", home, err), s.lock.Close())
	}
	ledger.Crashpoint("restore begun")
	if err := s.clear(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// clear removes what an earlier restore has left.
func (s *Stage) clear() error {
	entries, err := os.ReadDir(s.Folder())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.Folder(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Folder returns where the home is put together.
func (s *Stage) Folder() string { return filepath.Join(s.home, stageName) }

// Take writes a file of a backup into the stage, synced.
func (s *Stage) Take(f File, r io.Reader) error {
	path := filepath.Join(s.Folder(), filepath.FromSlash(f.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, r, make([]byte, 256<<10))
	if err == nil {
		err = out.Sync()
	}
	ledger.Crashpoint("restore wrote a file")
	return errors.Join(err, out.Close())
}

// Ready makes the stage the home: what is done after it is finished by [Finish], whatever happens.
func (s *Stage) Ready() error {
	folders := []string{s.Folder(), s.home}
	if audit := filepath.Join(s.Folder(), segmentFolder); isFolder(audit) {
		folders = append([]string{audit}, folders...)
	}
	for _, folder := range folders {
		if err := durable.SyncFolder(folder); err != nil {
			return err
		}
	}
	ledger.Crashpoint("restore not ready yet")
	if err := durable.Create(filepath.Join(s.home, readyName), []byte("This home is whole.\n")); err != nil {
		return err
	}
	ledger.Crashpoint("restore ready")
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Discard removes the stage, unless it is ready.
func (s *Stage) Discard() error {
	err := s.lock.Close()
	if _, ready := os.Lstat(filepath.Join(s.home, readyName)); ready == nil {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.Folder()))
}

// Finish moves what a restore has made ready into the home folder. It does nothing in every other
// home. Several programs may call it at once.
func Finish(home string) error {
	stage, ready := filepath.Join(home, stageName), filepath.Join(home, readyName)
	if _, err := os.Lstat(ready); err != nil {
		return nil // there is none, or it is not ready
	}
	entries, err := os.ReadDir(stage)
	if gone(err) != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := os.Rename(filepath.Join(stage, e.Name()), filepath.Join(home, e.Name())); gone(err) != nil {
			return fmt.Errorf("finishing a restore: %w", err)
		}
		ledger.Crashpoint("restore moved a file")
	}
	if err := durable.SyncFolder(home); err != nil {
		return fmt.Errorf("finishing a restore: %w", err)
	}
	// What says that it is ready goes last: without it, what is left would count as a stage that
	// was given up.
	for _, path := range []string{filepath.Join(stage, lockName), stage, ready} {
		if err := os.Remove(path); gone(err) != nil {
			return fmt.Errorf("finishing a restore: %w", err)
		}
		ledger.Crashpoint("restore tidied up")
	}
	return durable.SyncFolder(home)
}

// gone returns an error unless it says that another program was faster.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
