package ledger

import (
	"maps"
	"time"
)

// batch is one commit in the making. It holds what its steps have changed so far, over the
// committed state and over the store. Later steps of the batch see the changes; readers see them
// after the commit. If the commit does not succeed, the whole batch is forgotten.
type batch struct {
	l        *Ledger
	o        *Options
	foreseen foreseen  // of the store
	pending  pending   // what it is going to write, over that
	lookup             // over pending
	now      time.Time // ledger time, whole ms

	last      chainEnd               // that the last record of the batch makes
	since     amount                 // of records from the last one on that is gathered
	lastSize  int                    // of the last record of the batch
	sessions  map[SessionID]*Session // nil: ended; see change
	tally     tally
	digests   map[owner]map[[32]byte]struct{}
	counted   map[owner]int // new digests of slots
	tries     bool          // it is thrown away, see trial: sessions that end leave only what others may depend on
	forgotten []owner       // whose digests are dropped
	positions map[uint64]position
	charges   []counted
	fates     map[[20]byte]Fate      // those that it changed; the zero state: dropped
	remnants  map[SessionID]*Remnant // those that it changed; nil: dropped
	dropped   map[uint64]bool        // requests that are swept
	after     []func(*state)         // under Ledger.mu, once the commit has succeeded
	gatherNow bool                   // all changes are gathered with it, whatever segment it is in
	recharged bool                   // its edits hold all charges, so none is gathered
	gathered  uint64                 // the last record whose changes, and all before, it gathered at once; or zero
	portion   *portion               // what it did of a gathering; nil: nothing
	err       error                  // the first read or write that went wrong; it fails the batch
}

func newBatch(l *Ledger) *batch {
	b := &batch{
		l: l, o: &l.o, last: l.state.last, since: l.state.since,
		now:      fromMillis(max(millis(l.now()), l.state.last.time)),
		sessions: map[SessionID]*Session{}, digests: map[owner]map[[32]byte]struct{}{},
		positions: map[uint64]position{}, dropped: map[uint64]bool{}, fates: map[[20]byte]Fate{},
		remnants: map[SessionID]*Remnant{}, counted: map[owner]int{},
		tally: tally{lives: map[string]*tallied{}, changed: map[string][]SessionID{}},
	}
	b.foreseen.store = l.store
	b.pending.under = &b.foreseen
	b.lookup = lookup{l.vault, &b.pending}
	return b
}

