package ledger

import (
	"context"
	"crypto/cipher"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/ledger/pg"
	"pksa/keystore/durable"
)

// Options is what a ledger is opened with.
type Options struct {
	ID     string                      // of the keystore that it belongs to
	AEAD   cipher.AEAD                 // opens values of ledger format 1; takes 12-byte nonces
	MAC    func(data ...[]byte) []byte // keyed, at least 32 bytes; called from several goroutines
	Now    func() time.Time            // nil: time.Now
	Logger *slog.Logger                // nil: discards
	// Sealer returns the AEAD of an epoch and period, under a key of its own for each pair. It
	// seals values, and takes 12-byte nonces, which are random. It is called from several
	// goroutines.
	Sealer func(epoch, period uint64) cipher.AEAD

	// Database is where the ledger is kept, if it is not the file at its path. The mark is beside
	// that path all the same.
	Database *pg.Options

	NonceAhead         time.Duration // how far ahead of our clock a nonce may be; zero: 24 h
	NonceBehind        time.Duration // how far behind; zero: 10 min
	SessionsPerAccount int           // zero: 1,000
	SessionsPerApp     int           // of one account; zero: as many as SessionsPerAccount
	Sessions           int           // of all accounts together; zero: 100,000
	DigestsPerSession  int           // after so many a session must send nonces; zero: 100,000
	DigestsPerSlot     int           // after so many logins a slot needs another secret; zero: a million
	AnswerMargin       time.Duration // how long an answer outlives its request; zero: 10 min
	Requests           int           // how many requests are known at most; zero: 100,000
	KeepSegments       int           // how many full segments of the audit trail are kept; zero: all
	// KeepFor is how long a full segment of the audit trail is kept after it was put aside; zero:
	// for ever. Its file's time says when that was: a copy that was put back is kept for longer,
	// never for shorter.
	KeepFor time.Duration
	// KeepBytes is how many bytes the full segments of the audit trail may have; zero: any number.
	KeepBytes int64
	// KeepLarger says that nobody has chosen KeepBytes: a trail that is larger when the ledger is
	// opened, as an older program may have left it, is not removed for its size.
	KeepLarger bool

	segment      uint64 // records in a segment of the trail, at most; zero: 4,096
	segmentBytes uint64 // bytes of them, as they lie in the store; zero: 8 MiB
	period       uint64 // records whose values share a key; zero: 2^20
	sumMost      int    // values that one commit adds up at most; zero: 1,000
	expireMost   int    // sessions that one commit ends at most; zero: 2,000
	thinMost     int    // tombstones that one rotation drops at most; zero: 10,000
	gatherFew    int    // changes that one commit gathers, beside those for its records; zero: 64
	dropFew      int    // records of a segment that one commit drops, beside those for its records; zero: 128
	inTurn       bool   // nothing is committed while a segment is written

	newStore func(path string) store // nil: a bbolt file
	disk     durable.Disk            // writes mark and segments; zero: the system's
}

