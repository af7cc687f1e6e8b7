package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"pksa/keystore/durable"
	"pksa/protocol/plain"
)

// renew closes the file and opens it again, after a commit that did not succeed.
func (l *Ledger) renew() error {
	l.fileMu.Lock()
	if l.db != nil {
		_ = l.db.Close() // the error is of the file that is given up
		l.db = nil
	}
	l.fileMu.Unlock()
	return l.reopen(true)
}

// reopen opens the file, reads it whole, and makes what it says the committed state. It is the way
// in at the start, and, with anew, after a commit that did not succeed.
func (l *Ledger) reopen(anew bool) (err error) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.broken = nil
		if err != nil {
			l.broken = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}()
	db, err := openFile(l.path)
	if err != nil {
		return err
	}
	st, found, oldest, err := l.vault.load(db)
	// Windows renames no file over one that is open, so that a file there is never rewritten.
	if err == nil && anew && runtime.GOOS != "windows" {
		db, err = rewrite(db, l.path)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	l.fileMu.Lock()
	l.db = db
	l.fileMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = st
	l.oldest = l.segmentOf(oldest)
	l.generation++
	l.mergeLocked(found)
	return nil
}

// rewrite copies the file and puts the copy in its place. After a failed sync the kernel may show
// pages that it will never write: a commit on top of them could be durable while they are not. On
// an error the old file is still open and in place.
func rewrite(old *bolt.DB, path string) (*bolt.DB, error) {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return old, err
	}
	fresh, err := openFile(temp)
	if err != nil {
		return old, err
	}
	err = bolt.Compact(fresh, old, 1<<20)
	if err == nil {
		err = os.Rename(temp, path) // both locks are held: no other copy gets in between
	}
	if err != nil {
		return old, errors.Join(err, fresh.Close(), os.Remove(temp))
	}
	return fresh, errors.Join(durable.SyncFolder(filepath.Dir(path)), old.Close())
}

// mergeLocked brings the known requests in line with those found in the file.
func (l *Ledger) mergeLocked(found map[uint64]*run) {
	old := l.runs
	l.runs, l.numbers = make(map[RequestKey]*run, len(found)), map[uint64]*run{}
	for number, f := range found {
		if other := l.runs[f.key]; other == nil || other.number < number { // it came again after it was swept
			l.runs[f.key] = f
		}
	}
	for key, r := range old {
		f := l.runs[key]
		switch {
		case r.stored: // as the file says, or gone with it; an outcome may be on its way
			if f != nil {
				f.final = f.final || r.final
			}
		case f == nil:
			l.runs[key] = r
		case f.stored && r.answered:
			// Its answer got there: those who wait have the old run.
		default:
			// A run in work stays the one that others wait for. If it was not known to be judged,
			// it was told that the commit failed.
			r.failed = r.failed || r.number == 0
			r.number = f.number
			l.runs[key] = r
		}
	}
	for _, r := range l.runs {
		if r.number != 0 && !(r.stored && r.final) {
			l.numbers[r.number] = r
		}
	}
}

// load reads the whole file.
func (v *vault) load(db *bolt.DB) (st *state, found map[uint64]*run, oldest uint64, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer catch(&err)
	st, found = newState(), map[uint64]*run{}
	err = db.View(func(tx *bolt.Tx) error {
		if err := v.loadMeta(tx, st); err != nil {
			return err
		}
		if err := v.loadPeople(tx, st); err != nil {
			return err
		}
		if err := v.loadRequests(tx, found); err != nil {
			return err
		}
		if err := v.loadCharges(tx); err != nil {
			return err
		}
		if oldest, err = oldestRecord(tx); err != nil {
			return err
		}
		return v.loadTrail(tx, st, found)
	})
	st.arrange()
	return st, found, oldest, err
}

// loadMeta finds out whether the file is ours, and reads its facts.
func (v *vault) loadMeta(tx *bolt.Tx, st *state) error {
	for _, name := range allBuckets {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: %s is missing", ErrDamaged, name)
		}
	}
	if id := tx.Bucket(bucketMeta).Get(metaID); string(id) != v.id {
		return fmt.Errorf("%w: its id is %s", ErrOther, plain.Quote(string(id), 64))
	}
	proof, err := v.get(tx, bucketMeta, metaProof)
	if err != nil || string(proof) != v.id {
		return fmt.Errorf("%w: the id fits, the key does not", ErrOther)
	}
	number, err := v.metaNumber(tx, metaGathered)
	if err != nil {
		return err
	}
	kept, err := v.metaNumber(tx, metaKept)
	if err != nil {
		return err
	}
	floor, err := v.metaNumber(tx, metaFloor)
	st.gathered, st.kept, st.floor = uint64(number), uint64(kept), floor
	return err
}

