package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"pksa/keystore/durable"
)

// Records of full segments leave the file once they are gathered: each segment is
// sealed whole into audit/NNNNNN beside the ledger, synced, and only then dropped from the file. A
// crash in between leaves both, and the segment is written once more.

var bucketSegment = []byte("segment") // names a segment's additional data; it is no bucket

// segmentFolder lies beside the ledger.
const segmentFolder = "audit"

func (l *Ledger) segmentFolder() string { return filepath.Join(filepath.Dir(l.path), segmentFolder) }

func (l *Ledger) segmentPath(index uint64) string {
	return filepath.Join(l.segmentFolder(), fmt.Sprintf("%06d", index))
}

// rotate moves the full segments whose records are gathered out of the file. What does not
// succeed is tried again with the next chores, not with every commit until then.
func (l *Ledger) rotate() {
	for l.db != nil && !l.stuck && l.oldest < l.segmentOf(l.state.gathered) {
		index := l.oldest
		if err := l.writeSegment(index); err != nil {
			l.stuck = true
			l.backlog.Store(&err)
			l.o.Logger.Error("audit segment was not written", "segment", index, "err", err)
			return
		}
		l.backlog.Store(nil)
		crashpoint("segment written")
		drop := &op{apply: func(b *batch) error { b.dropSegment(index); return nil }}
		l.commit([]*op{drop})
		if l.oldest == index {
			return // the commit did not succeed
		}
	}
}

// Backlog is why full segments of the audit trail could not be moved out of the ledger's file the
// last time, nil if they were. The ledger goes on without, but its file grows. It may be called
// concurrently.
func (l *Ledger) Backlog() error {
	if err := l.backlog.Load(); err != nil {
		return *err
	}
	return nil
}

// oldestRecord returns the number of the oldest record in the file; zero if there is none.
func oldestRecord(tx *bolt.Tx) (uint64, error) {
	key, _ := tx.Bucket(bucketAudit).Cursor().First()
	if key == nil {
		return 0, nil
	}
	number, err := numberOf(key)
	if err != nil {
		return 0, damaged(bucketAudit, key)
	}
	return number, nil
}

func (b *batch) dropSegment(index uint64) {
	cursor := b.tx.Bucket(bucketAudit).Cursor()
	var gone [][]byte
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		number, err := numberOf(key)
		if err != nil {
			b.fail(damaged(bucketAudit, key))
			return
		}
		if b.l.segmentOf(number) != index {
			break
		}
		gone = append(gone, append([]byte(nil), key...))
	}
	for _, key := range gone {
		b.delete(bucketAudit, key)
	}
	oldest, err := oldestRecord(b.tx)
	if err != nil {
		b.fail(err)
	}
	b.after = append(b.after, func(*state) { b.l.oldest = b.l.segmentOf(oldest) })
}

// writeSegment seals the records of a segment, without what they changed, into its file.
func (l *Ledger) writeSegment(index uint64) error {
	var list []stored
	err := l.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketAudit).Cursor()
		for key, sealed := cursor.First(); key != nil; key, sealed = cursor.Next() {
			s, err := l.vault.openRecord(key, sealed)
			if err != nil {
				return err
			}
			if l.segmentOf(s.Number) != index {
				break
			}
			list = append(list, s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.segmentFolder(), 0o700); err != nil {
		return err
	}
	// The folder's own name, too, must outlive a power cut before the records leave the ledger's
	// file.
	if err := durable.SyncFolder(filepath.Dir(l.path)); err != nil {
		return err
	}
	return replaceFile(l.segmentPath(index), l.vault.seal(bucketSegment, numberKey(index), encodeSegment(list)))
}

// replaceFile replaces a file whole.
func replaceFile(path string, content []byte) error {
	disk := durable.System()
	rename := disk.Rename
	disk.Rename = func(from, to string) error {
		crashpoint("file written")
		if err := rename(from, to); err != nil {
			return err
		}
		crashpoint("file in place")
		return nil
	}
	return disk.Replace(path, content)
}

var segmentName = regexp.MustCompile(`^[0-9]{6,19}$`)

// segments are the numbers of the segment files, lowest first.
func (l *Ledger) segments() ([]uint64, error) {
	entries, err := os.ReadDir(l.segmentFolder())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []uint64
	for _, e := range entries {
		index, err := strconv.ParseUint(e.Name(), 10, 64)
		if err == nil && segmentName.MatchString(e.Name()) && e.Type().IsRegular() {
			list = append(list, index)
		}
	}
	slices.Sort(list)
	return list, nil
}

// readSegment opens a segment file. The records are chained to one another by their own bytes;
// whether the first follows the segment before is the caller's to check.
func (l *Ledger) readSegment(index uint64) ([]stored, error) {
	sealed, err := os.ReadFile(l.segmentPath(index))
	if err != nil {
		return nil, err
	}
	plain, err := l.vault.open(bucketSegment, numberKey(index), sealed)
	if err != nil {
		return nil, err
	}
	list, err := l.vault.parseSegment(plain)
	if err != nil {
		return nil, damaged(bucketSegment, numberKey(index))
	}
	return list, nil
}

