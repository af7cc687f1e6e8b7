package ledger

import (
	"bytes"
	"errors"
)

// dropOf is how many records of a written segment a commit drops for each record that it writes: so
// the store shrinks also while requests come without a pause.
const dropOf = 4

// dropping is the work of several commits, which drop the records of a written segment from the
// bucket. Requests would wait for a single commit of all of them.
//
// The segment is durable before the first of these commits, so that each record is in the segment,
// in the bucket or in both, whenever a crash comes. The next start finds that the bucket begins in
// the middle of a segment, and goes on there: see findHalf.
type dropping struct {
	left   []inBucket // in the order of their numbers
	size   int64      // of the segment, in bytes; zero if the trail is known to have it
	atOnce bool       // the next commit drops all that is left
}

// inBucket is a record of the bucket: its name, and how many bytes it has there.
type inBucket struct {
	name []byte
	size int
}

// dropPortion drops the next records of a written segment, with whatever else the batch does.
func (b *batch) dropPortion() {
	d := b.l.dropping
	if d == nil {
		return
	}
	n := len(d.left)
	if !d.atOnce {
		n = min(n, b.o.dropFew+dropOf*int(b.since.records-b.l.state.since.records))
	}
	var gone amount
	for _, r := range d.left[:n] {
		b.delete(bucketAudit, r.name)
		gone.add(r.size)
	}
	b.after = append(b.after, func(*state) {
		d.left = d.left[n:]
		b.l.leaving.remove(gone)
	})
}

// drop begins to drop the records of a written segment.
func (l *Ledger) drop(d *dropping, closing bool) {
	l.backlog.Store(nil)
	l.dropping, d.atOnce = d, closing
	if l.commit(nil) {
		l.goOnDropping(closing)
	}
}

// goOnDropping looks how far the commits since have dropped a segment. Those of requests do it
// along with their own work; while nobody has any, a commit for it alone follows after a pause. A
// ledger that is about to close drops all of it now: nobody waits for it any more.
func (l *Ledger) goOnDropping(closing bool) {
	d := l.dropping
	if closing && len(d.left) > 0 {
		d.atOnce = true
		if !l.commit(nil) {
			return
		}
	}
	if len(d.left) > 0 {
		crashpoint("segment dropped in part") // on disk: the segment, and its last records in the bucket too
		return
	}
	l.dropping = nil
	trail := l.trail.Add(d.size)
	l.warnOfSize(trail, d.size)
	l.retainDue = l.retainDue || l.o.KeepBytes > 0 && trail > l.o.KeepBytes // a minute can bring many segments
	l.queue.signal()
}

// findHalf looks for a segment that an earlier process, or this one before a failure, has dropped
// in part. Its records would be written to a second segment otherwise. It is believed only if it
// holds the very records that are left in the bucket.
func (l *Ledger) findHalf(r *rotation) error {
	first, err := l.lookup.oldestRecord()
	if err != nil {
		return err
	}
	all, err := l.store.segments()
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.whole || first <= s.first || first > s.last {
			continue
		}
		if s.last >= r.gathered {
			return nil // the last record that is gathered must not leave: it is looked for again
		}
		if r.half, err = l.alsoIn(s.segmentID, first); err != nil {
			return err
		}
	}
	r.looked = true
	return nil
}

// alsoIn returns the records of the bucket, from a number on, that a segment has too. It returns
// none if the segment is damaged, or is not of this trail.
func (l *Ledger) alsoIn(id segmentID, from uint64) (list []inBucket, err error) {
	for s, err := range l.readSegment(id) {
		switch {
		case errors.Is(err, ErrDamaged):
			return nil, nil // it shows by itself
		case err != nil:
			return nil, err
		case s.Number < from:
			continue
		}
		key := numberKey(s.Number)
		sealed, found, err := l.store.get(bucketAudit, key)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		kept, err := l.vault.openStored(key, sealed)
		if err != nil {
			return nil, err
		}
		if kept.prev != s.prev || !bytes.Equal(kept.body, s.body) {
			return nil, nil
		}
		list = append(list, inBucket{key, len(sealed)})
	}
	return list, nil
}
