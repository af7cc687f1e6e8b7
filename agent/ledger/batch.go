package ledger

import (
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"
)

// batch is one transaction of the committing goroutine, and over the committed state what its steps
// have changed so far: later steps of the batch see it, readers see it after the commit. If there
// is none, it is forgotten whole.
type batch struct {
	l     *Ledger
	o     *Options
	vault *vault
	tx    *bolt.Tx
	now   time.Time // ledger time, whole ms

	last      chainEnd
	sessions  map[SessionID]*Session // nil: ended
	digests   map[owner]map[[32]byte]struct{}
	forgotten []owner // whose digests are dropped
	places    map[uint64]position
	charges   []counted
	dropped   map[uint64]bool // requests that are swept
	after     []func(*state)  // under Ledger.mu, once the commit has succeeded
	gathered  uint64          // the last record that this batch gathered; zero: it gathered nothing
	wrote     bool
	err       error // the first thing that went wrong while writing; it fails the batch
}

func newBatch(l *Ledger, tx *bolt.Tx) *batch {
	return &batch{
		l: l, o: &l.o, vault: l.vault, tx: tx, last: l.state.last, now: fromMillis(max(millis(l.now()), l.state.last.time)),
		sessions: map[SessionID]*Session{}, digests: map[owner]map[[32]byte]struct{}{},
		places: map[uint64]position{}, dropped: map[uint64]bool{},
	}
}

func (b *batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *batch) put(bucket, key, plain []byte) {
	b.wrote = true
	if err := b.vault.put(b.tx, bucket, key, plain); err != nil {
		b.fail(err)
	}
}

func (b *batch) delete(bucket, key []byte) {
	b.wrote = true
	if err := b.tx.Bucket(bucket).Delete(key); err != nil {
		b.fail(err)
	}
}

// get opens a value; nil if there is none, or if the batch has failed.
func (b *batch) get(bucket, key []byte) []byte {
	plain, err := b.vault.get(b.tx, bucket, key)
	if err != nil {
		b.fail(err)
	}
	return plain
}

// next is the number of the record that comes next.
func (b *batch) next() uint64 { return b.last.number + 1 }

// session is a session as the batch sees it, expired or not; nil if there is none.
func (b *batch) session(id SessionID) *Session {
	if s, ok := b.sessions[id]; ok {
		return s
	}
	return b.l.state.sessions[id]
}

// liveSession is nil for an expired one too.
func (b *batch) liveSession(id SessionID) *Session {
	if s := b.session(id); s != nil && s.Expires.After(b.now) {
		return s
	}
	return nil
}

// update changes a session from the record with this number on.
func (b *batch) update(s *Session, number uint64, change func(*Session)) *Session {
	fresh := *s
	change(&fresh)
	fresh.asOf = number
	b.sessions[s.ID] = &fresh
	return &fresh
}

// seen says whether an owner has this digest.
func (b *batch) seen(o owner, digest [32]byte) bool {
	if _, ok := b.digests[o][digest]; ok {
		return true
	}
	if _, ok := b.l.state.recent[o][digest]; ok {
		return true
	}
	// Whether the value opens does not matter: a forged one refuses, no more.
	kept := b.tx.Bucket(bucketDigests).Bucket([]byte(o))
	return kept != nil && kept.Get(digest[:]) != nil
}

// forget drops all digests of an owner.
func (b *batch) forget(o owner) {
	delete(b.digests, o)
	b.forgotten = append(b.forgotten, o)
	all := b.tx.Bucket(bucketDigests)
	if all.Bucket([]byte(o)) == nil {
		return
	}
	b.wrote = true
	if err := all.DeleteBucket([]byte(o)); err != nil {
		b.fail(err)
	}
}

// publish makes the batch the committed state. Ledger.mu is held.
func (b *batch) publish(st *state) {
	st.last = b.last
	for _, o := range b.forgotten {
		delete(st.recent, o)
	}
	for o, digests := range b.digests {
		if st.recent[o] == nil {
			st.recent[o] = digests
		} else {
			maps.Copy(st.recent[o], digests)
		}
	}
	for _, id := range b.inOrder() {
		s := b.sessions[id]
		if s == nil {
			st.remove(id)
			continue
		}
		st.putFirst(s)
		st.dirty[id] = struct{}{}
	}
	maps.Copy(st.places, b.places)
	for number := range b.dropped {
		delete(st.places, number)
	}
	st.charges = append(st.charges, b.charges...)
	for _, fn := range b.after {
		fn(st)
	}
	if b.gathered != 0 {
		st.gathered, st.charges = b.gathered, nil
		clear(st.dirty)
		clear(st.recent)
		clear(st.places)
	}
}

// note keeps where a request's latest state is.
func (b *batch) note(number uint64, at position) { b.places[number] = at }

func (b *batch) charge(number uint64, charges []Charge) {
	if len(charges) > 0 {
		b.charges = append(b.charges, counted{number, charges})
	}
}

// positionOf returns where the latest state of a request stands, if it is in the trail.
func (b *batch) positionOf(number uint64) (position, bool) {
	if at, ok := b.places[number]; ok {
		return at, true
	}
	at, ok := b.l.state.places[number]
	return at, ok
}

// findRequest reads a request as the batch sees it; end is that of its run.
func (b *batch) findRequest(end int64, number uint64) (request, bool) {
	at, _ := b.positionOf(number)
	q, ok, err := b.vault.findRequest(b.tx, at.record, end, number)
	if err != nil {
		b.fail(err)
	}
	return q, ok && err == nil
}

// findRequest reads a request from the record that holds it, or, if that is zero, from where it was
// gathered.
func (v *vault) findRequest(tx *bolt.Tx, record uint64, end int64, number uint64) (request, bool, error) {
	if record != 0 {
		s, ok, err := v.recordAt(tx, record)
		if err != nil || !ok {
			return request{}, false, err
		}
		if s.extra == nil {
			return request{}, false, damaged(bucketAudit, numberKey(record))
		}
		return s.extra.request, true, nil
	}
	key := endKey(end, number)
	plain, err := v.get(tx, bucketRequests, key)
	if err != nil || plain == nil {
		return request{}, false, err
	}
	q, err := decodeRequest(plain)
	if err != nil {
		return request{}, false, damaged(bucketRequests, key)
	}
	return q, true, nil
}
