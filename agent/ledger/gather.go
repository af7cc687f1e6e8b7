package ledger

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"pksa/protocol/sorts"
)

// gatherFew is how many changes a commit gathers at least. Fewer are gathered at once.
const gatherFew = 64

// gatherOf is how many changes a commit gathers for each record that it writes. A record changes
// three things at most: so all are gathered before as many records have come again.
const gatherOf = 3

// gathering is the work of several commits, which copy the changes that stand in the trail up to a
// record into the buckets that are read by key. Requests would wait for a single commit of all of
// them.
//
// Sessions, requests and digests come first. Until the number of the gathered record moves on, a
// start reads them from the trail once more, which changes nothing: a session knows up to which
// record it was changed, a request's latest state counts, and digests are a set. A charge would
// count twice, so charges come last: each commit moves the number up to their record.
type gathering struct {
	upTo   chainEnd // after the last record whose changes are gathered
	amount amount   // of records up to that one, from the last one on that was gathered before
	size   int      // of that record

	recent   map[owner]map[[32]byte]struct{} // digests of before, until they are all in their buckets
	sessions []SessionID                     // left to write, as are the following
	requests []endNumber
	digests  []ownDigest
	charges  int // of the first ones of the state, those that are left
}

type endNumber struct {
	end    int64
	number uint64
}

type ownDigest struct {
	owner  owner
	digest [32]byte
}

// portion is how much of a gathering one commit does.
type portion struct {
	sessions, requests, digests, charges int
	gathered                             uint64 // the last record that it gathered; zero: it moved no number
}

// gather gathers changes, when as many records have come since the last time as fill a segment, or
// as many bytes. The records before that need not be read at the next start, and may leave the
// store.
func (b *batch) gather() {
	g := b.l.state.gathering
	full := b.o.fills(b.since)
	switch {
	case b.gatherNow, full && b.l.state.late, g == nil && full && b.changes() <= b.o.gatherFew:
		b.gatherAll()
	case g != nil:
		b.gatherPortion(g)
	case full:
		// The next commit begins with it: what this one changes is among it.
		b.after = append(b.after, func(st *state) { st.beginGathering(b) })
	}
}

// fills reports whether so many records fill a segment.
func (o *Options) fills(a amount) bool { return a.records > o.segment || a.bytes > o.segmentBytes }

// changes returns how many changes are not gathered, roughly.
func (b *batch) changes() int {
	st := b.l.state
	n := len(st.dirty) + len(b.sessions) + len(st.positions) + len(b.positions) + len(st.charges) + len(b.charges)
	for _, digests := range []map[owner]map[[32]byte]struct{}{st.recent, b.digests} {
		for _, of := range digests {
			n += len(of)
		}
	}
	return n
}

// gatherAll gathers all changes with the records of this batch, in the commit that carries the new
// number.
func (b *batch) gatherAll() {
	b.gathered = b.last.number
	changed := maps.Clone(b.l.state.dirty) // not changed itself: the commit may fail
	for id := range b.sessions {
		changed[id] = struct{}{}
	}
	if g := b.l.state.gathering; g != nil {
		for _, id := range g.sessions {
			changed[id] = struct{}{}
		}
	}
	for id := range changed {
		b.gatherSession(id)
	}
	b.gatherDigests()
	b.gatherRequests()
	if !b.recharged {
		b.gatherCharges(b.l.state.charges)
		b.gatherCharges(b.charges)
	}
	b.put(bucketMeta, metaGathered, encodeNumber(b.gathered))
}

func (b *batch) gatherSession(id SessionID) {
	if s := b.session(id); s != nil { // ended ones have left the bucket already
		b.putSession(s)
	}
}

func (b *batch) gatherDigests() {
	dropped := b.droppedOwners()
	for _, recent := range b.l.state.recentDigests() {
		for o, digests := range recent {
			if !dropped[o] {
				b.keepDigests(o, digests)
			}
		}
	}
	for o, digests := range b.digests {
		b.keepDigests(o, digests)
	}
}

func (b *batch) droppedOwners() map[owner]bool {
	dropped := make(map[owner]bool, len(b.forgotten))
	for _, o := range b.forgotten {
		dropped[o] = true
	}
	return dropped
}

func (b *batch) keepDigests(o owner, digests map[[32]byte]struct{}) {
	for digest := range digests {
		b.put(digestBucket(o), digest[:], nil)
	}
}

func (b *batch) gatherRequests() {
	changed := maps.Clone(b.l.state.positions)
	maps.Copy(changed, b.positions)
	left := make([]endNumber, 0, len(changed))
	for number, at := range changed {
		left = append(left, endNumber{at.end, number})
	}
	for part := range slices.Chunk(left, scanChunk) {
		names := make([]name, 0, len(part))
		for _, q := range part {
			names = append(names, b.requestName(q.end, q.number))
		}
		if err := b.foreseen.readAhead(names); err != nil {
			b.fail(err)
			return
		}
		for _, q := range part {
			b.gatherRequest(q.end, q.number)
		}
	}
}

