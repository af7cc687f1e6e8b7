package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"

	"pksa/keystore/access"
	"pksa/keystore/durable"
)

// boltStore is a store in one bbolt file, with the segments as files beside it. A bucket
// "NAME/MORE" is a bucket within a bucket. No other file of this package knows bbolt, but for the
// check of its pages.
type boltStore struct {
	segmentFiles
	path string

	// mu guards which file is open: open and close take it to swap the file, reads hold it.
	mu sync.RWMutex
	db *bolt.DB // nil while no file is open

	// Owned by whoever may call commit.
	secured bool // secure has succeeded since open, and no commit has failed since then
	failed  bool // a commit failed, and the file has not been rewritten since
	full    bool // a commit found no room, before it synced anything; the file is as it was

	unmapped time.Time // when the pages of the file were given back last
}

// unmapEvery is how often a busy store gives back the pages of its file. Without that all pages
// that were ever read would count as memory of the wallet, and those who send requests decide how
// large the file is.
const unmapEvery = time.Second

// newBoltStore returns the store at path, with segments of format 1 on a grid of so many records.
func newBoltStore(path string, disk durable.Disk, grid uint64) *boltStore {
	files := segmentFiles{filepath.Join(filepath.Dir(path), segmentFolder), disk, grid}
	return &boltStore{path: path, segmentFiles: files}
}

func (s *boltStore) create(first []edit, ready func() error) error {
	if _, err := os.Lstat(s.path); err == nil {
		return fmt.Errorf("%q: %w", s.path, ErrExists)
	}
	if err := access.Folder(filepath.Dir(s.path)); err != nil {
		return fmt.Errorf("creating ledger: %w", err)
	}
	if err := s.moveAway(); err != nil {
		return fmt.Errorf("creating ledger: %w", err)
	}
	// A crash before the link leaves no ledger, and afterwards a whole one: all of it is one commit
	// on a temporary file.
	temp := s.path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("creating ledger: %v", err)
	}
	db, err := openFile(temp)
	if err != nil {
		return err
	}
	err = errors.Join(db.Update(func(tx *bolt.Tx) error { return format(tx, first) }), db.Close())
	if err == nil {
		err = ready()
	}
	if err == nil {
		err = os.Link(temp, s.path) // as rename, but never over another ledger
	}
	_ = os.Remove(temp)
	if err != nil {
		return fmt.Errorf("creating ledger %q: %w", s.path, err)
	}
	return s.disk.SyncFolder(filepath.Dir(s.path))
}

// format makes the buckets, empty but for the first edits.
func format(tx *bolt.Tx, first []edit) error {
	for _, name := range allBuckets {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return makeEdits(tx, first)
}

func (s *boltStore) open() error {
	_ = s.close() // the error is of the file that is given up
	if _, err := os.Stat(s.path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%q: %w", s.path, ErrMissing)
	}
	if err := checkPlace(s.path); err != nil {
		return err
	}
	db, err := openFile(s.path)
	if err != nil {
		return err
	}
	s.swap(db)
	s.secured = false
	return nil
}

// checkPlace refuses a ledger that others could replace by an older one, and a folder in which they
// could do so to the mark and the segments. Its content is sealed, so others may read it.
func checkPlace(path string) error {
	err := access.Folder(filepath.Dir(path))
	if err == nil {
		err = access.Check(path, access.Decision)
	}
	if segments := filepath.Join(filepath.Dir(path), segmentFolder); err == nil {
		if err = access.Folder(segments); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("opening ledger %q: %w", path, err)
	}
	return nil
}

func (s *boltStore) swap(db *bolt.DB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db = db
}

func (s *boltStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return db.Close()
}

func (s *boltStore) secure() error {
	if s.db == nil {
		return ErrUnavailable
	}
	// What was read may be a commit that a crash cut off before its sync. To sync the file is
	// enough, unless a sync has failed: then the kernel may show pages that it will never write.
	// Windows renames no file over one that is open, so that a file there is never rewritten.
	if !s.failed && !wasteful(s.db) || runtime.GOOS == "windows" {
		return s.secureInPlace()
	}
	err := s.rewrite()
	if noRoom(err) && !s.failed {
		return s.secureInPlace() // the copy would only have made the file smaller
	}
	if err == nil {
		s.secured, s.failed, s.full = true, false, false
	}
	return err
}

// rewrite puts a copy of the file in its place.
func (s *boltStore) rewrite() error {
	used, _ := usage(s.db)
	if err := roomForCopy(used, s.path); err != nil {
		return err
	}
	db, err := rewrite(s.db, s.path, s.disk)
	s.swap(db)
	return copyFailed(used, s.path, err)
}

// secureInPlace makes durable what the file holds, without a copy of it.
func (s *boltStore) secureInPlace() error {
	if s.full {
		if err := findRoom(s.path, s.disk); err != nil {
			return err
		}
	}
	if err := s.db.Sync(); err != nil {
		s.failed = true // the next attempt copies the file
		return fmt.Errorf("ledger %q: %w", s.path, err)
	}
	s.secured, s.failed, s.full = true, false, false
	return nil
}

// rewrite copies the file and puts the copy in its place. After a failed sync the kernel may show
// pages that it will never write: a commit on top of them could be durable while they are not. The
// file that it returns is open; on an error that is the old one, unless the new one has its place.
func rewrite(old *bolt.DB, path string, disk durable.Disk) (*bolt.DB, error) {
	temp := path + ".new"
	if err := disk.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return old, err
	}
	fresh, err := openFile(temp)
	if err != nil {
		return old, err
	}
	err = compact(fresh, old)
	if err == nil {
		err = disk.Rename(temp, path) // both locks are held: no other copy gets in between
	}
	if err != nil {
		return old, errors.Join(err, fresh.Close(), disk.Remove(temp))
	}
	return fresh, errors.Join(disk.SyncFolder(filepath.Dir(path)), old.Close())
}

