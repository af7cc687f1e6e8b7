package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"pksa/agent/ledger/pg"
)

// pgStore is a store in a PostgreSQL database. Its values are rows of one table, its segments rows
// of two others. No other file of this package knows PostgreSQL.
//
// # Who may commit
//
// The table leader has one row, with a number that grows: the epoch. To open the store is to raise
// it. Each transaction that changes anything has a statement that fails unless the epoch is still
// the one of this store, see fence; so what another process has opened since then, no commit of
// this one can change, however late it arrives. Nothing that is safe depends on time.
//
// The row also says who leads, and until when, by the clock of the server. While that lasts nobody
// else opens the store: without it two wallets would take it from each other for ever.
//
// # What is durable
//
// A transaction is committed when the server says so. Synchronous commit is set in each of them,
// and a server that does not wait for its disk is refused. If the answer to a commit is lost, the
// store holds it or not. It is not known before the store is opened again: that waits for the row
// of the leader, so for the lost transaction to end, and no other of its epoch can follow.
type pgStore struct {
	o      pgOptions
	holder string // of this store alone
	conns  pgConns

	mu    sync.RWMutex
	epoch int64     // zero while the store is not open
	named string    // identity, from create or open on
	quiet func()    // ends the heartbeats of the epoch
	heard time.Time // when the last transaction was begun whose fence has held
	lost  bool      // over is closed
	over  chan struct{}
	beats sync.WaitGroup

	secured bool // owned by whoever may call commit
}

// pgOptions is where a store is in a database.
type pgOptions struct {
	pg.Options
	lease time.Duration // zero: pgLease
	// migrations make the schema of a version from that of the one before; nil: pgMigrations.
	migrations [][]string
}

// Bounds of a store in a database.
const (
	// pgLease is how long nobody else opens a store whose process says nothing any more.
	pgLease = 10 * time.Second
	// pgMost is how many connections a store has at most: for commits, for a segment that is
	// written meanwhile, for those who read, and to say that it is alive.
	pgMost = 4
	// pgTime is how long one transaction may take. With more, nobody knows what became of it.
	pgTime = 30 * time.Second
	// pgStatement is how long the server works on one statement, and pgWait how long it waits for a
	// row that somebody else has, and for what follows within a transaction.
	pgStatement = 25 * time.Second
	pgWait      = 10 * time.Second
	// pgMargin is how much earlier than the server's this process takes a lease for ended, in parts
	// of it: what is on its way then must arrive.
	pgMargin = 5
)

// holderMark ends the name of the machine in that of a holder.
const holderMark = "/"

// newHolder names a store as the one that leads: by its machine, and so that no other has the name.
func newHolder() string {
	machine, err := os.Hostname()
	if err != nil || machine == "" {
		machine = "unknown"
	}
	return strings.ReplaceAll(machine, holderMark, "-") + holderMark + rand.Text()
}

func newPGStore(o pgOptions) *pgStore {
	if o.lease == 0 {
		o.lease = pgLease
	}
	if o.migrations == nil {
		o.migrations = pgMigrations
	}
	return &pgStore{o: o, holder: newHolder(), over: make(chan struct{}),
		conns: pgConns{o: o.Options, places: make(chan struct{}, pgMost)}}
}

// pgMigrations make each version of the schema from the one before. What stands here never changes:
// a new version is a new element. Each is run once, in one transaction, by the process that leads.
var pgMigrations = [][]string{{
	`CREATE SCHEMA IF NOT EXISTS pksa`,
	`CREATE TABLE pksa.version (number bigint NOT NULL)`,
	`INSERT INTO pksa.version VALUES (0)`,
	// One row: one is unique, and always true.
	`CREATE TABLE pksa.leader (
		one boolean PRIMARY KEY CHECK (one),
		ready boolean NOT NULL,
		epoch bigint NOT NULL,
		commits bigint NOT NULL,
		holder text,
		since timestamptz NOT NULL,
		until timestamptz NOT NULL,
		identity text NOT NULL,
		heir text
	) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0)`,
	// What expires is deleted at the beginning of its bucket, and read from there: dead rows must
	// not gather before the first one that lives.
	`CREATE TABLE pksa.pairs (
		bucket bytea NOT NULL,
		key bytea NOT NULL,
		value bytea NOT NULL,
		PRIMARY KEY (bucket, key)
	) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.01,
		autovacuum_vacuum_insert_threshold = 50000)`,
	`ALTER TABLE pksa.pairs ALTER value SET STORAGE EXTERNAL`, // what is sealed does not get smaller
	`CREATE TABLE pksa.segments (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		first bigint NOT NULL,
		last bigint NOT NULL,
		whole bigint NOT NULL,
		size bigint NOT NULL,
		written timestamptz NOT NULL,
		state bigint NOT NULL CHECK (state BETWEEN 0 AND 2) -- 0: being written, 1: has its name, 2: retired
	)`,
	`CREATE UNIQUE INDEX segments_names ON pksa.segments (first, last, whole) WHERE state = 1`,
	`CREATE TABLE pksa.parts (
		segment bigint NOT NULL REFERENCES pksa.segments ON DELETE CASCADE,
		begins bigint NOT NULL,
		content bytea NOT NULL,
		PRIMARY KEY (segment, begins)
	)`,
	`ALTER TABLE pksa.parts ALTER content SET STORAGE EXTERNAL`,
}}