func (b *batch) gatherRequest(end int64, number uint64) {
	if b.dropped[number] {
		return
	}
	q, ok := b.findRequest(end, number)
	if !ok || q.Final && end <= millis(b.now) {
		return // what is not final stays past its end: its outcome is still looked for
	}
	b.put(bucketRequests, endKey(end, number), q.encode())
}

func (b *batch) gatherCharges(list []counted) {
	now := millis(b.now)
	for _, c := range list {
		if end := c.end(); end > now {
			b.put(bucketCharges, endKey(end, c.number), encodeCharges(c.charges))
		}
	}
}

// beginGathering notes what is to be gathered: all that changed up to the last record of a batch
// that is committed. The order is that of the keys, so that one commit changes few pages.
func (st *state) beginGathering(b *batch) {
	g := &gathering{upTo: b.last, amount: b.since, size: b.lastSize, charges: len(st.charges)}
	g.sessions = slices.Sorted(maps.Keys(st.dirty))
	for number, at := range st.positions {
		g.requests = append(g.requests, endNumber{at.end, number})
	}
	sorts.By(g.requests, func(a, b endNumber) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.number, b.number))
	})
	for o, digests := range st.recent {
		for digest := range digests {
			g.digests = append(g.digests, ownDigest{o, digest})
		}
	}
	sorts.By(g.digests, func(a, b ownDigest) int {
		return cmp.Or(cmp.Compare(a.owner, b.owner), bytes.Compare(a.digest[:], b.digest[:]))
	})
	g.recent = st.recent
	st.dirty, st.recent = map[SessionID]struct{}{}, map[owner]map[[32]byte]struct{}{}
	st.gathering = g
}

// gatherPortion gathers the next changes.
func (b *batch) gatherPortion(g *gathering) {
	left := b.o.gatherFew + gatherOf*int(b.since.records-b.l.state.since.records)
	next := func(of int) int {
		n := min(of, left)
		left -= n
		return n
	}
	p := &portion{sessions: next(len(g.sessions))}
	p.requests, p.digests = next(len(g.requests)), next(len(g.digests))
	for _, id := range g.sessions[:p.sessions] {
		b.gatherSession(id)
	}
	for _, q := range g.requests[:p.requests] {
		// Left out: what was swept since, and what has a later state, which is gathered later.
		at, ok := b.positionOf(q.number)
		if ok && at.end == q.end && at.record <= g.upTo.number {
			b.gatherRequest(q.end, q.number)
		}
	}
	dropped := b.droppedOwners()
	for _, d := range g.digests[:p.digests] {
		if _, ok := g.recent[d.owner][d.digest]; ok && !dropped[d.owner] {
			b.put(digestBucket(d.owner), d.digest[:], nil)
		}
	}
	b.portion = p
	if left > 0 {
		b.gatherLast(g, next(g.charges))
	}
}

// gatherLast gathers the next charges, when all else is gathered, and moves the number of the last
// gathered record to theirs.
func (b *batch) gatherLast(g *gathering, charges int) {
	b.portion.charges = charges
	list := b.l.state.charges[:charges]
	b.gatherCharges(list)
	switch {
	case charges == g.charges:
		b.portion.gathered = g.upTo.number
	case charges > 0:
		b.portion.gathered = list[charges-1].record // whose charges stand together
	}
	if b.portion.gathered != 0 {
		b.put(bucketMeta, metaGathered, encodeNumber(b.portion.gathered))
	}
}

// publishGathered makes what a batch gathered the committed state. Ledger.mu is held.
func (b *batch) publishGathered(st *state) {
	g, p := st.gathering, b.portion
	switch {
	case b.gathered != 0:
		b.l.leave(b.since)
		st.gathered, st.whole, st.charges, st.gathering = b.gathered, b.gathered, nil, nil
		st.late = false
		b.since = amount{}
		b.since.add(b.lastSize)
		clear(st.dirty)
		clear(st.recent)
		clear(st.positions)
	case p != nil:
		g.sessions, g.requests = g.sessions[p.sessions:], g.requests[p.requests:]
		g.digests, g.charges = g.digests[p.digests:], g.charges-p.charges
		clear(st.charges[:p.charges])
		st.charges = st.charges[p.charges:]
		if p.gathered != 0 {
			st.gathered = p.gathered
		}
		if p.gathered == g.upTo.number {
			b.l.leave(g.amount)
			st.endGathering()
			b.since.remove(g.amount)
			b.since.add(g.size)
		}
	}
	st.since = b.since
}

// endGathering forgets what is in the buckets now.
func (st *state) endGathering() {
	g := st.gathering
	maps.DeleteFunc(st.positions, func(_ uint64, at position) bool { return at.record <= g.upTo.number })
	st.whole, st.gathering = g.upTo.number, nil
}

// leave notes how much may leave the store.
func (l *Ledger) leave(a amount) {
	l.leaving.records += a.records
	l.leaving.bytes += a.bytes
}
