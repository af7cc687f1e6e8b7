package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"pksa/keystore/durable"
)

// segmentFolder is the folder of the segment files, beside the ledger's file.
const segmentFolder = "audit"

// segmentFiles keeps segments as files NNNNNN in a folder of their own.
type segmentFiles struct {
	folder string
	disk   durable.Disk
}

func (f *segmentFiles) pathOf(index uint64) string {
	return filepath.Join(f.folder, fmt.Sprintf("%06d", index))
}

func (f *segmentFiles) writeSegment(index uint64, content []byte) error {
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return err
	}
	// The folder's own name, too, must outlive a power cut before the records leave the ledger's
	// file.
	if err := f.disk.SyncFolder(filepath.Dir(f.folder)); err != nil {
		return err
	}
	return f.disk.Replace(f.pathOf(index), content)
}

func (f *segmentFiles) readSegment(index uint64) ([]byte, error) { return os.ReadFile(f.pathOf(index)) }

var segmentName = regexp.MustCompile(`^[0-9]{6,19}$`)

func (f *segmentFiles) segments() ([]segmentInfo, error) {
	entries, err := os.ReadDir(f.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []segmentInfo
	for _, e := range entries {
		index, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil || !segmentName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, segmentInfo{index, info.ModTime()})
	}
	slices.SortFunc(list, func(a, b segmentInfo) int { return cmp.Compare(a.index, b.index) })
	return list, nil
}

func (f *segmentFiles) removeSegment(index uint64) error {
	return unlessMissing(f.disk.Remove(f.pathOf(index)))
}

// retireSegment renames the file, because its name is needed for another segment.
func (f *segmentFiles) retireSegment(index uint64) error {
	if err := f.disk.Rename(f.pathOf(index), f.pathOf(index)+".lost"); err != nil {
		return unlessMissing(err)
	}
	return f.disk.SyncFolder(f.folder) // or the old name comes back in between new ones
}

func unlessMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// moveAway moves the segments of an earlier ledger aside. A new ledger counts its segments from
// zero.
func (f *segmentFiles) moveAway() error {
	if _, err := os.Lstat(f.folder); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for n := 1; ; n++ {
		old := fmt.Sprintf("%s.old-%d", f.folder, n)
		if _, err := os.Lstat(old); errors.Is(err, os.ErrNotExist) {
			return os.Rename(f.folder, old)
		} else if err != nil {
			return err
		}
	}
}

// crashing adds the crash points to the call that puts a file in its place.
func crashing(d durable.Disk) durable.Disk {
	rename := d.Rename
	d.Rename = func(from, to string) error {
		crashpoint("file written") // on disk: the old file, and the new one under a name of its own
		if err := rename(from, to); err != nil {
			return err
		}
		crashpoint("file in place") // on disk: the new file, or after a power cut the old one
		return nil
	}
	return d
}
