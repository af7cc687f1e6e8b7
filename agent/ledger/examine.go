package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"pksa/protocol/sorts"
)

// examination is one look at a ledger that may be damaged, for Mend.
type examination struct {
	ctx   context.Context
	m     *Mending
	o     *Options
	store store
	lookup
	mark chainEnd // zero if it cannot be read

	announced bool        // the mark says that an act was cut off
	goesOn    bool        // and that it was a mend, after which nothing is left to accept
	accepted  bool        // the mark tells of nothing else that is lost
	edits     []edit      // that restore and remove values
	segments  []segmentID // files that are damaged
	done      Mended
	doubted   doubted // what the commits of the mend have not changed yet

	lostTurns, lostKept, lostGathered bool

	gathered uint64             // number of the last record that is gathered
	kept     uint64             // number of the first record that must be there
	sessions map[string]authKey // that live, by the key of their auth_key
	slots    map[string]Slot
	records  []stored        // those in the bucket that can be read
	bad      map[uint64]bool // records in the bucket that cannot be read
	old      []Hole          // that are known
	holes    []Hole          // that there are
	again    []stored        // records that a segment has and the bucket does not
	turns    []uint64
	end      uint64 // the last number that is taken
	charges  []LostCharge
}

// LostCharge is what may have been charged and cannot be read any more.
type LostCharge struct {
	At     time.Time // when it was charged at the latest
	Until  time.Time // until when it counts; zero if that is lost, too
	Record *Record   // of the request, which says what was charged; nil if it is lost

	number uint64
}

// examine looks at every value and every record, and notes what is to be changed.
func (x *examination) examine() error {
	x.sessions, x.slots, x.bad = map[string]authKey{}, map[string]Slot{}, map[uint64]bool{}
	if _, err := x.checkFormat(); err != nil {
		return err
	}
	if err := x.identity(); err != nil {
		return err
	}
	// Sessions and slots first: by them it is known what an auth_key was for, and whose digests
	// there are. Facts before the trail, which they are about.
	for _, b := range []bucket{
		bucketSlots, bucketSessions, bucketKeys, bucketMeta, bucketAudit, bucketRequests, bucketCharges,
	} {
		if err := x.bucket(b); err != nil {
			return err
		}
	}
	for _, b := range x.digestBuckets() {
		if err := x.bucket(b); err != nil {
			return err
		}
	}
	return x.trail()
}

// identity checks that the ledger is ours, and restores what says so.
func (x *examination) identity() error {
	id, _, err := x.in.get(bucketMeta, metaID)
	if err != nil {
		return err
	}
	proof, err := x.value(bucketMeta, metaProof)
	proven := err == nil && string(proof) == x.vault.id
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	if string(id) == x.vault.id && proven {
		return nil
	}
	if ours, err := x.fits(); err != nil || !ours {
		return errors.Join(err, fmt.Errorf("%w: no value opens with the key", ErrOther))
	}
	x.restored("the id of the ledger", edit{actPut, bucketMeta, metaID, []byte(x.vault.id)})
	x.edits = append(x.edits, edit{actPut, bucketMeta, metaProof,
		x.seal(bucketMeta, metaProof, []byte(x.vault.id))})
	return nil
}

