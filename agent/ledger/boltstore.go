package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	mu   sync.RWMutex
	db   *bolt.DB // nil while no file is open
	file *os.File // the one that db has

	// over guards what reads see of the journal. Only whoever may call commit changes it, and holds
	// the lock for that alone, so it reads it without.
	over    sync.RWMutex
	journal journal

	// Set before open only.
	journalAfter int                  // so many commits after open the file gets a journal
	journalSize  int64                // its bytes
	sync         func(*bolt.DB) error // makes durable what was written to the journal

	commits int  // since open, while there is no journal
	average int  // bytes of the last commits that could be in the journal
	busy    bool // those were large: the journal rests

	// Owned by whoever may call commit.
	secured bool // secure has succeeded since open, and no commit has failed since then
	failed  bool // a commit failed, and the file has not been rewritten since
	full    bool // a commit found no room, before it synced anything; the file is as it was

	touched atomic.Int64 // places of the mapped file, looked at since its pages were given back
}

// unmapAfter is after how many places a store gives back the pages of its file. Without that all
// pages that were ever read would count as memory of the wallet, and those who send requests decide
// how large the file is. A place brings the pages around it, of 64 KiB together, and a busy wallet
// looks at hundreds of places in one commit.
const unmapAfter = 64

// newBoltStore returns the store at path, with segments of format 1 on a grid of so many records.
func newBoltStore(path string, disk durable.Disk, grid uint64) *boltStore {
	files := segmentFiles{filepath.Join(filepath.Dir(path), segmentFolder), disk, grid}
	return &boltStore{path: path, segmentFiles: files, journalAfter: journalAfter, journalSize: journalSize,
		sync: (*bolt.DB).Sync}
}

// A file gets its journal when a wallet is at work. One that does little has no use for it: its
// folder would have megabytes more.
const (
	journalAfter = 256
	journalSize  = 4 << 20
)

// The buckets of the store's own. The area has a bucket for itself: bbolt writes a page anew
// whenever something changes in it, and the area is a page of its bucket.
const (
	bucketTurn bucket = "journal"      // keyTurn → the turn of the journal that bbolt has not taken over
	bucketArea bucket = "journal area" // keyArea → the area, from its first whole page on
)

var (
	keyTurn = []byte("turn")
	keyArea = []byte("area")
)

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
	db, _, err := openFile(temp)
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
	db, file, err := openFile(s.path)
	if err != nil {
		return err
	}
	j, err := readJournal(db, file)
	if err != nil {
		return errors.Join(fmt.Errorf("opening ledger %q: %w; %s", s.path, err, restoreHint), db.Close())
	}
	s.swap(db, file, j)
	s.secured, s.commits = false, 0
	return nil
}