// What is set for each transaction that writes. A pooler may give it to any connection.
var pgSettings = pg.Statement{Often: true, SQL: fmt.Sprintf(`SELECT
	set_config('synchronous_commit', CASE current_setting('synchronous_commit')
	WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
	set_config('statement_timeout', '%[1]d', true), set_config('lock_timeout', '%[2]d', true),
	set_config('idle_in_transaction_session_timeout', '%[2]d', true)`,
	pgStatement.Milliseconds(), pgWait.Milliseconds())}

// fence returns the statement that fails, and with it the transaction, unless this epoch is the
// last one. It fails by itself, by a division by zero: what commits the transaction is on its way
// before its answer is read. It locks the row until the transaction has ended.
func (s *pgStore) fence(epoch int64) pg.Statement {
	return pg.Statement{
		SQL: `WITH leads AS (UPDATE pksa.leader SET commits = commits + 1,
			until = clock_timestamp() + $2 * interval '1 millisecond' WHERE epoch = $1 AND ready RETURNING 1)
			SELECT 1 / count(*) FROM leads`,
		Args:  []pg.Arg{pg.Int(epoch), pg.Int(s.o.lease.Milliseconds())},
		Often: true,
	}
}

// The codes of errors that say what is the case.
const (
	codeNoTable   = "42P01"
	codeNoSchema  = "3F000"
	codeDuplicate = "23505" // of a row
	codeTaken     = "42P07" // of the name of a table
	codeZero      = "22012" // division by zero: the fence
)

// errFenced means that another process has opened the store since.
var errFenced = fmt.Errorf("%w (%w)", ErrDeposed, ErrLocked)

func (s *pgStore) place(err error) error { return fmt.Errorf("%s: %w", s.o.Address, err) }

func (s *pgStore) create(first []edit, ready func() error) error {
	defer s.conns.close()
	version, err := s.version()
	if err != nil {
		return s.place(err)
	}
	write, err := pgEdits(first)
	if err != nil {
		return err
	}
	identity := rand.Text()
	steps := append([]pg.Statement{pgSettings}, s.migrate(version)...)
	steps = append(steps,
		pg.Statement{SQL: `DELETE FROM pksa.leader WHERE NOT ready`}, // of a creation that was cut off
		pg.Statement{SQL: `INSERT INTO pksa.leader (one, ready, epoch, commits, since, until, identity)
			VALUES (true, false, 0, 0, now(), now(), $1)`, Args: []pg.Arg{pg.Text(identity)}},
		pg.Statement{SQL: `DELETE FROM pksa.pairs`},
		pg.Statement{SQL: `UPDATE pksa.segments SET state = 2 WHERE state = 1`})
	err = s.run(append(steps, write...)...)
	if err == nil {
		s.mu.Lock()
		s.named = identity
		s.mu.Unlock()
		err = ready()
	}
	if err == nil {
		// It fails if another creation has begun meanwhile, and took this one for one that was cut
		// off.
		err = s.run(pgSettings, pg.Statement{
			SQL: `WITH made AS (UPDATE pksa.leader SET ready = true WHERE identity = $1 AND NOT ready RETURNING 1)
				SELECT 1 / count(*) FROM made`, Args: []pg.Arg{pg.Text(identity)}})
	}
	if pg.IsCode(err, codeDuplicate) || pg.IsCode(err, codeTaken) || pg.IsCode(err, codeZero) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("creating ledger: %w", s.place(err))
	}
	return nil
}