func (o Options) withDefaults() (Options, error) {
	if o.ID == "" || o.AEAD == nil || o.Sealer == nil || o.MAC == nil {
		return o, errors.New("ledger options lack id, AEAD, sealer or MAC")
	}
	if o.AEAD.NonceSize() != nonceSize || o.Sealer(0, 0).NonceSize() != nonceSize || len(o.MAC(nil)) < 32 {
		return o, errors.New("ledger needs AEADs with 12-byte nonces and a MAC of 32 bytes")
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
	setDefault(&o.SessionsPerApp, o.SessionsPerAccount)
	setDefault(&o.Sessions, 100_000)
	setDefault(&o.DigestsPerSession, 100_000)
	setDefault(&o.DigestsPerSlot, 1_000_000)
	setDefault(&o.AnswerMargin, 10*time.Minute)
	setDefault(&o.Requests, 100_000)
	setDefault(&o.segment, segmentRecords)
	setDefault(&o.period, periodRecords)
	setDefault(&o.segmentBytes, segmentBytes)
	setDefault(&o.sumMost, sumMost)
	setDefault(&o.expireMost, expireMost)
	setDefault(&o.thinMost, thinMost)
	setDefault(&o.gatherFew, gatherFew)
	setDefault(&o.dropFew, dropFew)
	if o.disk.Rename == nil {
		o.disk = crashing(durable.System())
	}
	if o.newStore == nil {
		o.newStore = func(path string) store {
			if o.Database != nil {
				return newPGStore(pgOptions{Options: *o.Database})
			}
			return newBoltStore(path, o.disk, o.segment)
		}
	}
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
	// opened is the file at path as it was opened; nil: it could not be looked at.
	opened os.FileInfo

	lanes lanes
	queue queue
	clock clock
	held  atomic.Bool // nothing is recorded until the clock is confirmed

	store  store
	lookup lookup // in store

	// mu guards what is known of the store, in memory. Only the committing goroutine changes state
	// and broken, so it reads them without mu.
	mu       sync.RWMutex
	state    *state
	known    known
	broken   error // why the store may not be read, nil if it may
	legible  bool  // although it is broken, the trail can be read up to the last record of state
	sweeping bool  // the next commit drops answers, because many requests are known

	unsecured  *loaded   // read, and not secured for want of room; owned by the committing goroutine
	retryAt    time.Time // owned by the committing goroutine
	generation uint64    // of charges; owned by the committing goroutine
	rotated    uint64    // with this record gathered, no full segment is left; owned by the committing goroutine
	rotating   *rotation // nil: no segment is being written; owned by the committing goroutine
	dropping   *dropping // nil: none is being dropped from the bucket; owned by the committing goroutine
	looked     bool      // none was dropped in part before that; owned by the committing goroutine
	retainDue  bool      // segments may have to be removed; owned by the committing goroutine
	leaving    amount    // gathered since it was opened, and in no segment; owned by the committing goroutine
	stuck      bool      // a segment could not be written; owned by the committing goroutine
	unaccepted bool      // older than its mark, and not accepted yet; owned by the committing goroutine

	turning  atomic.Bool // it is being led back: sessions that have expired stay
	backlog  atomic.Pointer[error]
	trail    atomic.Int64  // bytes of the full segments
	spared   bool          // see Spared; does not change once it is open
	stopped  chan struct{} // closed when the committing goroutine has returned
	rounds   atomic.Uint64 // of the committing goroutine
	closing  sync.Once
	closeErr error
}

// Create makes an empty ledger and its mark. ErrExists: there is a ledger already. Create replaces
// a mark that lies there, and moves segments of an earlier audit trail to a folder audit.old-N.
func Create(path string, o Options) error { return create(path, o, false) }

// CreateAnew makes an empty ledger where there may have been another, as [Create] does. No nonce up
// to now counts in it: which ones were used up is lost, and an application that keeps its secret
// would have its old requests carried out again.
func CreateAnew(path string, o Options) error { return create(path, o, true) }

func create(path string, o Options, anew bool) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	v := o.vault()
	now := encodeNumber(uint64(millis(o.Now())))
	first := []edit{
		{actPut, bucketMeta, metaFormat, formatText},
		{actPut, bucketMeta, metaID, []byte(v.id)},
		{actPut, bucketMeta, metaProof, v.seal(0, bucketMeta, metaProof, []byte(v.id))},
		{actPut, bucketMeta, metaCreated, v.seal(0, bucketMeta, metaCreated, now)},
	}
	if anew {
		first = append(first, edit{actPut, bucketMeta, metaFloor, v.seal(0, bucketMeta, metaFloor, now)})
	}
	// The mark is replaced when the ledger is about to be there. Earlier, a failure could leave the
	// mark of an empty ledger beside a copy that is put back; later, a crash would leave a ledger
	// without a mark, which nobody opens.
	s := o.newStore(path)
	return s.create(first, func() error {
		v.where = s.identity()
		return o.disk.Replace(markPath(path), v.markText(v.chainStart()))
	})
}