// fits reports whether a value opens with the key of the keystore, which covers the id.
func (r lookup) fits() (bool, error) {
	const most = 64
	for _, b := range allBuckets {
		list, _, err := r.in.list(b, nil, most)
		if err != nil {
			return false, err
		}
		for _, p := range list {
			if _, err := r.vault.open(b, p.key, p.value); err == nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// seal seals a value for its place. How far the trail goes is not known while it is examined; the
// few values that are written by then may have any number.
func (x *examination) seal(b bucket, key, plain []byte) []byte {
	return x.vault.seal(x.mark.number, b, key, plain)
}

func (x *examination) restored(what string, e ...edit) {
	x.done.Restored = append(x.done.Restored, what)
	x.edits = append(x.edits, e...)
}

func (x *examination) lost(what, means string, e ...edit) {
	x.done.Lost = append(x.done.Lost, Loss{what, means})
	x.edits = append(x.edits, e...)
}

// digestBuckets returns the buckets of the digests of all sessions and slots that can be read.
func (x *examination) digestBuckets() (list []bucket) {
	for _, k := range x.sessions {
		list = append(list, digestBucket(sessionOwner(k.Session)))
	}
	for _, s := range x.slots {
		list = append(list, digestBucket(slotOwner(s)))
	}
	slices.Sort(list)
	return list
}

// bucket looks at the values of a bucket.
func (x *examination) bucket(b bucket) error {
	for p, err := range scan(x.in, b, nil) {
		if err != nil {
			return err
		}
		if b == bucketMeta && (bytes.Equal(p.key, metaID) || bytes.Equal(p.key, metaFormat) ||
			bytes.Equal(p.key, metaProof)) {
			continue // looked at already
		}
		plain, err := x.vault.open(b, p.key, p.value)
		if err == nil {
			x.whole(b, p.key, plain)
			continue
		}
		key, value, ok := x.restore(b, p.key, p.value)
		if err := context.Cause(x.ctx); err != nil {
			return err
		}
		if !ok {
			x.give(b, p.key)
			continue
		}
		if !bytes.Equal(key, p.key) {
			x.edits = append(x.edits, edit{actDelete, b, p.key, nil})
		}
		x.restored(nameOf(b, key), edit{actPut, b, key, value})
		if plain, err := x.vault.open(b, key, value); err == nil {
			x.whole(b, key, plain)
		}
	}
	return nil
}

// whole keeps what other values are judged by.
func (x *examination) whole(b bucket, key, plain []byte) {
	switch b {
	case bucketSlots:
		if s, err := decodeSlot(string(key), plain); err == nil {
			x.slots[s.Name] = s
		}
	case bucketSessions:
		number, err := numberOf(key)
		if err != nil {
			return
		}
		if s, err := decodeSession(SessionID(number), plain); err == nil {
			x.sessions[string(x.vault.keyHash(s.AuthKey))] = authKey{Account: s.Account, App: s.App, Session: s.ID,
				LastNonce: s.LastNonce}
		}
	case bucketMeta:
		x.fact(key, plain)
	case bucketAudit:
		number, err := numberOf(key)
		if err != nil {
			return
		}
		if s, err := parseStored(number, plain); err == nil {
			s.at = x.vault.chain(s.prev, s.Number, s.body, millis(s.Time))
			x.keep(s)
		}
	}
}

// keep keeps what a record says of the chain, without its content, which may be large.
func (x *examination) keep(s stored) {
	s.body, s.Content, s.extra = nil, nil, nil
	x.records = append(x.records, s)
}

// nameOf returns what a value is, for people.
func nameOf(b bucket, key []byte) string {
	number, err := numberOf(key)
	switch {
	case b == bucketAudit && err == nil:
		return fmt.Sprintf("audit record %d", number)
	case b == bucketSessions && err == nil:
		return fmt.Sprintf("session %d", number)
	case b == bucketSlots && CheckSlotName(string(key)) == nil:
		return fmt.Sprintf("app %s", key)
	case b == bucketKeys:
		return fmt.Sprintf("what is known of auth_key %x…", key[:min(len(key), 4)])
	case b == bucketMeta && bytes.HasPrefix(key, fatePrefix):
		return fmt.Sprintf("what became of transaction %x", key[len(fatePrefix):])
	case b == bucketMeta && bytes.HasPrefix(key, remnantPrefix):
		return fmt.Sprintf("what is left of ended session %x", key[len(remnantPrefix):])
	case b == bucketMeta && bytes.HasPrefix(key, approverPrefix):
		return fmt.Sprintf("approver %s", key[len(approverPrefix):])
	case b == bucketMeta && bytes.HasPrefix(key, claimPrefix):
		return fmt.Sprintf("the name that session %x gave itself", key[len(claimPrefix):])
	case b == bucketMeta && bytes.HasPrefix(key, addedRelayPrefix):
		return fmt.Sprintf("that the relay of session %x is not in the settings", key[len(addedRelayPrefix):])
	case b == bucketMeta:
		return fmt.Sprintf("fact %q", key)
	}
	if _, number, err := endOf(key); err == nil && b == bucketRequests {
		return fmt.Sprintf("the answer to request %d", number)
	} else if latest, isSum := sumNumber(number); err == nil && b == bucketCharges && isSum {
		return fmt.Sprintf("the sum of what requests up to %d were charged", latest)
	} else if err == nil && b == bucketCharges {
		return fmt.Sprintf("what request %d was charged", number)
	}
	return fmt.Sprintf("a value of %q", b)
}

// restore returns a pair of which one byte was altered as it was sealed.
func (x *examination) restore(b bucket, key, sealed []byte) (_, _ []byte, ok bool) {
	name, last := nameOf(b, key), time.Now()
	tried := func(done, all int) bool {
		if x.m.Progress != nil && time.Since(last) > cmp.Or(x.m.Every, time.Second) {
			last = time.Now()
			x.m.Progress(name, done, all)
		}
		return x.ctx.Err() == nil
	}
	k, v := bytes.Clone(key), bytes.Clone(sealed)
	opens := func() bool { _, err := x.vault.open(b, k, v); return err == nil }
	if alteredByte(k, opens, func(int) bool { return x.ctx.Err() == nil }) {
		return k, v, true
	}
	if len(sealed) > mendMost {
		return nil, nil, false
	}
	return k, v, alteredByte(v, opens, func(i int) bool { return tried(i, len(v)) })
}

// alteredByte looks for the one byte that has to be another for opens to be true, and leaves it as
// it has to be. It ends when next returns false.
func alteredByte(b []byte, opens func() bool, next func(i int) bool) bool {
	for i, was := range b {
		if !next(i) {
			return false
		}
		for change := 1; change < 256; change++ {
			b[i] = was ^ byte(change)
			if opens() {
				return true
			}
		}
		b[i] = was
	}
	return false
}

// fact keeps the facts that the trail is judged by.
func (x *examination) fact(key, plain []byte) {
	switch {
	case bytes.Equal(key, metaHoles):
		x.old, _ = decodeHoles(plain)
	case bytes.Equal(key, metaGathered), bytes.Equal(key, metaKept):
		r := reader{b: plain}
		if number := r.uint(); bytes.Equal(key, metaKept) {
			x.kept = number
		} else {
			x.gathered = number
		}
	}
}

// trail follows the records from segment to segment and into the bucket, and notes where they have
// holes.
func (x *examination) trail() error {
	byNumber := func(a, b stored) int { return cmp.Compare(a.Number, b.Number) }
	sorts.By(x.records, byNumber)
	c := chaining{x: x, last: x.vault.chainStart()}
	list, err := x.store.segments()
	if err != nil {
		return err
	}
	for _, info := range list {
		if err := x.segment(&c, info.segmentID); err != nil {
			return err
		}
	}
	sorts.By(x.records, byNumber)
	if x.lostGathered {
		x.gatheredFrom()
	}
	for i := range x.records {
		c.step(&x.records[i])
	}
	c.finish()
	return nil
}

// segment follows the records of a segment that are not in the bucket, too. After a crash both may
// have them: then the one restores what is damaged in the other.
func (x *examination) segment(c *chaining, id segmentID) error {
	if err := context.Cause(x.ctx); err != nil {
		return err
	}
	// Twice: a segment that is damaged somewhere is lost as a whole.
	for _, err := range x.vault.readSegment(x.store, id, x.old) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, ErrDamaged):
			x.segments = append(x.segments, id)
			return nil
		case err != nil:
			return err
		}
	}
	for s, err := range x.vault.readSegment(x.store, id, x.old) {
		if err != nil {
			return err
		}
		_, there := slices.BinarySearchFunc(x.records, s.Number, func(s stored, number uint64) int {
			return cmp.Compare(s.Number, number)
		})
		switch {
		case there:
		case x.bad[s.Number]:
			x.again = append(x.again, s)
		default:
			c.step(&s)
		}
	}
	for _, s := range x.again {
		delete(x.bad, s.Number)
		key := numberKey(s.Number)
		x.restored(nameOf(bucketAudit, key), edit{actPut, bucketAudit, key,
			x.seal(bucketAudit, key, s.encodeStored())})
	}
	for _, s := range x.again {
		x.keep(s)
	}
	x.again = nil
	return nil
}

