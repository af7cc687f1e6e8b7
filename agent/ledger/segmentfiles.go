package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"pksa/keystore/durable"
	"pksa/protocol/sorts"
)

// segmentFolder is the folder of the segment files, beside the ledger's file.
const segmentFolder = "audit"

// segmentFiles keeps segments as files in a folder of their own.
type segmentFiles struct {
	folder string
	disk   durable.Disk
	grid   uint64 // records in a segment of format 1
}

func (f *segmentFiles) pathOf(id segmentID) string { return filepath.Join(f.folder, id.name()) }

func (f *segmentFiles) writeSegment(id segmentID, content iter.Seq2[[]byte, error]) error {
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return err
	}
	// The folder's own name, too, must outlive a power cut before the records leave the ledger's
	// file.
	if err := f.disk.SyncFolder(filepath.Dir(f.folder)); err != nil {
		return err
	}
	f.removeLeftovers()
	return f.disk.ReplaceParts(f.pathOf(id), content)
}

// removeLeftovers removes what crashes left of segments that were being written, also of those that
// end elsewhere now: one may be as large as the trail. An error does not matter here: it takes room
// and no more.
func (f *segmentFiles) removeLeftovers() {
	names, err := f.disk.List(f.folder)
	if err != nil {
		return
	}
	for _, name := range names {
		if temporaryName.MatchString(name) {
			_ = f.disk.Remove(filepath.Join(f.folder, name))
		}
	}
}

func (f *segmentFiles) readSegment(id segmentID, from, most int64) ([]byte, error) {
	file, err := os.Open(f.pathOf(id))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(max(info.Size()-from, 0), most))
	n, err := file.ReadAt(b, from)
	if errors.Is(err, io.EOF) {
		err = nil // shorter than it was a moment ago: that shows by itself
	}
	return b[:n], err
}

var (
	wholeName     = regexp.MustCompile(`^[0-9]{6,19}$`)
	segmentName   = regexp.MustCompile(`^([0-9]{12,19})-([0-9]{12,19})$`)
	temporaryName = regexp.MustCompile(`^\.[0-9]{6,19}(-[0-9]{12,19})?\.new-`)
)

// parseName returns the segment of a file's name. It returns false for the name of another file.
func (f *segmentFiles) parseName(name string) (id segmentID, ok bool) {
	if index, err := strconv.ParseUint(name, 10, 64); err == nil && wholeName.MatchString(name) {
		id = gridSegment(index, f.grid)
		return id, index < math.MaxUint64/f.grid && id.name() == name
	}
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return id, false
	}
	var err1, err2 error
	id.first, err1 = strconv.ParseUint(m[1], 10, 64)
	id.last, err2 = strconv.ParseUint(m[2], 10, 64)
	return id, err1 == nil && err2 == nil && 0 < id.first && id.first <= id.last && id.name() == name
}

func (f *segmentFiles) segments() ([]segmentInfo, error) {
	entries, err := os.ReadDir(f.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []segmentInfo
	for _, e := range entries {
		id, ok := f.parseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, segmentInfo{id, info.Size(), info.ModTime()})
	}
	sortSegments(list)
	return list, nil
}

// sortSegments puts segments in the order of their records.
func sortSegments(list []segmentInfo) {
	sorts.By(list, func(a, b segmentInfo) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
}

func (f *segmentFiles) removeSegment(id segmentID) error {
	return unlessMissing(f.disk.Remove(f.pathOf(id)))
}

// retireSegment renames the file, because its name is needed for another segment.
func (f *segmentFiles) retireSegment(id segmentID) error {
	if err := f.disk.Rename(f.pathOf(id), f.pathOf(id)+".lost"); err != nil {
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

// crashing adds the crash points to the calls that change names, and make them durable.
func crashing(d durable.Disk) durable.Disk {
	rename, remove, sync := d.Rename, d.Remove, d.SyncFolder
	d.Rename = func(from, to string) error {
		crashpoint("file written") // on disk: the old file, and the new one under a name of its own
		if err := rename(from, to); err != nil {
			return err
		}
		crashpoint("file in place") // on disk: the new file, or after a power cut the old one
		return nil
	}
	d.Remove = func(path string) error {
		err := remove(path)
		crashpoint("file removed")
		return err
	}
	d.SyncFolder = func(dir string) error {
		err := sync(dir)
		crashpoint("folder synced") // on disk: what was put in its place before
		return err
	}
	return d
}