func (b *batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// put seals a value and writes it with the batch. It returns how many bytes lie in the store.
func (b *batch) put(in bucket, key, plain []byte) int {
	sealed := b.vault.seal(b.last.number, in, key, plain)
	b.pending.add(edit{actPut, in, key, sealed})
	return len(sealed)
}

func (b *batch) delete(in bucket, key []byte) { b.pending.add(edit{actDelete, in, key, nil}) }

// get opens a value. It returns nil if there is none, or if the batch has failed.
func (b *batch) get(in bucket, key []byte) []byte {
	plain, err := b.value(in, key)
	if err != nil {
		b.fail(err)
	}
	return plain
}

// next returns the number of the record that is written next.
func (b *batch) next() uint64 { return b.last.number + 1 }

// session returns a session as the batch sees it, expired or not. It returns nil if there is none.
func (b *batch) session(id SessionID) *Session {
	if s, ok := b.sessions[id]; ok {
		return s
	}
	return b.l.state.sessions[id]
}

// liveSession returns a session that has not expired, as the batch sees it, or nil.
func (b *batch) liveSession(id SessionID) *Session {
	if s := b.session(id); s != nil && s.Expires.After(b.now) {
		return s
	}
	return nil
}

// update changes a session. number is that of the record that reports the change.
func (b *batch) update(s *Session, number uint64, change func(*Session)) *Session {
	fresh := *s
	change(&fresh)
	fresh.asOf = number
	b.change(s.ID, &fresh)
	return &fresh
}

// seen reports whether an owner has this digest.
func (b *batch) seen(o owner, digest [32]byte) bool {
	// Three places, youngest first: this batch, the trail, the bucket.
	if _, ok := b.digests[o][digest]; ok {
		return true
	}
	for _, recent := range b.l.state.recentDigests() {
		if _, ok := recent[o][digest]; ok {
			return true
		}
	}
	// The value is not opened: a forged one could only refuse a request.
	_, found, err := b.in.get(digestBucket(o), digest[:])
	if err != nil {
		b.fail(err) // a digest that cannot be read must not pass for one that is not there
	}
	return found
}

// secretSpent reports whether a slot has as many digests as the ledger remembers of one. They are
// counted when one is asked for, once after a start.
func (b *batch) secretSpent(o owner) bool {
	st := b.l.state
	n, known := st.counts[o]
	if !known {
		for _, recent := range st.recentDigests() {
			n += len(recent[o])
		}
		for _, err := range scan(b.l.store, digestBucket(o), nil) {
			if err != nil {
				b.fail(err)
				return true
			}
			if n++; n >= b.o.DigestsPerSlot {
				break
			}
		}
		st.counts[o] = n
	}
	return n+b.counted[o] >= b.o.DigestsPerSlot
}

// forget drops all digests of an owner.
func (b *batch) forget(o owner) {
	delete(b.digests, o)
	delete(b.counted, o)
	b.forgotten = append(b.forgotten, o)
	b.pending.add(edit{act: actDrop, bucket: digestBucket(o)})
}

// publish makes the batch the committed state. Ledger.mu is held.
func (b *batch) publish(st *state) {
	st.last = b.last
	// First what is forgotten: an owner's digests may be dropped and others kept in one batch.
	for _, o := range b.forgotten {
		st.forget(o)
	}
	for o, n := range b.counted {
		if _, known := st.counts[o]; known {
			st.counts[o] += n
		}
	}
	for o, digests := range b.digests {
		if st.recent[o] == nil {
			st.recent[o] = digests
		} else {
			maps.Copy(st.recent[o], digests)
		}
	}
	// In the order of their use, as the accounts' lists are.
	changed := map[string][]*Session{} // by account
	for _, id := range b.inOrder() {
		s := b.sessions[id]
		if s == nil {
			st.remove(id)
			continue
		}
		changed[s.Account] = append(changed[s.Account], s)
		st.dirty[id] = struct{}{}
	}
	for account, list := range changed {
		st.putFirst(account, list)
	}
	maps.Copy(st.positions, b.positions)
	for number := range b.dropped {
		delete(st.positions, number)
	}
	st.charges = append(st.charges, b.charges...)
	b.publishFates(st)
	b.publishRemnants(st)
	// Last: all that this batch changed may be gathered too.
	b.publishGathered(st)
	for _, fn := range b.after {
		fn(st)
	}
}

// readAhead reads what the steps and the gathering need, in one read of the store.
func (b *batch) readAhead(ops []*op) error {
	var names []name
	for _, o := range ops {
		if o.needs != nil {
			names = append(names, o.needs(b)...)
		}
	}
	if g := b.l.state.gathering; g != nil {
		// As many as it gathers if each step writes a record. With more, it reads them one by one.
		most := max(b.o.gatherFew+gatherOf*len(ops)-len(g.sessions), 0)
		for _, q := range g.requests[:min(len(g.requests), most)] {
			names = append(names, b.requestName(q.end, q.number))
		}
	}
	return b.foreseen.readAhead(names)
}

// note keeps where the latest state of a request stands.
func (b *batch) note(number uint64, at position) { b.positions[number] = at }

func (b *batch) charge(number uint64, charges []Charge) {
	if len(charges) > 0 {
		b.charges = append(b.charges, counted{number, b.last.number, charges})
	}
}

// positionOf returns where the latest state of a request stands, if it is in the trail.
func (b *batch) positionOf(number uint64) (position, bool) {
	if at, ok := b.positions[number]; ok {
		return at, true
	}
	at, ok := b.l.state.positions[number]
	return at, ok
}

// requestName returns where the latest state of a request stands. end is the end of its run.
func (b *batch) requestName(end int64, number uint64) name {
	if at, ok := b.positionOf(number); ok {
		return name{bucketAudit, numberKey(at.record)}
	}
	return name{bucketRequests, endKey(end, number)}
}

// findRequest reads a request as the batch sees it. end is the end of its run.
func (b *batch) findRequest(end int64, number uint64) (request, bool) {
	at, _ := b.positionOf(number)
	q, ok, err := b.lookup.findRequest(at.record, end, number)
	if err != nil {
		b.fail(err)
	}
	return q, ok && err == nil
}