// version returns the version of the schema; zero: there is none.
func (s *pgStore) version() (n int64, err error) {
	err = s.read(func() {}, pg.Statement{SQL: `SELECT number FROM pksa.version`, Row: func(v [][]byte) (err error) {
		n, err = pg.ToInt(v[0])
		return err
	}})
	switch {
	case pg.IsCode(err, codeNoTable), pg.IsCode(err, codeNoSchema):
		return 0, nil
	case err == nil && n > int64(len(s.o.migrations)):
		return 0, fmt.Errorf("its tables have version %d, and this program knows %d: a newer program has been here", n,
			len(s.o.migrations))
	}
	return n, err
}

// migrate returns what makes the newest version of the schema from an older one.
func (s *pgStore) migrate(from int64) (steps []pg.Statement) {
	if from == int64(len(s.o.migrations)) {
		return nil
	}
	for _, version := range s.o.migrations[from:] {
		for _, sql := range version {
			steps = append(steps, pg.Statement{SQL: sql})
		}
	}
	// It fails if another process has done so meanwhile.
	return append(steps, pg.Statement{
		SQL: `WITH done AS (UPDATE pksa.version SET number = $2 WHERE number = $1 RETURNING 1)
			SELECT 1 / count(*) FROM done`,
		Args: []pg.Arg{pg.Int(from), pg.Int(int64(len(s.o.migrations)))},
	})
}

func (s *pgStore) open() error {
	s.forget()
	if isClosed(s.over) {
		return s.place(errFenced)
	}
	version, err := s.version()
	if err == nil && version == 0 {
		err = ErrMissing
	}
	var epoch int64
	begun := time.Now()
	if err == nil {
		epoch, err = s.lead()
	}
	if errors.Is(err, ErrLocked) && !s.lastHeard().IsZero() {
		s.overtake()
		err = errFenced
	}
	if err == nil && version < int64(len(s.o.migrations)) {
		err = s.change(epoch, s.migrate(version)...)
	}
	if err != nil {
		return s.place(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, quiet := context.WithCancel(context.Background())
	s.epoch, s.quiet, s.heard = epoch, quiet, begun
	s.beats.Go(func() { s.alive(ctx, epoch) })
	return nil
}

// lead raises the epoch, unless somebody else leads.
func (s *pgStore) lead() (epoch int64, err error) {
	err = s.run(pgSettings, pg.Statement{
		// It waits for an earlier transaction of this process that may still be under way.
		SQL: `UPDATE pksa.leader SET epoch = epoch + 1, holder = $1, since = clock_timestamp(),
			until = clock_timestamp() + $2 * interval '1 millisecond'
			WHERE ready AND (holder IS NULL OR holder = $1 OR until < clock_timestamp()) RETURNING epoch, identity`,
		Columns: 2,
		Args:    []pg.Arg{pg.Text(s.holder), pg.Int(s.o.lease.Milliseconds())},
		Row: func(v [][]byte) (err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.named = string(v[1])
			epoch, err = pg.ToInt(v[0])
			return err
		},
	})
	if err != nil || epoch != 0 {
		return epoch, err
	}
	err = ErrMissing
	found := s.read(func() {}, pg.Statement{SQL: `SELECT 1 FROM pksa.leader WHERE ready`, Row: func([][]byte) error {
		err = ErrLocked
		return nil
	}})
	return 0, errors.Join(found, err)
}

// alive keeps the lease while this process leads, so that nobody else opens the store.
func (s *pgStore) alive(ctx context.Context, epoch int64) {
	tick := time.NewTicker(s.o.lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// What else is wrong, the next commit says.
			_ = s.fencedIn(ctx, s.o.lease, epoch)
		}
	}
}

// fencedIn runs statements in one transaction of an epoch, and notes what its fence said.
func (s *pgStore) fencedIn(ctx context.Context, most time.Duration, epoch int64, steps ...pg.Statement) error {
	begun := time.Now()
	err := s.runIn(ctx, most, append([]pg.Statement{pgSettings, s.fence(epoch)}, steps...)...)
	switch {
	case pg.IsCode(err, codeZero):
		s.overtake()
		return errFenced
	case err == nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.heard.Before(begun) {
			s.heard = begun
		}
	}
	return err
}

func (s *pgStore) overtake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lost {
		s.lost = true
		close(s.over)
	}
}

func (s *pgStore) overtaken() <-chan struct{} { return s.over }

func (s *pgStore) lastHeard() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.heard
}