// checkPlace refuses a ledger that others could replace by an older one, and a folder in which they
// could do so to the mark and the segments. Its content is sealed, so others may read it.
func checkPlace(path string) error {
	err := access.Folder(filepath.Dir(path))
	if err == nil {
		err = access.Check(path, access.Written)
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

func (s *boltStore) swap(db *bolt.DB, file *os.File, j journal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over.Lock()
	defer s.over.Unlock()
	s.db, s.file, s.journal = db, file, j
}

func (s *boltStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	if s.secured && !s.journal.over.empty() {
		_ = s.takeOver() // so that the next start has less to read; without it nothing is lost
	}
	s.db, s.file, s.secured, s.journal = nil, nil, false, journal{}
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
	db, file, j, err := rewrite(s.db, s.path, s.disk, &s.journal)
	if db != nil {
		s.swap(db, file, j)
	}
	return copyFailed(used, s.path, err)
}

// secureInPlace makes durable what the file holds, without a copy of it.
func (s *boltStore) secureInPlace() error {
	if s.full {
		if err := findRoom(s.path, 2*s.journal.used, s.disk); err != nil {
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

// rewrite copies the file, with what its journal has, and puts the copy in its place. After a
// failed sync the kernel may show pages that it will never write: a commit on top of them could be
// durable while they are not. It returns no file if the old one still has its place.
func rewrite(old *bolt.DB, path string, disk durable.Disk, journal *journal) (*bolt.DB, *os.File, journal, error) {
	none := *journal
	temp := path + ".new"
	if err := disk.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, none, err
	}
	fresh, file, err := openFile(temp)
	if err != nil {
		return nil, nil, none, err
	}
	err = compact(fresh, old)
	if err == nil && journal.area.size > 0 {
		err = fresh.Update(func(tx *bolt.Tx) error { return makeEdits(tx, journal.all(journal.turn.next())) })
	}
	j := none
	if err == nil {
		j, err = readJournal(fresh, file)
	}
	if err == nil {
		err = disk.Rename(temp, path) // both locks are held: no other copy gets in between
	}
	if err != nil {
		return nil, nil, none, errors.Join(err, fresh.Close(), disk.Remove(temp))
	}
	return fresh, file, j, errors.Join(disk.SyncFolder(filepath.Dir(path)), old.Close())
}

func (s *boltStore) identity() string { return "" }

func (s *boltStore) overtaken() <-chan struct{} { return nil }

func (s *boltStore) leads() bool { return true }

// retired is in the names of what is left of a ledger that was moved.
const retired = ".moved-"

func (s *boltStore) retire(heir string) error {
	if s.db == nil {
		return ErrUnavailable
	}
	// Closed first: the journal goes to its place, and no system renames all that is open. Whoever
	// opens it in between finds that the mark is of another store, or is told so at the next look.
	if err := s.close(); err != nil {
		return err
	}
	name := retired + heir
	for n := 2; exists(s.path+name) || exists(s.folder+name); n++ { // it was moved here and away again
		name = fmt.Sprintf("%s%s-%d", retired, heir, n)
	}
	if err := s.disk.Rename(s.path, s.path+name); err != nil {
		return err
	}
	if err := unlessMissing(s.disk.Rename(s.folder, s.folder+name)); err != nil {
		return err
	}
	return s.disk.SyncFolder(filepath.Dir(s.path))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func (s *boltStore) retiredFor(heir string) (bool, error) {
	if _, err := os.Lstat(s.path); !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	_, err := os.Lstat(s.path + retired + heir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
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
	return copyFailed(size, path, s.copyFile(path))
}

// copyFile writes the file as one transaction sees it, with the journal of that moment.
// bolt.Compact, which would write less, is for files at rest: it writes the last pages when its
// transaction has ended, and a commit may have changed them by then.
func (s *boltStore) copyFile(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	s.over.RLock()
	from := s.journal.area
	frames := make([]byte, from.size)
	_, err = from.read(frames[:s.journal.used])
	var tx *bolt.Tx
	if err == nil {
		tx, err = s.db.Begin(false)
	}
	s.over.RUnlock()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	// Not synced: a copy that a power cut spoils is of no use to anybody.
	if err := tx.CopyFile(path, 0o600); err != nil || from.size == 0 {
		return err
	}
	// The area as it was: commits have gone on meanwhile, perhaps with another turn.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(frames, from.begin)
	return errors.Join(err, file.Close())
}

// wasteful reports whether most of a large file is free pages: it never shrinks by itself.
func wasteful(db *bolt.DB) bool {
	used, size := usage(db)
	return size > 64<<20 && used < size/4
}

// usage returns how many bytes of a file are in use, and how many it has.
func usage(db *bolt.DB) (used, size int64) {
	_ = db.View(func(tx *bolt.Tx) error {
		// Info within the transaction: a commit that needs a larger map waits for it. Without, Info
		// may find no map at all, and panics.
		size = tx.Size()
		used = size - int64(db.Stats().FreePageN)*int64(db.Info().PageSize)
		return nil
	})
	return used, size
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
	return s.write(edits)
}

// overMost is how many keys the journal may say something of before bbolt takes it over. That is
// one transaction, which brings the pages of all these keys into memory at once.
const overMost = 1024

// write makes edits in the journal, or in bbolt where the journal has no use, or no room for them.
func (s *boltStore) write(edits []edit) error {
	if err := s.makeJournal(); err != nil {
		return err
	}
	if s.forJournal(edits) {
		if s.journal.over.size() >= overMost {
			if err := s.takeOver(); err != nil {
				return err
			}
		}
		there, err := s.writeFrame(edits)
		if err == nil && !there && !s.journal.over.empty() {
			if err = s.takeOver(); err == nil {
				there, err = s.writeFrame(edits)
			}
		}
		if err != nil || there {
			return err
		}
	}
	// First what the journal has, by itself: while reads see both, they must say the same.
	if !s.journal.over.empty() {
		if err := s.takeOver(); err != nil {
			return err
		}
	}
	return s.update(func(tx *bolt.Tx) error { return s.makeEdits(tx, edits) })
}

// writeFrame makes edits in the journal. It reports false, and has changed nothing, if there is no
// room for them.
func (s *boltStore) writeFrame(edits []edit) (bool, error) {
	frame, own := s.journal.frame(edits)
	if there, err := s.journal.add(frame); err != nil || !there {
		return false, err
	}
	if err := s.sync(s.db); err != nil {
		return false, err
	}
	s.over.Lock()
	defer s.over.Unlock()
	s.journal.added(frame, own)
	return true, nil
}

// takeOver makes bbolt have what the journal has, and begins the next turn of that.
func (s *boltStore) takeOver() error {
	next := s.journal.turn.next()
	err := s.update(func(tx *bolt.Tx) error { return s.makeEdits(tx, s.journal.all(next)) })
	if err != nil {
		return err
	}
	s.over.Lock()
	defer s.over.Unlock()
	s.journal.begin(next)
	forgetPages(s.file, s.journal.area.begin, s.journal.area.size)
	return nil
}

// update makes changes in bbolt, all or none, and syncs them.
func (s *boltStore) update(change func(*bolt.Tx) error) (err error) {
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
	if err := change(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	// As it ends, a transaction looks once more at each page that it frees. Without another one
	// these are given back later.
	_ = s.db.View(func(tx *bolt.Tx) error {
		s.touch(tx, unmapAfter)
		return nil
	})
	return nil
}

// What is in the journal is written once more when bbolt takes it over. A commit of many requests
// writes fewer bytes without it: the pages that it touches beside its own are few by comparison.
const journalMost = 16 << 10 // bytes of a commit, as the last ones were on average

// forJournal reports whether edits are to be made in the journal. Those that bbolt would refuse it
// gets itself, and so those that concern all buckets within a bucket.
func (s *boltStore) forJournal(edits []edit) bool {
	if s.journal.area.size == 0 {
		return false
	}
	size := 0
	for _, e := range edits {
		size += len(e.key) + len(e.value)
		outer, _, nested := strings.Cut(string(e.bucket), "/")
		switch {
		case e.act < actPut || e.act > actDrop, !slices.Contains(allBuckets, bucket(outer)),
			e.act == actDrop && !nested,
			e.act != actDrop && (len(e.key) == 0 || len(e.key) > bolt.MaxKeySize):
			return false
		}
	}
	s.average += (min(size, 2*journalMost) - s.average) / 8
	// To change takes a commit in bbolt, so it is not done for every wave of requests.
	switch {
	case s.average > journalMost:
		s.busy = true
	case s.average < journalMost/2:
		s.busy = false
	}
	return !s.busy
}

// makeJournal makes the area of the journal, once the store is at work and if there is ample room.
func (s *boltStore) makeJournal() error {
	if s.journal.area.size > 0 || s.commits > s.journalAfter {
		return nil
	}
	if s.commits++; s.commits <= s.journalAfter {
		return nil
	}
	if free := freeBytes(filepath.Dir(s.path)); free >= 0 && free < 4*s.journalSize+roomToGoOn {
		return nil
	}
	first := turn{}.next()
	err := s.update(func(tx *bolt.Tx) error {
		for _, name := range allBuckets { // what is in the journal must find its place later
			if tx.Bucket([]byte(name)) == nil {
				return nil // whoever writes there is told so
			}
		}
		for _, name := range []bucket{bucketTurn, bucketArea} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return makeEdits(tx, []edit{{actPut, bucketArea, keyArea, make([]byte, s.journalSize+framePage)},
			{actPut, bucketTurn, keyTurn, first[:]}})
	})
	if err != nil {
		return err
	}
	j, err := readJournal(s.db, s.file)
	if err == nil {
		s.over.Lock()
		defer s.over.Unlock()
		s.journal = j
	}
	return err
}

// readJournal finds the journal of a file and reads it. A file without one has a journal without
// room.
func readJournal(db *bolt.DB, file *os.File) (j journal, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	err = db.View(func(tx *bolt.Tx) error {
		in, turn := tx.Bucket([]byte(bucketArea)), tx.Bucket([]byte(bucketTurn))
		if in == nil && turn == nil {
			return nil
		}
		if in == nil || turn == nil {
			return fmt.Errorf("%w: a part of its journal is missing", ErrDamaged)
		}
		if j.turn, err = parseTurn(turn.Get(keyTurn)); err != nil {
			return fmt.Errorf("%w: the turn of its journal reads wrong", ErrDamaged)
		}
		j.area, err = findArea(file, int64(in.Root())*int64(db.Info().PageSize))
		return err
	})
	if err == nil && j.area.size > 0 {
		err = j.read()
		forgetPages(file, j.area.begin, j.area.size)
	}
	return j, err
}

// findArea finds the area in the page that has it and nothing else.
func findArea(file *os.File, page int64) (area, error) {
	head := make([]byte, pageHeader+pageElement+len(keyArea))
	if _, err := file.ReadAt(head, page); err != nil {
		return area{}, err
	}
	flags, count := order.Uint16(head[8:]), order.Uint16(head[10:])
	size := int64(order.Uint32(head[pageHeader+12:]))
	begin := wholePages(page + int64(len(head)))
	a := area{file: file, begin: begin, size: (page + int64(len(head)) + size - begin) / framePage * framePage}
	if flags != flagLeaf || count != 1 || order.Uint32(head[pageHeader+4:]) != pageElement ||
		string(head[pageHeader+pageElement:]) != string(keyArea) || a.size < framePage {
		return area{}, fmt.Errorf("%w: the area of its journal is not where it belongs", ErrDamaged)
	}
	return a, nil
}

// touch counts places of the mapped file that were looked at in a transaction, and gives back the
// pages after unmapAfter of them.
func (s *boltStore) touch(tx *bolt.Tx, places int) {
	if s.touched.Add(int64(places)) < unmapAfter {
		return
	}
	s.touched.Store(0)
	// While a transaction is open, bbolt leaves the mapping where it is. Elsewhere the same call
	// would wipe memory.
	unmapPages(s.db.Info().Data, tx.Size())
}

// makeEdits makes edits in the file that is open.
func (s *boltStore) makeEdits(tx *bolt.Tx, edits []edit) error {
	for part := range slices.Chunk(edits, unmapAfter) {
		if err := makeEdits(tx, part); err != nil {
			return err
		}
		s.touch(tx, len(part))
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
	b.FillPercent = 1 // most keys come in order, and stay as they are
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
	err = s.view(func(over *overlay) error {
		if v, known := over.get(name, key); known {
			if !v.gone {
				value, found = append([]byte{}, v.bytes...), true
			}
			return nil
		}
		return s.viewBucket(name, func(b *bolt.Bucket) {
			if v := b.Get(key); v != nil {
				value, found = append([]byte{}, v...), true // what bbolt shows is gone with the transaction
			}
		})
	})
	return value, found, err
}

func (s *boltStore) getMany(names []name) (all []got, err error) {
	all = make([]got, 0, len(names))
	err = s.view(func(over *overlay) error {
		return s.db.View(func(tx *bolt.Tx) error {
			looked := 0
			for size := 0; len(all) < len(names) && size < listBytes; size += len(all[len(all)-1].value) {
				n := names[len(all)]
				v, known := over.get(n.bucket, n.key)
				if known {
					all = append(all, gotten(v.bytes, !v.gone))
					continue
				}
				b, err := bucketIn(tx, n.bucket)
				if err != nil {
					return err
				}
				var value []byte
				if b != nil {
					value, looked = b.Get(n.key), looked+1
				}
				all = append(all, gotten(value, value != nil)) // what bbolt shows is gone with the transaction
			}
			s.touch(tx, looked)
			return nil
		})
	})
	return all, err
}

// gotten returns a copy of a value that was read.
func gotten(value []byte, found bool) got {
	if !found {
		return got{}
	}
	return got{append([]byte{}, value...), true}
}

func (s *boltStore) list(name bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	size := 0
	// take adds a pair. It returns false if the list has ended.
	take := func(key, value []byte) bool {
		if more = len(pairs) >= most || size >= listBytes; more {
			return false
		}
		pairs = append(pairs, pair{append([]byte{}, key...), append([]byte{}, value...)})
		size += len(value)
		return true
	}
	err = s.view(func(over *overlay) error {
		above, keys := over.from(name, from)
		// takeAbove takes what the journal has below a key; nil: all that it has.
		takeAbove := func(below []byte) bool {
			for len(keys) > 0 && (below == nil || keys[0] < string(below)) {
				if v := above.values[keys[0]]; !v.gone && !take([]byte(keys[0]), v.bytes) {
					return false
				}
				keys = keys[1:]
			}
			return true
		}
		err := s.viewBucket(name, func(b *bolt.Bucket) {
			if above != nil && above.dropped {
				return
			}
			c := b.Cursor()
			for k, v := c.Seek(from); k != nil && !more; k, v = c.Next() {
				if v == nil {
					continue // it is a bucket
				}
				if !takeAbove(k) {
					return
				}
				if len(keys) == 0 || keys[0] != string(k) { // what the journal says of it is taken next
					take(k, v)
				}
			}
			s.touched.Add(int64(size >> 12)) // its pages
		})
		if err == nil && !more {
			takeAbove(nil)
		}
		return err
	})
	return pairs, more, err
}

// view reads in one state of the store, with what the journal has over it.
func (s *boltStore) view(read func(over *overlay) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return ErrUnavailable
	}
	s.over.RLock()
	defer s.over.RUnlock()
	return read(&s.journal.over)
}

// viewBucket reads in a bucket of bbolt, unless it has no keys.
func (s *boltStore) viewBucket(name bucket, fn func(*bolt.Bucket)) error {
	return s.db.View(func(tx *bolt.Tx) error {
		b, err := bucketIn(tx, name)
		if b != nil {
			fn(b)
		}
		s.touch(tx, 1)
		return err
	})
}

// openFile opens the bbolt file under its lock, making it if it is not there.
func openFile(path string) (db *bolt.DB, file *os.File, err error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		if err := checkFile(path); err != nil {
			return nil, nil, err
		}
	}
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
		return nil, nil, errors.Join(fmt.Errorf("%q: %w", path, ErrLocked), db.Close())
	case err == nil:
		return db, file, nil
	case errors.Is(err, bolterr.ErrTimeout):
		return nil, nil, fmt.Errorf("%q: %w", path, ErrLocked)
	case errors.Is(err, bolterr.ErrInvalid), errors.Is(err, bolterr.ErrChecksum),
		errors.Is(err, bolterr.ErrVersionMismatch):
		return nil, nil, fmt.Errorf("%w: %q: %v; %s", ErrDamaged, path, err, restoreHint)
	}
	return nil, nil, fmt.Errorf("opening ledger %q: %w", path, err)
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
