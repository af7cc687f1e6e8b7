package ledger

import (
	"slices"
	"time"
)

// Records of full segments leave the store's buckets once they are gathered: each segment is sealed
// whole, made durable, and only then dropped from the bucket. A crash in between leaves both, and
// the segment is written once more.

// segmentInfo is a segment of the trail that has left the bucket.
type segmentInfo struct {
	index   uint64
	written time.Time // when it was put aside; a copy that was put back is younger
}

// segmentOf returns the segment that a record belongs to, counted from zero. Record numbers begin
// with one.
func (l *Ledger) segmentOf(number uint64) uint64 { return (max(number, 1) - 1) / l.o.segment }

// rotate moves full segments out of the bucket, once their records are gathered. After a failure it
// tries again with the next chores and not with every commit: each attempt reads a whole segment
// while requests wait.
func (l *Ledger) rotate() {
	for l.Err() == nil && !l.stuck && l.oldest < l.segmentOf(l.state.gathered) {
		if l.state.format < ledgerFormat {
			l.commit([]*op{{apply: func(b *batch) error { b.raiseFormat(); return nil }}}) // before a segment has it
			if l.state.format < ledgerFormat {
				return
			}
		}
		index := l.oldest
		if err := l.writeSegment(index); err != nil {
			l.stuck = true
			l.backlog.Store(&err)
			l.o.Logger.Error("audit segment was not written", "segment", index, "err", err)
			return
		}
		l.backlog.Store(nil)
		// On disk: the segment, and its records in the bucket too. The order matters: the other way
		// round a crash would leave neither.
		crashpoint("segment written")
		drop := &op{apply: func(b *batch) error { b.dropSegment(index); return nil }}
		l.commit([]*op{drop})
		if l.oldest == index {
			return // the commit did not succeed
		}
	}
}

// Backlog returns why full segments of the audit trail could not be moved out of the ledger file
// the last time, nil if they were. The ledger goes on without that, but its file grows. Backlog may
// be called concurrently.
func (l *Ledger) Backlog() error {
	if err := l.backlog.Load(); err != nil {
		return *err
	}
	return nil
}

// dropSegment deletes the records of the oldest segment.
func (b *batch) dropSegment(index uint64) {
	var oldest uint64 // of those that stay
	var gone [][]byte
	for p, err := range scan(b.in, bucketAudit, nil) {
		if err != nil {
			b.fail(err)
			return
		}
		if oldest, err = numberOf(p.key); err != nil {
			b.fail(damaged(bucketAudit, p.key))
			return
		}
		if b.l.segmentOf(oldest) != index {
			break
		}
		gone = append(gone, p.key)
		oldest = 0
	}
	for _, key := range gone {
		b.delete(bucketAudit, key)
	}
	b.after = append(b.after, func(*state) { b.l.oldest = b.l.segmentOf(oldest) })
}

// writeSegment seals the records of a segment, without what they changed, and makes the segment
// durable.
func (l *Ledger) writeSegment(index uint64) error {
	var list []stored
	for p, err := range scan(l.store, bucketAudit, nil) {
		if err != nil {
			return err
		}
		s, err := l.vault.openStored(p.key, p.value)
		if err != nil {
			return err
		}
		if l.segmentOf(s.Number) != index {
			break
		}
		list = append(list, s)
	}
	sealed := l.vault.seal((index+1)*l.o.segment, bucketSegment, numberKey(index), encodeSegment(list))
	return l.store.writeSegment(index, sealed)
}

// readSegment opens a segment. Its records are chained to one another by their own bytes. The
// caller checks whether the first record follows the segment before.
func (l *Ledger) readSegment(index uint64) ([]stored, error) {
	return l.vault.readSegment(l.store, index, l.Holes())
}

func (v *vault) readSegment(from store, index uint64, holes []Hole) ([]stored, error) {
	sealed, err := from.readSegment(index)
	if err != nil {
		return nil, err
	}
	plain, err := v.open(bucketSegment, numberKey(index), sealed)
	if err != nil {
		return nil, err
	}
	if err := checkSegmentFormat(index, plain); err != nil {
		return nil, err
	}
	list, err := v.parseSegment(plain, holes)
	if err != nil {
		return nil, damaged(bucketSegment, numberKey(index))
	}
	return list, nil
}

func encodeSegment(list []stored) []byte {
	size := 64
	for _, s := range list {
		size += len(s.body) + 16
	}
	w := writer{b: make([]byte, 0, size)}
	w.byte(segmentFormat)
	for i, s := range list {
		if i == 0 {
			w.fixed(s.prev[:])
		}
		w.uint(s.Number)
		w.bytes(s.body)
	}
	return w.b
}

// parseSegment reads the records of a segment. Each is chained to the one before, unless a hole
// lies between them.
func (v *vault) parseSegment(plain []byte, holes []Hole) (list []stored, err error) {
	r := reader{b: plain}
	r.version(segmentFormat)
	var prev [32]byte
	copy(prev[:], r.take(32))
	for !r.bad && len(r.b) > 0 {
		number := r.uint()
		s := stored{prev: prev}
		if i := slices.IndexFunc(holes, func(h Hole) bool { return h.To+1 == number }); i >= 0 && len(list) > 0 {
			s.prev = holes[i].after
		}
		s.body = r.take(r.uint())
		if r.bad {
			break
		}
		if s.Record, err = decodeRecord(number, s.body); err != nil {
			return nil, err
		}
		s.at = v.chain(s.prev, number, s.body, millis(s.Time))
		prev = s.at.mac
		list = append(list, s)
	}
	r.bad = r.bad || len(list) == 0
	return list, r.end()
}

// setAside retires segments that a restored ledger has not reached. They tell what is lost, and
// their indexes are needed again. It returns the number of the last record that they may hold, zero
// if there are no such segments.
func (l *Ledger) setAside(last uint64) (uint64, error) {
	all, err := l.store.segments()
	if err != nil {
		return 0, err
	}
	var end uint64
	for _, info := range all {
		if info.index < l.segmentOf(last+1) {
			continue
		}
		if err := l.store.retireSegment(info.index); err != nil {
			return 0, err
		}
		end = (info.index + 1) * l.o.segment
	}
	return end, nil
}