func (s *pgStore) leads() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.lost && time.Since(s.heard) < s.o.lease-s.o.lease/pgMargin
}

// forget closes the store for this process alone, without a word to the database.
func (s *pgStore) forget() {
	s.mu.Lock()
	if s.quiet != nil {
		s.quiet()
	}
	s.epoch, s.quiet, s.secured = 0, nil, false
	s.mu.Unlock()
	s.beats.Wait()
}

func (s *pgStore) secure() error {
	epoch, err := s.opened()
	if err != nil {
		return err
	}
	// With this transaction all before it is on the disk, too.
	if err := s.change(epoch); err != nil {
		return err
	}
	s.secured = true
	return nil
}

// opened returns the epoch in which the store is open.
func (s *pgStore) opened() (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.epoch == 0 {
		return 0, ErrUnavailable
	}
	return s.epoch, nil
}

func (s *pgStore) close() error {
	epoch, err := s.opened()
	s.forget()
	if err == nil {
		// So that the next one need not wait. Whoever has taken over since stays.
		err = s.run(pgSettings, pg.Statement{
			SQL:  `UPDATE pksa.leader SET holder = NULL WHERE epoch = $1 AND holder = $2`,
			Args: []pg.Arg{pg.Int(epoch), pg.Text(s.holder)}})
		if err != nil {
			err = s.place(err)
		}
	} else {
		err = nil
	}
	s.conns.close()
	return err
}

func (s *pgStore) identity() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.named
}

func (s *pgStore) retire(heir string) error {
	epoch, err := s.opened()
	if err != nil {
		return err
	}
	err = s.change(epoch, pg.Statement{SQL: `UPDATE pksa.leader SET ready = false, holder = NULL, heir = $1`,
		Args: []pg.Arg{pg.Text(heir)}})
	return errors.Join(err, s.close())
}

func (s *pgStore) retiredFor(heir string) (found bool, err error) {
	defer s.conns.close()
	err = s.read(func() { found = false }, pg.Statement{SQL: `SELECT 1 FROM pksa.leader WHERE NOT ready AND heir = $1`,
		Args: []pg.Arg{pg.Text(heir)}, Row: func([][]byte) error { found = true; return nil }})
	if pg.IsCode(err, codeNoTable) || pg.IsCode(err, codeNoSchema) {
		return false, nil
	}
	return found, err
}

func (s *pgStore) commit(edits []edit) error {
	epoch, err := s.opened()
	if err != nil || !s.secured {
		return ErrUnavailable
	}
	write, err := pgEdits(edits)
	if err == nil {
		err = s.change(epoch, write...)
	}
	s.secured = err == nil
	return err
}

// pgEdits returns statements that make edits: three at most, however many edits there are.
func pgEdits(edits []edit) (steps []pg.Statement, err error) {
	for _, e := range edits {
		if e.act < actPut || e.act > actDrop || len(e.key) == 0 && e.act != actDrop {
			return nil, fmt.Errorf("edit of %q is none", e.bucket)
		}
	}
	var over overlay // each key once: what was done to it last
	over.apply(edits)
	var drops, goneIn, putIn []bucket
	var gone, put, values [][]byte
	for _, e := range over.edits() {
		switch e.act {
		case actDrop:
			drops = append(drops, e.bucket)
		case actDelete:
			goneIn, gone = append(goneIn, e.bucket), append(gone, e.key)
		case actPut:
			putIn, put, values = append(putIn, e.bucket), append(put, e.key), append(values, e.value)
		}
	}
	if len(drops) > 0 {
		steps = append(steps, pg.Statement{Often: true, SQL: `DELETE FROM pksa.pairs WHERE bucket = ANY($1)`,
			Args: []pg.Arg{pg.ByteArrays(drops)}})
	}
	if len(gone) > 0 {
		steps = append(steps, pg.Statement{Often: true, SQL: `DELETE FROM pksa.pairs USING unnest($1, $2) AS gone (b, k)
			WHERE bucket = b AND key = k`, Args: []pg.Arg{pg.ByteArrays(goneIn), pg.ByteArrays(gone)}})
	}
	if len(put) > 0 {
		steps = append(steps, pg.Statement{Often: true, SQL: `INSERT INTO pksa.pairs SELECT * FROM unnest($1, $2, $3)
			ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value`,
			Args: []pg.Arg{pg.ByteArrays(putIn), pg.ByteArrays(put), pg.ByteArrays(values)}})
	}
	return steps, nil
}