func encodeSegment(list []stored) []byte {
	w := writer{b: make([]byte, 0, len(list)*512)}
	w.byte(1)
	for i, s := range list {
		if i == 0 {
			w.fixed(s.prev[:])
		}
		w.uint(s.Number)
		w.bytes(s.encode())
	}
	return w.b
}

func (v *vault) parseSegment(plain []byte) (list []stored, err error) {
	r := reader{b: plain}
	r.version(1)
	var prev [32]byte
	copy(prev[:], r.take(32))
	for !r.bad && len(r.b) > 0 {
		s := stored{prev: prev}
		number := r.uint()
		body := r.take(r.uint())
		if r.bad {
			break
		}
		if s.Record, err = decodeRecord(number, body); err != nil {
			return nil, err
		}
		s.at = v.chain(prev, number, body, millis(s.Time))
		prev = s.at.mac
		list = append(list, s)
	}
	r.bad = r.bad || len(list) == 0
	return list, r.end()
}

// setAside renames segments that a restored ledger has not reached: they tell of what is lost, and
// their names are needed. It returns the number of the last record that they may hold, zero if
// there are none.
func (l *Ledger) setAside(last uint64) (uint64, error) {
	all, err := l.segments()
	if err != nil {
		return 0, err
	}
	var end uint64
	for _, index := range all {
		if index < l.segmentOf(last+1) {
			continue
		}
		if err := os.Rename(l.segmentPath(index), l.segmentPath(index)+".lost"); err != nil {
			return 0, err
		}
		end = (index + 1) * l.o.segment
	}
	if end == 0 {
		return 0, nil
	}
	return end, durable.SyncFolder(l.segmentFolder()) // or their old names come back in between new ones
}

// leaveSegments moves the segments of an earlier ledger out of the way of a new one, whose numbers
// begin anew.
func leaveSegments(home string) error {
	folder := filepath.Join(home, segmentFolder)
	if _, err := os.Lstat(folder); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for n := 1; ; n++ {
		old := fmt.Sprintf("%s.old-%d", folder, n)
		if _, err := os.Lstat(old); errors.Is(err, os.ErrNotExist) {
			return os.Rename(folder, old)
		} else if err != nil {
			return err
		}
	}
}

// retain removes the oldest segment files, if the settings say so.
func (l *Ledger) retain() {
	if l.o.KeepSegments <= 0 && l.o.KeepFor <= 0 {
		return
	}
	all, err := l.segments()
	if err != nil {
		l.o.Logger.Error("audit segments cannot be listed", "err", err)
		return
	}
	n := 0
	for n < len(all) && l.outlived(all[n:]) {
		n++
	}
	if n == 0 || !l.noteKept(all[n:]) {
		return
	}
	for _, index := range all[:n] {
		if err := os.Remove(l.segmentPath(index)); err != nil {
			l.o.Logger.Error("audit segment was not removed", "segment", index, "err", err)
			return
		}
		l.o.Logger.Info("audit segment removed, as the settings say", "segment", index)
	}
}

// noteKept commits with which record the trail begins when only these segments are left, before the
// others go: what is missing besides was removed by somebody else. False if the commit did not
// succeed.
func (l *Ledger) noteKept(left []uint64) bool {
	first, err := l.firstRecord(left)
	if err != nil {
		l.o.Logger.Error("audit segments are not removed, as the trail cannot be read", "err", err)
		return false
	}
	if first > l.state.kept {
		l.commit([]*op{{apply: func(b *batch) error { b.keepFrom(first); return nil }}})
	}
	return l.state.kept >= first
}

// firstRecord is the number of the first record in these segments, or if there are none, in the
// ledger's file.
func (l *Ledger) firstRecord(segments []uint64) (uint64, error) {
	if len(segments) > 0 {
		list, err := l.readSegment(segments[0])
		if err != nil { // it is damaged: that shows by itself
			return segments[0]*l.o.segment + 1, nil
		}
		return list[0].Number, nil
	}
	w := walk{l: l, next: 1}
	list, err := w.inFile(false)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[0].Number, nil
}

func (b *batch) keepFrom(first uint64) {
	var w writer
	w.uint(first)
	b.put(bucketMeta, metaKept, w.b)
	b.after = append(b.after, func(st *state) { st.kept = first })
}

func (l *Ledger) keptFrom() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.kept
}

// outlived says whether the oldest of these segments has been kept for long enough.
func (l *Ledger) outlived(all []uint64) bool {
	if l.o.KeepSegments > 0 && len(all) > l.o.KeepSegments {
		return true
	}
	if l.o.KeepFor <= 0 {
		return false
	}
	info, err := os.Stat(l.segmentPath(all[0]))
	return err == nil && l.now().Sub(info.ModTime()) > l.o.KeepFor
}
