package ledger

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"

	"pksa/keystore/durable"
)

// Options are what a ledger is opened with.
type Options struct {
	ID     string                      // of the keystore that it belongs to
	AEAD   cipher.AEAD                 // seals values; takes 12-byte nonces, which are random
	MAC    func(data ...[]byte) []byte // keyed, at least 32 bytes; called from several goroutines
	Now    func() time.Time            // nil: time.Now
	Logger *slog.Logger                // nil: discards

	NonceAhead         time.Duration // how far ahead of our clock a nonce may be; zero: 24 h
	NonceBehind        time.Duration // how far behind; zero: 10 min
	SessionsPerAccount int           // zero: 1,000
	DigestsPerSession  int           // after so many a session must send nonces; zero: 100,000
	AnswerMargin       time.Duration // how long an answer outlives its request; zero: 10 min
	Requests           int           // how many requests are known at most; zero: 100,000
	KeepSegments       int           // how many full segments of the audit trail are kept; zero: all
	// KeepFor is how long a full segment of the audit trail is kept after it was put aside; zero:
	// for ever. Its file's time says when that was: a copy that was put back is kept for longer,
	// never for shorter.
	KeepFor time.Duration

	segment uint64 // records in a segment of the trail; zero: 4,096
}

func (o Options) withDefaults() (Options, error) {
	if o.ID == "" || o.AEAD == nil || o.MAC == nil {
		return o, errors.New("ledger options lack id, AEAD or MAC")
	}
	if o.AEAD.NonceSize() != nonceSize || len(o.MAC(nil)) < 32 {
		return o, errors.New("ledger needs an AEAD with 12-byte nonces and a MAC of 32 bytes")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("component", "ledger")
	setDefault(&o.NonceAhead, 24*time.Hour)
	setDefault(&o.NonceBehind, 10*time.Minute)
	setDefault(&o.SessionsPerAccount, 1000)
	setDefault(&o.DigestsPerSession, 100_000)
	setDefault(&o.AnswerMargin, 10*time.Minute)
	setDefault(&o.Requests, 100_000)
	setDefault(&o.segment, segmentRecords)
	return o, nil
}

func setDefault[T time.Duration | int | uint64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Ledger is an open ledger. All methods may be called concurrently.
type Ledger struct {
	o     Options
	vault *vault
	path  string

	lanes lanes
	queue queue
	clock clock

	// fileMu guards which file is open: the committing goroutine holds it to swap the file, others
	// to read in it.
	fileMu sync.RWMutex
	db     *bolt.DB // nil while the file cannot be opened

	// mu guards what is known of the file, in memory. Only the committing goroutine changes state.
	mu      sync.RWMutex
	state   *state
	runs    map[RequestKey]*run
	numbers map[uint64]*run // judged, outcome not known
	broken  error           // why the file is not open
	// sweeping: a sweep was asked for because many requests are known.
	sweeping bool

	retryAt    time.Time // owned by the committing goroutine
	generation uint64    // of charges; owned by the committing goroutine
	oldest     uint64    // segment of the oldest record in the file; owned by the committing goroutine
	stuck      bool      // a segment could not be written; owned by the committing goroutine
	backlog    atomic.Pointer[error]
	stopped    chan struct{} // closed when the committing goroutine has returned
	closing    sync.Once
	closeErr   error

	// testCommit stands around the commit in tests.
	testCommit func(commit func() error) error
}

// Create makes an empty ledger, and its mark, where no file is: ErrExists otherwise. A mark that
// lies there is replaced; segments of an earlier audit trail are moved to a folder audit.old-N.
func Create(path string, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%q: %w", path, ErrExists)
	}
	if err := leaveSegments(filepath.Dir(path)); err != nil {
		return fmt.Errorf("creating ledger: %w", err)
	}
	// A crash before the last step leaves no ledger, or an empty one that Open fills: never one
	// half made, since all of it is one commit on a temporary file.
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("creating ledger: %v", err)
	}
	db, err := openFile(temp)
	if err != nil {
		return err
	}
	v := o.vault()
	err = errors.Join(db.Update(v.format), db.Close())
	if err == nil {
		err = v.writeMark(path, v.chainStart())
	}
	if err == nil {
		err = os.Link(temp, path) // as rename, but never over another ledger
	}
	_ = os.Remove(temp)
	if err != nil {
		return fmt.Errorf("creating ledger %q: %w", path, err)
	}
	return durable.SyncFolder(filepath.Dir(path))
}

