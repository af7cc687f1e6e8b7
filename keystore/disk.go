package keystore

import (
	"errors"
	"fmt"
	"os"
	"time"

	"pksa/keystore/durable"
	"pksa/keystore/filelock"
)

const (
	// lockWait is how long a change waits for a change of another process, which takes less than a
	// second.
	lockWait = 5 * time.Second
	lockPoll = 50 * time.Millisecond
)

// replace puts data in the place of path. The caller holds the lock of path.
func replace(disk durable.Disk, path string, data []byte) error {
	err := marked(disk).Replace(path, data)
	if errors.Is(err, durable.ErrInDoubt) {
		return fmt.Errorf("%w (%v)", ErrInDoubt, err)
	}
	return err
}

// lockFile takes the lock that every change of path holds: that of the file "PATH.lock", which the
// system releases when the process ends, however that comes. The lock file stays: removing it would
// let two processes lock two files of the same name.
func lockFile(path string) (release func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %q: %w", path, err)
	}
	deadline := time.Now().Add(lockWait) // real time: the lock is another process's
	for {
		err := filelock.Lock(f)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case !errors.Is(err, filelock.ErrLocked):
			_ = f.Close()
			return nil, fmt.Errorf("locking %q: %w", path, err)
		case !time.Now().Before(deadline):
			_ = f.Close()
			return nil, fmt.Errorf("keystore %q: %w", path, ErrBusy)
		}
		time.Sleep(lockPoll)
	}
}
