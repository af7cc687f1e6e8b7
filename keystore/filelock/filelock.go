// Package filelock takes a lock on an open file without waiting, with each system's own call.
// [Lock] is for one holder, [RLock] for several that only read.
//
// A lock belongs to the open file: closing it releases the lock, and so does the end of the
// process, however that comes. On Windows the lock is on one byte far beyond the end, the one that
// bbolt uses, so that the content stays readable; on other systems it is flock.
package filelock

import (
	"errors"
	"os"
)

// ErrLocked means that another open file holds a lock that does not go with the one wanted.
var ErrLocked = errors.New("locked by another process")

// Lock takes the lock of f for f alone. It returns [ErrLocked] if another one holds it.
func Lock(f *os.File) error { return lock(f, true) }

// RLock takes the lock of f, which others may hold by RLock as well. It returns [ErrLocked] if
// another one holds it by [Lock].
func RLock(f *os.File) error { return lock(f, false) }

// Unlock releases the lock of f.
func Unlock(f *os.File) error { return unlock(f) }