// compact copies what is in use. Each of its commits is synced.
func compact(to, from *bolt.DB) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	return bolt.Compact(to, from, 1<<20)
}

// copyTo writes the file as it is now to another path. It is no part of the store's contract: only
// a store in a file can be copied so.
func (s *boltStore) copyTo(path string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return ErrUnavailable
	}
	_, size := usage(s.db)
	if err := roomForCopy(size, path); err != nil {
		return err
	}
	return copyFailed(size, path, copyFile(s.db, path))
}

// copyFile writes a file as one transaction sees it. bolt.Compact, which would write less, is for
// files at rest: it writes the last pages when its transaction has ended, and a commit may have
// changed them by then.
func copyFile(from *bolt.DB, path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	// Not synced: a copy that a power cut spoils is of no use to anybody.
	return from.View(func(tx *bolt.Tx) error { return tx.CopyFile(path, 0o600) })
}

// wasteful reports whether most of a large file is free pages: it never shrinks by itself.
func wasteful(db *bolt.DB) bool {
	used, size := usage(db)
	return size > 64<<20 && used < size/4
}

// usage returns how many bytes of a file are in use, and how many it has.
func usage(db *bolt.DB) (used, size int64) {
	stats := db.Stats()
	_ = db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size - int64(stats.FreePageN)*int64(db.Info().PageSize), size
}

func (s *boltStore) commit(edits []edit) (err error) {
	if s.db == nil || !s.secured {
		return ErrUnavailable
	}
	// Whatever failed, even before anything was written: what bbolt holds in memory is not believed
	// any more.
	defer func() {
		if err != nil {
			s.secured = false
			s.full, s.failed = s.full || neverSynced(err), s.failed || !neverSynced(err)
		}
	}()
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // of use only if the commit was not tried
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	if err := makeEdits(tx, edits); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(s.unmapped) >= unmapEvery {
		s.unmapped = now
		// While a transaction is open, bbolt leaves the mapping where it is. Elsewhere the same
		// call would wipe memory. Without one nothing is given back until the next second.
		_ = s.db.View(func(tx *bolt.Tx) error {
			unmapPages(s.db.Info().Data, tx.Size())
			return nil
		})
	}
	return nil
}

func makeEdits(tx *bolt.Tx, edits []edit) error {
	for _, e := range edits {
		if err := makeEdit(tx, e); err != nil {
			return err
		}
	}
	return nil
}

