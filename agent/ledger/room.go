package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pksa/keystore/durable"
)

// roomToGoOn is how much must fit beside the ledger before it goes on in place after the disk was
// full: a few hundred commits. Without a bound it would fail with each request anew.
const roomToGoOn = 1_000_000

// noRoomError reports that the disk is full, and how much room the ledger wants.
type noRoomError struct {
	path  string
	wants int64 // free, in bytes
	has   int64 // below zero: not known
	err   error
}

func (e *noRoomError) Error() string {
	has := ""
	if e.has >= 0 {
		has = fmt.Sprintf(", has %s", megabytes(e.has, false))
	}
	return fmt.Sprintf("ledger %q needs %s free on %q%s: %v", e.path, megabytes(e.wants, true), filepath.Dir(e.path),
		has, e.err)
}

func (e *noRoomError) Unwrap() error { return e.err }

// Is makes it [ErrNoRoom], whatever the system calls it.
func (e *noRoomError) Is(target error) bool { return target == ErrNoRoom }

// megabytes returns a size in MB, with one place, rounded up or down.
func megabytes(n int64, up bool) string {
	const tenth = 100_000
	if up {
		n += tenth - 1
	}
	return fmt.Sprintf("%d.%d MB", n/tenth/10, n/tenth%10)
}

// noRoom reports whether a file could not be written for want of room. bbolt keeps the text alone
// of some errors.
func noRoom(err error) bool {
	return err != nil && slices.ContainsFunc(noRoomErrors, func(code error) bool {
		return errors.Is(err, code) || strings.HasSuffix(err.Error(), ": "+code.Error())
	})
}

// neverSynced reports whether a commit failed for want of room before anything of it was synced.
// Then the kernel shows what it will write: nothing that it was told to write is lost. A failed
// sync leaves that open.
func neverSynced(err error) bool {
	var call *fs.PathError
	written := errors.As(err, &call) && call.Op == "write"
	return noRoom(err) && (written || strings.HasPrefix(err.Error(), "file resize error: "))
}

// findRoom returns a *noRoomError unless what the ledger wants to go on fits beside it, and so many
// bytes more, which it has still to write.
func findRoom(path string, more int64, disk durable.Disk) error {
	wants := roomToGoOn + more
	free := freeBytes(filepath.Dir(path))
	if free >= 0 && free < wants {
		return &noRoomError{path, wants, free, noRoomErrors[0]}
	}
	// Tried as well: quotas and limits do not show among the free blocks.
	temp := path + ".room"
	err := os.WriteFile(temp, []byte(strings.Repeat("room", int(wants/4))), 0o600)
	if err := disk.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ledger %q: %w", path, err)
	}
	switch {
	case noRoom(err):
		return &noRoomError{path, wants, free, err}
	case err != nil:
		return fmt.Errorf("ledger %q: %w", path, err)
	}
	return nil
}

// roomForCopy returns a *noRoomError unless a copy of what is in use fits beside a file. It is
// asked before the copy is tried: every second, while the disk is full.
func roomForCopy(used int64, path string) error {
	free := freeBytes(filepath.Dir(path))
	if free < 0 || free >= used+roomToGoOn {
		return nil
	}
	return &noRoomError{path, used + roomToGoOn, free, noRoomErrors[0]}
}

// copyFailed returns the error of a copy, with how much room it wants if that is what was missing.
func copyFailed(used int64, path string, err error) error {
	if !noRoom(err) {
		return err
	}
	return &noRoomError{path, used + roomToGoOn, freeBytes(filepath.Dir(path)), err}
}

// Free returns how many bytes are free on the disk of a folder; below zero if that is not known.
func Free(folder string) int64 { return freeBytes(folder) }