func (s *pgStore) get(b bucket, key []byte) (value []byte, found bool, err error) {
	all, err := s.getMany([]name{{b, key}})
	if err != nil {
		return nil, false, err
	}
	return all[0].value, all[0].found, nil
}

func (s *pgStore) getMany(names []name) (all []got, err error) {
	if _, err := s.opened(); err != nil || len(names) == 0 {
		return nil, err
	}
	buckets, keys := make([]bucket, len(names)), make([][]byte, len(names))
	for i, n := range names {
		buckets[i], keys[i] = n.bucket, n.key
	}
	statement := pg.Statement{
		Often: true,
		// The limit keeps the server from reading the whole table instead of one key after another.
		SQL: `SELECT value FROM (SELECT i, value,
			sum(octet_length(value)) OVER (ORDER BY i) - octet_length(value) AS before
			FROM unnest($1, $2) WITH ORDINALITY AS n (b, k, i)
			LEFT JOIN LATERAL (SELECT value FROM pksa.pairs WHERE bucket = b AND key = k LIMIT 1) AS p ON true) AS r
			WHERE coalesce(before, 0) < $3 ORDER BY i`,
		Args: []pg.Arg{pg.ByteArrays(buckets), pg.ByteArrays(keys), pg.Int(listBytes)},
		Row: func(v [][]byte) error {
			all = append(all, gotten(v[0], v[0] != nil))
			return nil
		},
	}
	err = s.read(func() { all = nil }, statement)
	if err == nil && (len(all) == 0 || len(all) > len(names)) {
		err = fmt.Errorf("the database answers %d values of %d", len(all), len(names))
	}
	return all, err
}

func (s *pgStore) list(b bucket, from []byte, most int) (pairs []pair, more bool, err error) {
	if _, err := s.opened(); err != nil {
		return nil, false, err
	}
	statement := pg.Statement{
		Often: true,
		// One more than is wanted, to know whether there is one; what is too large comes without
		// value.
		SQL: `SELECT key,
			CASE WHEN sum(octet_length(value)) OVER (ORDER BY key) - octet_length(value) < $4 THEN value END
			FROM (SELECT key, value FROM pksa.pairs WHERE bucket = $1 AND key >= $2 ORDER BY key LIMIT $3) AS p
			ORDER BY key`,
		Args:    []pg.Arg{pg.Bytes([]byte(b)), pg.Bytes(from), pg.Int(int64(most) + 1), pg.Int(listBytes)},
		Columns: 2,
		Row: func(v [][]byte) error {
			if more = more || v[1] == nil || len(pairs) == most; !more {
				pairs = append(pairs, pair{bytes.Clone(v[0]), append([]byte{}, v[1]...)})
			}
			return nil
		},
	}
	err = s.read(func() { pairs, more = nil, false }, statement)
	return pairs, more, err
}

// args returns the name as parameters.
func (id segmentID) args() ([]pg.Arg, error) {
	if id.first > math.MaxInt64 || id.last > math.MaxInt64 {
		return nil, fmt.Errorf("segment %s has numbers that no trail reaches", id.name())
	}
	whole := int64(0)
	if id.whole {
		whole = 1
	}
	return []pg.Arg{pg.Int(int64(id.first)), pg.Int(int64(id.last)), pg.Int(whole)}, nil
}

// pgNamed is true of the segment that has a name.
const pgNamed = ` first = $1 AND last = $2 AND whole = $3 AND state = 1`

// writeSegment writes the parts in transactions of their own, under a row that no name leads to
// yet. The last one gives it the name.
func (s *pgStore) writeSegment(id segmentID, content iter.Seq2[[]byte, error]) error {
	epoch, err := s.opened()
	if err != nil {
		return err
	}
	args, err := id.args()
	if err != nil {
		return err
	}
	step := func(sql string, args ...pg.Arg) pg.Statement { return pg.Statement{SQL: sql, Args: args} }
	var row int64
	insert := step(`INSERT INTO pksa.segments (first, last, whole, state, size, written)
		VALUES ($1, $2, $3, 0, 0, clock_timestamp()) RETURNING id`, args...)
	insert.Row = func(v [][]byte) (err error) {
		row, err = pg.ToInt(v[0])
		return err
	}
	left := step(`DELETE FROM pksa.segments WHERE state = 0`) // what crashes and errors left of others
	if err := s.change(epoch, left, insert); err != nil {
		return err
	}
	size := int64(0)
	for part, err := range content {
		if err != nil {
			return err
		}
		if len(part) == 0 {
			continue
		}
		err = s.change(epoch, step(`INSERT INTO pksa.parts VALUES ($1, $2, $3)`, pg.Int(row), pg.Int(size),
			pg.Bytes(part)))
		if err != nil {
			return err
		}
		size += int64(len(part))
	}
	return s.change(epoch, step(`DELETE FROM pksa.segments WHERE`+pgNamed, args...),
		step(`WITH named AS (UPDATE pksa.segments SET state = 1, size = $2, written = clock_timestamp()
			WHERE id = $1 AND state = 0 RETURNING 1) SELECT 1 / count(*) FROM named`, pg.Int(row), pg.Int(size)))
}