func makeEdit(tx *bolt.Tx, e edit) error {
	b, err := bucketIn(tx, e.bucket)
	if err != nil {
		return err
	}
	switch {
	case e.act == actPut:
		if b == nil {
			if b, err = makeNested(tx, e.bucket); err != nil {
				return err
			}
		}
		return b.Put(e.key, e.value)
	case len(e.key) == 0 && e.act != actDrop:
		return bolterr.ErrKeyRequired
	case b == nil:
		return nil
	case e.act == actDelete:
		return b.Delete(e.key)
	case e.act == actDrop:
		return dropBucket(tx, e.bucket)
	}
	return errors.New("edit does nothing")
}

// bucketIn finds a bucket. It returns nil for a bucket within a bucket that has no keys.
func bucketIn(tx *bolt.Tx, name bucket) (*bolt.Bucket, error) {
	outer, inner, nested := strings.Cut(string(name), "/")
	b := tx.Bucket([]byte(outer))
	if b == nil {
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, outer)
	}
	if nested {
		return b.Bucket([]byte(inner)), nil
	}
	b.FillPercent = 0.9 // most keys come in order
	return b, nil
}

func makeNested(tx *bolt.Tx, name bucket) (*bolt.Bucket, error) {
	outer, inner, _ := strings.Cut(string(name), "/")
	return tx.Bucket([]byte(outer)).CreateBucket([]byte(inner))
}

// dropBucket removes a bucket that exists. Those that are not nested stay, empty: a file without
// them is damaged.
func dropBucket(tx *bolt.Tx, name bucket) error {
	outer, inner, nested := strings.Cut(string(name), "/")
	if nested {
		return tx.Bucket([]byte(outer)).DeleteBucket([]byte(inner))
	}
	if err := tx.DeleteBucket([]byte(outer)); err != nil {
		return err
	}
	_, err := tx.CreateBucket([]byte(outer))
	return err
}

func (s *boltStore) get(name bucket, key []byte) (value []byte, found bool, err error) {
	err = s.view(name, func(b *bolt.Bucket) {
		if v := b.Get(key); v != nil {
			value, found = append([]byte{}, v...), true // what bbolt shows is gone with the transaction
		}
	})
	return value, found, err
}

func (s *boltStore) list(name bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	err = s.view(name, func(b *bolt.Bucket) {
		c, size := b.Cursor(), 0
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if v == nil {
				continue // it is a bucket
			}
			if more = len(pairs) >= most || size >= listBytes; more {
				return
			}
			pairs = append(pairs, pair{append([]byte{}, k...), append([]byte{}, v...)})
			size += len(v)
		}
	})
	return pairs, more, err
}

// view reads in a bucket, unless it has no keys.
func (s *boltStore) view(name bucket, fn func(*bolt.Bucket)) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return ErrUnavailable
	}
	return s.db.View(func(tx *bolt.Tx) error {
		b, err := bucketIn(tx, name)
		if b != nil {
			fn(b)
		}
		return err
	})
}

// openFile opens the bbolt file under its lock, making it if it is not there.
func openFile(path string) (db *bolt.DB, err error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		if err := checkFile(path); err != nil {
			return nil, err
		}
	}
	var file *os.File
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
		Timeout:        time.Second,
		NoFreelistSync: true, // the list would be written with each commit, and a wrong one would be believed
		FreelistType:   bolt.FreelistMapType,
	})
	switch {
	case err == nil && !inPlace(file, path):
		// While we waited for the lock its holder put another file in place.
		return nil, errors.Join(fmt.Errorf("%q: %w", path, ErrLocked), db.Close())
	case err == nil:
		return db, nil
	case errors.Is(err, bolterr.ErrTimeout):
		return nil, fmt.Errorf("%q: %w", path, ErrLocked)
	case errors.Is(err, bolterr.ErrInvalid), errors.Is(err, bolterr.ErrChecksum),
		errors.Is(err, bolterr.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %q: %v; %s", ErrDamaged, path, err, restoreHint)
	}
	return nil, fmt.Errorf("opening ledger %q: %w", path, err)
}

// catch turns a panic of bbolt, or a fault in the file that it maps, into ErrDamaged: so it meets
// pages that read wrong later than at the start. It is deferred, with SetPanicOnFault in force.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v; %s", ErrDamaged, p, restoreHint)
	}
}

// inPlace reports whether an open file is the one that lies at path.
func inPlace(file *os.File, path string) bool {
	ours, err1 := file.Stat()
	there, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(ours, there)
}
