package keystore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// lockWait is how long a change waits for another process's; each takes a fraction of a second.
	lockWait = 5 * time.Second
	lockPoll = 50 * time.Millisecond

	temporaryMark = ".new-"
)

// disk is the file operations that change something, replaceable so that tests can make each of
// them fail, done or not done.
type disk struct {
	create     func(dir, pattern string) (diskFile, error)
	rename     func(from, to string) error
	syncFolder func(dir string) error
}

type diskFile interface {
	io.WriteCloser
	Sync() error
	Name() string
}

func realDisk() disk {
	return disk{
		// os.CreateTemp makes files of mode 0600.
		create:     func(dir, pattern string) (diskFile, error) { return os.CreateTemp(dir, pattern) },
		rename:     os.Rename,
		syncFolder: syncFolder,
	}
}

// replace puts data in the place of path, whole. The order is what makes it safe: the new file is
// synced before it takes the name, so that after a crash the name leads to either the whole old
// file or the whole new one; the folder is synced before success is reported, so that the new one
// stays. The caller holds the lock of path.
func (d disk) replace(path string, data []byte) error {
	dir, base := filepath.Split(path)
	removeLeftovers(dir, base)
	f, err := d.create(dir, "."+base+temporaryMark+"*")
	if err != nil {
		return fmt.Errorf("writing beside %q: %w", path, err)
	}
	name := f.Name()
	if err := writeSynced(f, data); err != nil {
		_ = os.Remove(name)
		return fmt.Errorf("writing %q: %w; the old file stands", name, err)
	}
	if err := d.rename(name, path); err != nil {
		if _, gone := os.Lstat(name); gone == nil {
			_ = os.Remove(name)
			return fmt.Errorf("replacing %q: %w; the old file stands", path, err)
		}
		return fmt.Errorf("replacing %q: %w (%v)", path, ErrInDoubt, err)
	}
	if err := d.syncFolder(dir); err != nil {
		return fmt.Errorf("syncing %q: %w (%v)", dir, ErrInDoubt, err)
	}
	return nil
}

// removeLeftovers removes what a crash between create and rename left. It is encrypted like the
// file itself.
func removeLeftovers(dir, base string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	prefix := "." + base + temporaryMark
	for _, entry := range entries {
		if name := entry.Name(); len(name) > len(prefix) && name[:len(prefix)] == prefix {
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
}

// writeSynced writes, syncs and closes f, whatever fails.
func writeSynced(f diskFile, data []byte) error {
	n, err := f.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// folderOf is the folder of path as the disk sees it, never empty.
func folderOf(path string) string { return filepath.Dir(path) }

// lockFile takes the lock that every change of path holds: flock on "PATH.lock", which the system
// drops when the process ends however that happens. The lock file stays: removing it would let two
// processes lock two files of the same name.
func lockFile(path string) (release func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %q: %w", path, err)
	}
	deadline := time.Now().Add(lockWait)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			_ = f.Close()
			return nil, fmt.Errorf("locking %q: %w", path, err)
		case !time.Now().Before(deadline):
			_ = f.Close()
			return nil, fmt.Errorf("keystore %q: %w", path, ErrBusy)
		}
		time.Sleep(lockPoll)
	}
}