// change runs statements that change something, in one transaction of this epoch.
func (s *pgStore) change(epoch int64, steps ...pg.Statement) error {
	if err := s.fencedIn(context.Background(), pgTime, epoch, steps...); err != nil {
		return s.place(err)
	}
	return nil
}

func (s *pgStore) readSegment(id segmentID, from, most int64) (content []byte, err error) {
	if _, err := s.opened(); err != nil {
		return nil, err
	}
	args, err := id.args()
	if err != nil {
		return nil, err
	}
	found := false
	// So that the sum stays below the largest number.
	end := min(from, math.MaxInt64/2) + min(most, math.MaxInt64/2)
	statement := pg.Statement{
		Often: true,
		SQL: `SELECT substr(content, (greatest($4 - begins, 0) + 1)::int,
			least($5 - greatest($4, begins), 1073741823)::int) FROM pksa.segments
			LEFT JOIN pksa.parts ON segment = id AND begins < $5 AND begins + octet_length(content) > $4
			WHERE` + pgNamed + ` ORDER BY begins`,
		Args: append(args, pg.Int(from), pg.Int(end)),
		Row: func(v [][]byte) error {
			found = true
			content = append(content, v[0]...)
			return nil
		},
	}
	if err := s.read(func() { content, found = nil, false }, statement); err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("segment %s: %w", id.name(), fs.ErrNotExist)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("segment %s: the database answers %d bytes of %d", id.name(), len(content), most)
	}
	return content, nil
}

func (s *pgStore) segments() (list []segmentInfo, err error) {
	if _, err := s.opened(); err != nil {
		return nil, err
	}
	statement := pg.Statement{
		Often: true,
		SQL: `SELECT first, last, whole, size, (extract(epoch FROM written) * 1000)::bigint FROM pksa.segments
			WHERE state = 1`,
		Columns: 5,
		Row: func(v [][]byte) error {
			var n [5]int64
			for i := range n {
				var err error
				if n[i], err = pg.ToInt(v[i]); err != nil {
					return err
				}
			}
			list = append(list, segmentInfo{segmentID{uint64(n[0]), uint64(n[1]), n[2] != 0}, n[3], fromMillis(n[4])})
			return nil
		},
	}
	err = s.read(func() { list = nil }, statement)
	sortSegments(list)
	return list, err
}

func (s *pgStore) removeSegment(id segmentID) error {
	return s.changeSegment(id, `DELETE FROM pksa.segments WHERE`+pgNamed)
}

func (s *pgStore) retireSegment(id segmentID) error {
	return s.changeSegment(id, `UPDATE pksa.segments SET state = 2 WHERE`+pgNamed)
}

func (s *pgStore) changeSegment(id segmentID, sql string) error {
	epoch, err := s.opened()
	if err != nil {
		return err
	}
	args, err := id.args()
	if err != nil {
		return err
	}
	return s.change(epoch, pg.Statement{SQL: sql, Args: args})
}

// run runs statements in one transaction.
func (s *pgStore) run(steps ...pg.Statement) error {
	return s.runIn(context.Background(), pgTime, steps...)
}

func (s *pgStore) runIn(ctx context.Context, most time.Duration, steps ...pg.Statement) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c, err := s.conns.take(ctx)
	if err != nil {
		return err
	}
	defer s.conns.put(c)
	return c.Run(ctx, steps...)
}

// read runs a statement that changes nothing. A connection that was at rest may have ended: then it
// is run once more, by another one, after reset has forgotten what the first one found.
func (s *pgStore) read(reset func(), statement pg.Statement) error {
	err := s.run(statement)
	if errors.Is(err, pg.ErrUnheard) {
		s.conns.close()
		reset()
		err = s.run(statement)
	}
	return err
}
