// Package durable writes whole files so that a power cut leaves the old file or the new one, and
// never a part of one. [Replace] puts new content in the place of a file, [Create] makes a file
// that must not exist yet, and [SyncFolder] makes the names in a folder outlive a power cut.
//
// # What a crash leaves
//
// Replace makes these system calls, in this order. After a crash that follows the call:
//
//  1. list the folder, remove what an earlier crash left there: the old file
//  2. create a temporary file ".NAME.new-…" in the same folder, mode 0600: the old file, and an
//     empty temporary file, which the next Replace removes
//  3. write the temporary file: the same, the temporary file with any part of the content
//  4. sync the temporary file, close it: the same, the temporary file is whole
//  5. rename the temporary file to the name: the new file, or after a power cut the old one; both
//     are whole, because the content was synced before it took the name
//  6. sync the folder: the new file
//
// Create makes these calls:
//
//  1. create the file, which fails if the name exists, mode 0600: an empty file
//  2. write it, sync it, close it: a file with any part of the content
//  3. sync the folder: the whole file
//
// A file that a crash cut short stays: the next Create refuses it as it refuses any other, and its
// owner removes it.
//
// # What it cannot promise
//
// A disk that reports a sync and has not done it loses what it lost. Windows has no call that syncs
// a folder: what a power cut leaves there, once the rename returned, is up to the file system's
// journal.
//
// # Faults
//
// Every system call goes through a field of [Disk], so that a test makes each of them fail; package
// durabletest does it.
package durable

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
)

// ErrInDoubt means that the new file was written whole, but the system reported an error while the
// file took its name or while the name was made durable. The name leads to the old file or to the
// new one, and to a whole file in either case; only reading it tells which.
var ErrInDoubt = errors.New("the old file or the new one is in place")

// temporaryMark stands in the names of temporary files, between the name of the file and a random
// end.
const temporaryMark = ".new-"

// Replace puts data in the place of the file at path, or makes the file, mode 0600, if there is
// none. If path is a symbolic link, the link is replaced. The caller makes sure that no other
// Replace of the same path runs at the same time, in this process or another one.
//
// After an error that is [ErrInDoubt] either file may be in place; after any other error the old
// one is.
func Replace(path string, data []byte) error { return System().Replace(path, data) }

// Create makes a file of mode 0600 that holds data and outlives a power cut. A file that exists is
// left alone: the error is fs.ErrExist. After any other error there is no file, unless the error
// says that one was left.
func Create(path string, data []byte) error { return System().Create(path, data) }

// SyncFolder makes the names in a folder outlive a power cut: what was created, renamed or removed
// there before. On Windows it does nothing.
func SyncFolder(dir string) error { return System().SyncFolder(dir) }

// Replace does what [Replace] does, on this disk.
func (d Disk) Replace(path string, data []byte) error {
	return d.ReplaceParts(path, func(yield func([]byte, error) bool) { yield(data, nil) })
}

// ReplaceParts does what [Replace] does, with content that comes in parts and is never held as a
// whole. An error among the parts ends it, and the old file stands.
func (d Disk) ReplaceParts(path string, parts iter.Seq2[[]byte, error]) error {
	dir, base := filepath.Dir(path), filepath.Base(path)
	d.removeLeftovers(dir, base)
	f, err := d.CreateTemp(dir, "."+base+temporaryMark+"*")
	if err != nil {
		return fmt.Errorf("writing beside %q: %w", path, err)
	}
	temp := f.Name()
	// The content is synced before it takes the name: after a power cut the name must not lead to a
	// file whose content never reached the disk.
	if err := writeSynced(f, parts); err != nil {
		_ = d.Remove(temp)
		return fmt.Errorf("writing %q: %w; the old file stands", temp, err)
	}
	if err := d.Rename(temp, path); err != nil {
		// Some file systems report an error for a rename that they did. If the temporary name still
		// exists, it was not done.
		if d.Exists(temp) {
			_ = d.Remove(temp)
			return fmt.Errorf("replacing %q: %w; the old file stands", path, err)
		}
		return fmt.Errorf("replacing %q: %w (%w)", path, ErrInDoubt, err)
	}
	// Until the folder is synced a power cut may bring the old file back. Success is reported only
	// after that.
	if err := d.SyncFolder(dir); err != nil {
		return fmt.Errorf("syncing %q: %w (%w)", dir, ErrInDoubt, err)
	}
	return nil
}

// Create does what [Create] does, on this disk.
func (d Disk) Create(path string, data []byte) error {
	f, err := d.CreateNew(path)
	if err != nil {
		return err
	}
	err = writeSynced(f, func(yield func([]byte, error) bool) { yield(data, nil) })
	if err == nil {
		err = d.SyncFolder(filepath.Dir(path))
	}
	if err == nil {
		return nil
	}
	// Nobody uses the file yet, and without it the caller can try again.
	if d.Remove(path) != nil {
		return fmt.Errorf("%w; remove %q, which may not be whole", err, path)
	}
	return err
}

// removeLeftovers removes the temporary files that earlier crashes left. An error does not matter
// here: a leftover takes room and no more, and the next Replace tries again.
func (d Disk) removeLeftovers(dir, base string) {
	names, err := d.List(dir)
	if err != nil {
		return
	}
	prefix := "." + base + temporaryMark
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && name != prefix {
			_ = d.Remove(filepath.Join(dir, name))
		}
	}
}

// writeSynced writes, syncs and closes f. It closes f whatever fails.
func writeSynced(f File, parts iter.Seq2[[]byte, error]) error {
	err := writeParts(f, parts)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func writeParts(f File, parts iter.Seq2[[]byte, error]) error {
	for part, err := range parts {
		if err != nil {
			return err
		}
		n, err := f.Write(part)
		if err == nil && n < len(part) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
	return nil
}