// format writes the buckets and facts of an empty ledger.
func (v *vault) format(tx *bolt.Tx) error {
	for _, name := range allBuckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	if err := tx.Bucket(bucketMeta).Put(metaID, []byte(v.id)); err != nil {
		return err
	}
	return v.put(tx, bucketMeta, metaProof, []byte(v.id))
}

// Open opens the ledger at path. ErrMissing, ErrLocked, ErrOther, ErrRestored and ErrDamaged say
// why it is refused. The ledger runs one goroutine until Close.
func Open(path string, o Options) (*Ledger, error) {
	l, err := open(path, o)
	if err != nil {
		return nil, err
	}
	if err := l.checkMark(); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	// What was read may be a commit that a crash cut off before its sync: after a power cut the
	// mark must not speak of more than the disk holds.
	if err := l.db.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger %q: %w", path, err), l.db.Close())
	}
	if err := l.vault.writeMark(path, l.state.last); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	l.start()
	return l, nil
}

// open reads the file but neither looks at the mark nor starts the committing goroutine.
func open(path string, o Options) (*Ledger, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%q: %w", path, ErrMissing)
	}
	l := &Ledger{o: o, vault: o.vault(), path: path, stopped: make(chan struct{}), generation: 1}
	l.queue.wake = make(chan struct{}, 1)
	l.AgreeClock()
	l.runs, l.numbers = map[RequestKey]*run{}, map[uint64]*run{}
	if err := l.reopen(false); err != nil {
		return nil, err
	}
	if wasteful(l.db) {
		if err := l.renew(); err != nil {
			return nil, err
		}
	}
	return l, nil
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

// restoreHint is what a person does about a ledger that reads wrong.
const restoreHint = "put back a copy of the ledger and its mark, then run `pksa ledger accept`"

// catch turns a panic of bbolt, or a fault in the file that it maps, into ErrDamaged: so it meets
// pages that read wrong later than at the start. It is deferred, with SetPanicOnFault in force.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v; %s", ErrDamaged, p, restoreHint)
	}
}

// wasteful says whether most of a large file is free pages: it never shrinks by itself.
func wasteful(db *bolt.DB) bool {
	stats, size := db.Stats(), int64(0)
	_ = db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	free := int64(stats.FreePageN) * int64(db.Info().PageSize)
	return size > 64<<20 && free > size*3/4
}

// inPlace says whether an open file is the one that lies at path.
func inPlace(file *os.File, path string) bool {
	ours, err1 := file.Stat()
	there, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(ours, there)
}

// Close commits what waits, replaces the mark and closes the file. Calls that come later get
// ErrClosed.
func (l *Ledger) Close() error {
	l.closing.Do(func() { l.queue.close() })
	<-l.stopped
	return l.closeErr
}

// Err is nil while the ledger can commit; readiness shows it.
func (l *Ledger) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.broken
}

// Now is ledger time: the larger of the wall clock, without steps (see [Ledger.AgreeClock]), and
// the last recorded time.
func (l *Ledger) Now() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.nowLocked()
}

func (l *Ledger) nowLocked() time.Time {
	return fromMillis(max(millis(l.now()), l.state.last.time))
}

// Head is the end of the audit trail as it is committed: the last record's number, and its MAC,
// which stands for the whole trail before it. Zero and the MAC of the empty trail if there is no
// record.
func (l *Ledger) Head() (number uint64, mac [32]byte) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.last.number, l.state.last.mac
}

// Flush waits until everything that was settled, rejected or noted before is committed.
func (l *Ledger) Flush(ctx context.Context) error {
	return l.submitContext(ctx, &op{apply: func(*batch) error { return nil }})
}