// Open opens the ledger at path. The error is ErrMissing, ErrLocked, ErrOther, ErrRestored,
// ErrDamaged or a *NewerError if the ledger is refused. The ledger runs one goroutine until Close.
func Open(path string, o Options) (*Ledger, error) {
	l, err := open(path, o)
	if err != nil {
		return nil, err
	}
	err = l.checkMark()
	if err == nil {
		// What was read may be a commit that a crash cut off before its sync: after a power cut the
		// mark must not speak of more than the disk holds.
		err = l.store.secure()
	}
	if err == nil {
		err = l.replaceMark()
	}
	if err != nil {
		return nil, errors.Join(err, l.store.close())
	}
	_, _ = l.measure() // what cannot be listed now is told with the next chores
	l.spareLarger()
	l.start()
	return l, nil
}

// open reads the store. It does not look at the mark and does not start the committing goroutine.
func open(path string, o Options) (*Ledger, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Ledger{o: o, path: path, store: o.newStore(path), stopped: make(chan struct{}), generation: 1}
	l.vault = o.vault()
	l.lookup = lookup{l.vault, l.store}
	l.queue.wake = make(chan struct{}, 1)
	l.AgreeClock()
	l.known = newKnown(0)
	f, err := l.load()
	if err != nil {
		return nil, l.elsewhere(err)
	}
	if o.Database == nil {
		l.opened, _ = os.Stat(path)
	}
	l.adopt(f)
	return l, nil
}

// Close commits what waits, replaces the mark and closes the store. Calls that come later return
// ErrClosed.
func (l *Ledger) Close() error {
	l.closing.Do(func() { l.queue.close() })
	<-l.stopped
	return l.closeErr
}

// Err returns nil while the ledger can commit, otherwise why it cannot. Readiness shows it.
func (l *Ledger) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.broken
}

// roundEvery is how often ComesRound looks.
const roundEvery = 20 * time.Millisecond

// ComesRound waits until the committing goroutine has come round once more, which takes as long as
// the commit that it is at. It comes round also while nothing can be committed. The error is the
// cause of ctx: it hangs, as on a disk that does not answer. Calls write nothing and queue nothing.
// Of a ledger in a database it waits for nothing: there no transaction takes for ever.
func (l *Ledger) ComesRound(ctx context.Context) error {
	if l.o.Database != nil {
		return nil
	}
	before := l.rounds.Load()
	l.queue.signal()
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for l.rounds.Load() == before {
		select {
		case <-l.stopped:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// Deposed returns what is closed when another copy of the wallet was found to have taken the ledger
// over. From then on this one answers every call with an error, mostly [ErrDeposed], and its owner
// says nothing more to anybody about what is in it. nil: the ledger is in a file, which nobody can
// take over.
func (l *Ledger) Deposed() <-chan struct{} { return l.store.overtaken() }

// Leads reports whether no other copy of the wallet can have taken the ledger over by now, by the
// clock of this process. Whoever is about to use a key, or to say what it made, asks first: a
// process that stood still, or lost its database, may have been replaced. It is a courtesy that
// makes late answers rare; what is committed decides.
func (l *Ledger) Leads() bool { return l.store.leads() }

// Now returns ledger time: the later of the wall clock, without its steps (see
// [Ledger.AgreeClock]), and the time of the last record.
func (l *Ledger) Now() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.nowLocked()
}

func (l *Ledger) nowLocked() time.Time {
	return fromMillis(max(millis(l.now()), l.state.last.time))
}

// Head returns the end of the audit trail as it is committed: the number of the last record, and
// its MAC, which covers the whole trail before it. If there is no record, it returns zero and the
// MAC of the empty trail.
func (l *Ledger) Head() (number uint64, mac [32]byte) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.last.number, l.state.last.mac
}

// Flush waits until everything is committed that was settled, rejected or noted before.
func (l *Ledger) Flush(ctx context.Context) error {
	return l.submitContext(ctx, &op{apply: func(*batch) error { return nil }})
}
