package ledger

import (
	"iter"
	"time"
)

// Records of full segments leave the store's buckets once they are gathered: each segment is sealed
// in chunks, made durable, and only then dropped from the bucket. A crash in between leaves both,
// and the segment is written once more.
//
// A segment ends before the record that would be one too many, or would take it beyond its bytes.
// So one record at least is in each, however large. Where it ends depends on the records alone, so
// that a segment which is written once more takes the place of the first.

// segmentID names a segment of the trail that has left the bucket.
type segmentID struct {
	first, last uint64 // its records have no numbers outside of these
	// whole: it has format 1. First and last are then where the grid of those programs begins and
	// ends it; numbers that were skipped may be among them, also at the ends.
	whole bool
}

// index returns the place of a segment of format 1 on the grid, counted from zero.
func (id segmentID) index() uint64 { return (id.first - 1) / (id.last - id.first + 1) }

// gridSegment returns the segment of format 1 at this place on a grid of so many records.
func gridSegment(index, grid uint64) segmentID {
	return segmentID{first: index*grid + 1, last: (index + 1) * grid, whole: true}
}

// segmentInfo is a segment as the store lists it.
type segmentInfo struct {
	segmentID
	size    int64     // in bytes
	written time.Time // when it was put aside; a copy that was put back is younger
}

// rotate moves one full segment out of the bucket, if its records are gathered, and has itself
// called again while there may be more: between two of them requests are committed. After a failure
// it tries again with the next chores and not with every commit: each attempt reads a whole segment
// while requests wait.
func (l *Ledger) rotate() {
	if l.Err() != nil || l.held.Load() || l.stuck || l.rotated == l.state.gathered {
		return
	}
	gathered := l.state.gathered
	p, full, err := l.nextPiece()
	if err == nil && !full {
		l.rotated = gathered
		l.backlog.Store(nil)
		return
	}
	if err == nil && l.state.format < ledgerFormat {
		l.commit([]*op{{apply: func(b *batch) error { b.raiseFormat(); return nil }}}) // before a segment has it
		if l.state.format < ledgerFormat {
			return
		}
	}
	var size int64
	if err == nil {
		content := measured(l.vault.sealSegment(p.id(), l.storedAt(p.keys)), &size)
		err = l.store.writeSegment(p.id(), content)
	}
	if err != nil {
		l.stuck = true
		l.backlog.Store(&err)
		l.o.Logger.Error("audit segment was not written", "from", p.first, "err", err)
		return
	}
	l.backlog.Store(nil)
	// On disk: the segment, and its records in the bucket too. The order matters: the other way
	// round a crash would leave neither.
	crashpoint("segment written")
	dropped := false
	l.commit([]*op{{apply: func(b *batch) error {
		b.dropRecords(p.keys)
		b.after = append(b.after, func(*state) { dropped = true })
		return nil
	}}})
	if !dropped {
		return
	}
	trail := l.trail.Add(size)
	l.warnOfSize(trail, size)
	if l.o.KeepBytes > 0 && trail > l.o.KeepBytes {
		l.retain() // at once: a minute can bring many segments
	}
	l.queue.signal()
}

// measured adds the bytes of parts to a sum as they pass.
func measured(parts iter.Seq2[[]byte, error], sum *int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for part, err := range parts {
			*sum += int64(len(part))
			if !yield(part, err) {
				return
			}
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

// piece is the records of the bucket that make the next segment.
type piece struct {
	first, last uint64
	keys        [][]byte
}

func (p *piece) id() segmentID { return segmentID{first: p.first, last: p.last} }

// nextPiece returns the oldest records of the bucket. It returns false if they do not fill a
// segment, or are not all gathered. The last record that is gathered never leaves the bucket: a
// start follows the chain from there.
func (l *Ledger) nextPiece() (p piece, full bool, err error) {
	var size uint64
	for pair, err := range scan(l.store, bucketAudit, nil) {
		if err != nil {
			return p, false, err
		}
		number, err := numberOf(pair.key)
		if err != nil {
			return p, false, damaged(bucketAudit, pair.key)
		}
		if number > l.state.gathered {
			break
		}
		size += uint64(len(pair.value))
		if n := len(p.keys); n > 0 && (uint64(n) == l.o.segment || size > l.o.segmentBytes) {
			return p, true, nil
		}
		if len(p.keys) == 0 {
			p.first = number
		}
		p.last, p.keys = number, append(p.keys, pair.key)
	}
	return p, false, nil
}

// storedAt reads records of the bucket one after another.
func (l *Ledger) storedAt(keys [][]byte) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for _, key := range keys {
			sealed, found, err := l.store.get(bucketAudit, key)
			if err == nil && !found {
				err = damaged(bucketAudit, key)
			}
			var s stored
			if err == nil {
				s, err = l.vault.openStored(key, sealed)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// dropRecords deletes records that are in a segment.
func (b *batch) dropRecords(keys [][]byte) {
	for _, key := range keys {
		b.delete(bucketAudit, key)
	}
}

// readSegment returns the records of a segment, chained to one another by their own bytes. The
// caller checks whether the first record follows the segment before.
func (l *Ledger) readSegment(id segmentID) iter.Seq2[stored, error] {
	return l.vault.readSegment(l.store, id, l.Holes())
}

// setAside retires segments that a restored ledger has not reached. They tell what is lost, and
// their names may be needed again. It returns the number of the last record that they may hold,
// zero if there are no such segments.
func (l *Ledger) setAside(last uint64) (uint64, error) {
	all, err := l.store.segments()
	if err != nil {
		return 0, err
	}
	var end uint64
	for _, info := range all {
		if info.last <= last {
			continue
		}
		if err := l.store.retireSegment(info.segmentID); err != nil {
			return 0, err
		}
		end = max(end, info.last)
	}
	return end, nil
}