// gatheredFrom notes from which record on the trail is read at a start, where that is lost: all
// that is in the bucket. What is gathered already counts twice then, and never less.
func (x *examination) gatheredFrom() {
	if len(x.records) == 0 {
		return
	}
	x.gathered = x.records[0].Number
	x.edits = append(x.edits, edit{actPut, bucketMeta, metaGathered,
		x.seal(bucketMeta, metaGathered, encodeNumber(x.gathered))})
}

// chaining follows the trail.
type chaining struct {
	x     *examination
	last  chainEnd
	begun bool
	found []Hole // that were not known
}

// step takes the next record that can be read.
func (c *chaining) step(s *stored) {
	x := c.x
	if s.Type == RecordAdmin && s.Outcome == outcomeLedBack {
		x.turns = append(x.turns, s.Number)
	}
	if !c.begun {
		c.begun = true
		if x.lostKept && s.Number > 1 {
			x.kept = s.Number
			x.edits = append(x.edits, edit{actPut, bucketMeta, metaKept,
				x.seal(bucketMeta, metaKept, encodeNumber(s.Number))})
		}
		if x.kept > 1 {
			c.last = chainEnd{number: x.kept - 1} // its MAC nobody knows any more
			if s.Number <= x.kept {
				c.last = s.at
				return
			}
		}
	}
	switch {
	case s.follows(c.last, nil) == nil:
	case s.crosses(c.last, x.old):
		i := slices.IndexFunc(x.old, func(h Hole) bool { return h.From == c.last.number+1 && h.To+1 == s.Number })
		x.holes = append(x.holes, x.old[i])
	case s.Number > c.last.number:
		c.hole(s.Number-1, s.prev, s.Time)
	}
	c.last = s.at
}

