package ledger

import (
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"
)

// batch is one transaction of the committing goroutine, and over the committed state what its steps have changed so
// far: later steps of the batch see it, readers see it after the commit. If there is none, it is forgotten whole.
type batch struct {
	l   *Ledger
	o   *Options
	tx  *bolt.Tx
	now time.Time // ledger time, whole ms

	last       link
	sessions   map[SessionID]*Session // nil: ended
	digests    map[owner]map[[32]byte]struct{}
	forgotten  []owner        // whose digests are dropped
	after      []func(*state) // under Ledger.mu, once the commit has succeeded
	checkpoint uint64         // zero: none was due
	wrote      bool
	err        error // the first thing that went wrong while writing; it fails the batch
}

func newBatch(l *Ledger, tx *bolt.Tx) *batch {
	return &batch{
		l: l, o: &l.o, tx: tx, last: l.state.last, now: fromMillis(max(millis(l.o.Now()), l.state.last.time)),
		sessions: map[SessionID]*Session{}, digests: map[owner]map[[32]byte]struct{}{},
	}
}

func (b *batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *batch) put(bucket, key, plain []byte) {
	b.wrote = true
	if err := b.o.put(b.tx, bucket, key, plain); err != nil {
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
	plain, err := b.o.get(b.tx, bucket, key)
	if err != nil {
		b.fail(err)
	}
	return plain
}

// next is the number of the record that comes next.
func (b *batch) next() uint64 { return b.last.number + 1 }

// record appends to the audit trail.
func (b *batch) record(r Record) uint64 {
	r.Number, r.Time = b.next(), b.now
	plain := append(b.last.mac[:len(b.last.mac):len(b.last.mac)], r.encode()...)
	b.put(bucketAudit, numberKey(r.Number), plain)
	b.last = b.o.chain(r.Number, plain, millis(b.now))
	return r.Number
}

// chain is the link that a record makes; plain begins with the MAC of the one before.
func (o *Options) chain(number uint64, plain []byte, ms int64) link {
	return link{number: number, mac: o.hash("record", numberKey(number), plain), time: ms}
}

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

// gather writes the sessions and digests that changed since the last checkpoint, if enough records have passed: what
// lies before a checkpoint need not be read again at the next start.
func (b *batch) gather() {
	if b.last.number/b.o.segment == b.l.state.checkpoint/b.o.segment {
		return
	}
	b.checkpoint = b.last.number
	for id := range b.l.state.dirty {
		if s := b.session(id); s != nil {
			b.put(bucketSessions, numberKey(uint64(id)), s.encode())
		}
	}
	for id, s := range b.sessions {
		if s != nil {
			b.put(bucketSessions, numberKey(uint64(id)), s.encode())
		}
	}
	dropped := map[owner]bool{}
	for _, o := range b.forgotten {
		dropped[o] = true
	}
	for o, digests := range b.l.state.recent {
		if !dropped[o] {
			b.keepDigests(o, digests)
		}
	}
	for o, digests := range b.digests {
		b.keepDigests(o, digests)
	}
	var w writer
	w.uint(b.checkpoint)
	b.put(bucketMeta, metaCheckpoint, w.b)
}

func (b *batch) keepDigests(o owner, digests map[[32]byte]struct{}) {
	kept, err := b.tx.Bucket(bucketDigests).CreateBucketIfNotExists([]byte(o))
	if err != nil {
		b.fail(err)
		return
	}
	for digest := range digests {
		if err := kept.Put(digest[:], b.o.seal(digestName(o), digest[:], nil)); err != nil {
			b.fail(err)
		}
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
		st.place(s)
		st.dirty[id] = struct{}{}
	}
	for _, fn := range b.after {
		fn(st)
	}
	if b.checkpoint != 0 {
		st.checkpoint = b.checkpoint
		clear(st.dirty)
		clear(st.recent)
	}
}
