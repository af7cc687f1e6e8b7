package ledger

import (
	"iter"
	"time"
)

// Records of full segments leave the store's buckets once they are gathered: each segment is sealed
// in chunks, made durable, and only then dropped from the bucket, in portions. A crash before the
// first of them leaves both, and the segment is written once more; after a crash between them, what
// is left is dropped.
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