// hole notes that the records up to a number are missing. late is when they were written at the
// latest.
func (c *chaining) hole(to uint64, after [32]byte, late time.Time) {
	h := Hole{From: c.last.number + 1, To: to, At: c.x.o.Now(), before: c.last, after: after}
	c.x.holes = append(c.x.holes, h)
	c.found = append(c.found, h)
	what := fmt.Sprintf("audit records %d to %d", h.From, h.To)
	switch h.Records() {
	case 0:
		what = fmt.Sprintf("what was between audit records %d and %d", h.From-1, h.From)
	case 1:
		what = fmt.Sprintf("audit record %d", h.From)
	}
	means := "the trail has a hole there, which `pksa audit verify` names"
	if h.To > c.x.gathered {
		means += "; what they took and charged is not known, so nonces and limits count as used up"
		c.x.done.Floor = true
		c.x.charges = append(c.x.charges, LostCharge{At: late, number: h.To})
	}
	c.x.lost(what, means)
}

// plausible is how many numbers a record may be ahead of the others: one with a higher number has a
// key that was altered.
const plausible = 1 << 16

// finish notes what is lost at the end of the trail, and the list of the holes.
func (c *chaining) finish() {
	x := c.x
	end := c.last.number
	for _, number := range append(slices.Collect(maps.Keys(x.bad)), x.gathered) {
		if number <= max(c.last.number, x.mark.number)+plausible {
			end = max(end, number)
		}
	}
	if end > c.last.number {
		c.hole(end, c.last.mac, x.o.Now())
	}
	x.end = end
	if x.lostTurns {
		x.edits = append(x.edits, edit{actPut, bucketMeta, metaTurns,
			x.seal(bucketMeta, metaTurns, encodeNumbers(x.turns))})
	}
	if len(c.found) > 0 {
		x.edits = append(x.edits, edit{actPut, bucketMeta, metaHoles,
			x.seal(bucketMeta, metaHoles, encodeHoles(x.holes))})
	}
}