func (v *vault) metaNumber(tx *bolt.Tx, name []byte) (int64, error) {
	plain, err := v.get(tx, bucketMeta, name)
	if err != nil || plain == nil {
		return 0, err
	}
	r := reader{b: plain}
	number := r.int64()
	if r.end() != nil {
		return 0, damaged(bucketMeta, name)
	}
	return number, nil
}

// loadPeople reads slots and sessions as they were gathered, and looks at every auth_key.
func (v *vault) loadPeople(tx *bolt.Tx, st *state) error {
	err := v.each(tx, bucketSlots, func(key, plain []byte) error {
		s, err := decodeSlot(string(key), plain)
		st.slots[s.Name] = s
		return err
	})
	if err != nil {
		return err
	}
	err = v.each(tx, bucketSessions, func(key, plain []byte) error {
		id, err := numberOf(key)
		if err != nil {
			return err
		}
		s, err := decodeSession(SessionID(id), plain)
		st.sessions[s.ID] = s
		return err
	})
	if err != nil {
		return err
	}
	return v.each(tx, bucketKeys, func(_, plain []byte) error {
		_, err := decodeAuthKey(plain)
		return err
	})
}

func (v *vault) loadRequests(tx *bolt.Tx, runs map[uint64]*run) error {
	return v.each(tx, bucketRequests, func(key, plain []byte) error {
		end, number, err := endOf(key)
		if err != nil {
			return err
		}
		q, err := decodeRequest(plain)
		if err != nil {
			return err
		}
		runs[number] = q.run(end, number)
		return nil
	})
}

// loadCharges looks at every charge that is gathered: one that reads wrong would fail each commit
// that counts, later.
func (v *vault) loadCharges(tx *bolt.Tx) error {
	return v.each(tx, bucketCharges, func(_, plain []byte) error {
		_, err := decodeCharges(plain)
		return err
	})
}

// loadTrail follows the audit records to the last, checks their chain, and applies those that are
// not gathered yet.
func (v *vault) loadTrail(tx *bolt.Tx, st *state, runs map[uint64]*run) error {
	trail := tx.Bucket(bucketAudit).Cursor()
	st.last = v.chainStart()
	first := st.gathered > 0
	for key, sealed := trail.Seek(numberKey(st.gathered)); key != nil; key, sealed = trail.Next() {
		s, err := v.openRecord(key, sealed)
		if err != nil {
			return err
		}
		if first && s.Number == st.gathered {
			first, st.last = false, s.at
			continue
		}
		if err := s.follows(st.last); err != nil {
			return err
		}
		st.last = s.at
		st.apply(&s.Record)
		st.applyChange(&s, runs)
	}
	if first {
		return fmt.Errorf("%w: audit record %d is missing", ErrDamaged, st.gathered)
	}
	return nil
}

// applyChange does what a record that is not gathered did to its request.
func (st *state) applyChange(s *stored, runs map[uint64]*run) {
	if s.extra == nil {
		return
	}
	number := s.requestNumber()
	st.places[number] = position{record: s.Number, end: s.extra.end}
	if len(s.extra.charges) > 0 {
		st.charges = append(st.charges, counted{s.Number, s.extra.charges})
	}
	runs[number] = s.extra.request.run(s.extra.end, number)
}

// run is a request as it is known after it was read.
func (q *request) run(end int64, number uint64) *run {
	r := &run{key: q.Key, digest: q.Digest, end: end, number: number, done: make(chan struct{})}
	if q.Answered {
		close(r.done)
		r.answered, r.stored, r.final = true, true, q.Final
	}
	return r
}

// apply does what a record that is not gathered did to sessions and digests. Sessions that have
// ended since are not there.
func (st *state) apply(r *Record) {
	if r.Type != RecordJudged && r.Type != RecordDecided {
		return
	}
	if slot, ok := st.slots[r.App]; ok && r.Spent == SpentSlotDigest && r.Number > slot.generation {
		remember(st.recent, slotOwner(slot), r.Digest)
	}
	s := st.sessions[r.Session]
	if s == nil {
		return
	}
	if r.Spent == SpentSessionDigest {
		remember(st.recent, sessionOwner(s.ID), r.Digest)
	}
	if r.Number > s.asOf && r.Spent != SpentNothing {
		s.apply(r)
		s.asOf = r.Number
		st.dirty[s.ID] = struct{}{}
	}
}
