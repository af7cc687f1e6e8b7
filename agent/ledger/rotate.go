package ledger

import "iter"

// rotation is one attempt to write the next full segment. It runs beside the commits, in a
// goroutine of its own: to seal a segment takes as long as many commits, and each request would
// wait for it. What it reads no commit changes, since records are dropped only when it has ended.
type rotation struct {
	gathered uint64 // the last record that was gathered when it began
	format   uint64 // of the store at that time
	look     bool   // whether a segment was dropped in part is not known

	done   chan struct{} // closed when the rest is set
	looked bool          // now it is known
	half   []inBucket    // what the bucket has of that segment; if there is any, none was written
	piece  piece
	full   bool  // there are records enough for a segment
	size   int64 // of what was written, in bytes
	err    error
}

// lagSegments is how many segments may be gathered while none leaves the store. Beyond it commits
// wait for the segment that is being written, or the store could grow faster than it is emptied.
const lagSegments = 4

// rotate moves full segments out of the bucket, if their records are gathered. It begins a
// rotation, or ends the one that is through, or looks how far its records are dropped, and has
// itself called again while there may be more. While the ledger is closing it does all of that at
// once. After a failure it tries again with the next chores and not with every commit: each attempt
// reads a whole segment.
func (l *Ledger) rotate(closing bool) {
	if l.dropping != nil {
		l.goOnDropping(closing)
	}
	l.retainIfDue()
	if l.dropping != nil || l.rotating == nil && !l.beginRotation() {
		return
	}
	if !closing && !l.o.inTurn && !l.lags() {
		select {
		case <-l.rotating.done:
		default:
			return // its end calls again
		}
	}
	l.endRotation(closing)
	l.retainIfDue()
}

// lags reports whether records are gathered faster than segments are written.
func (l *Ledger) lags() bool {
	return l.leaving.records > lagSegments*l.o.segment || l.leaving.bytes > lagSegments*l.o.segmentBytes
}

// beginRotation begins to write the next segment. It returns false if there is nothing to do, or
// nothing can be done.
func (l *Ledger) beginRotation() bool {
	if l.Err() != nil || l.held.Load() || l.stuck || l.rotated == l.state.whole {
		return false
	}
	r := &rotation{gathered: l.state.whole, format: l.state.format, look: !l.looked, done: make(chan struct{})}
	l.rotating = r
	go func() {
		defer l.queue.signal()
		defer close(r.done)
		l.writeNext(r)
	}()
	return true
}

// writeNext writes the next segment, if there are records enough for one and none was dropped in
// part.
func (l *Ledger) writeNext(r *rotation) {
	if r.look {
		if r.err = l.findHalf(r); r.err != nil || len(r.half) > 0 {
			return
		}
	}
	r.piece, r.full, r.err = l.nextPiece(r.gathered)
	if r.err != nil || !r.full || r.format < ledgerFormat {
		return
	}
	id := r.piece.id()
	content := measured(l.vault.sealSegment(id, l.storedAt(r.piece.list)), &r.size)
	r.err = l.store.writeSegment(id, content)
}

// endRotation waits for a rotation, and begins to drop the records that are in the segment now.
func (l *Ledger) endRotation(closing bool) {
	r := l.rotating
	<-r.done
	l.rotating = nil
	l.looked = l.looked || r.looked
	switch {
	case r.err != nil:
		l.stuck = true
		l.backlog.Store(&r.err)
		l.o.Logger.Error("audit segment was not written", "from", r.piece.first, "err", r.err)
	case len(r.half) > 0:
		l.drop(&dropping{left: r.half}, closing)
	case !r.full:
		l.rotated = r.gathered
		l.backlog.Store(nil)
	case r.format < ledgerFormat:
		l.commit([]*op{{apply: func(b *batch) error { b.raiseFormat(); return nil }}}) // before a segment has it
		if l.state.format >= ledgerFormat {
			l.queue.signal()
		}
	default:
		// On disk: the segment, and its records in the bucket too. The order matters: the other way
		// round a crash would leave neither.
		crashpoint("segment written")
		l.drop(&dropping{left: r.piece.list, size: r.size}, closing)
	}
}

// abandonRotation waits for a rotation and forgets it. If its segment was written, it is written
// once more, unless some of it was dropped.
func (l *Ledger) abandonRotation() {
	if l.rotating != nil {
		<-l.rotating.done
		l.rotating = nil
	}
	l.dropping = nil
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
	amount
	first, last uint64
	list        []inBucket
}

func (p *piece) id() segmentID { return segmentID{first: p.first, last: p.last} }

// nextPiece returns the oldest records of the bucket. It returns false if they do not fill a
// segment, or are not all gathered. The last record that is gathered never leaves the bucket: a
// start follows the chain from there.
func (l *Ledger) nextPiece(gathered uint64) (p piece, full bool, err error) {
	for pair, err := range scan(l.store, bucketAudit, nil) {
		if err != nil {
			return p, false, err
		}
		number, err := numberOf(pair.key)
		if err != nil {
			return p, false, damaged(bucketAudit, pair.key)
		}
		if number > gathered {
			break
		}
		size := len(pair.value)
		if n := p.records; n > 0 && (n == l.o.segment || p.bytes+uint64(size) > l.o.segmentBytes) {
			return p, true, nil
		}
		if p.records == 0 {
			p.first = number
		}
		p.add(size)
		p.last, p.list = number, append(p.list, inBucket{pair.key, size})
	}
	return p, false, nil
}

// storedMost is how many records are read from the bucket at once, while a segment is written.
const storedMost = 64

// storedAt reads records of the bucket one after another.
func (l *Ledger) storedAt(list []inBucket) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		names := make([]name, 0, storedMost)
		for len(list) > 0 {
			names = names[:0]
			for _, r := range list[:min(len(list), storedMost)] {
				names = append(names, name{bucketAudit, r.name})
			}
			all, err := l.store.getMany(names)
			if err != nil {
				yield(stored{}, err)
				return
			}
			for i, r := range all {
				s, err := l.vault.openFound(names[i].key, r)
				if !yield(s, err) || err != nil {
					return
				}
			}
			list = list[len(all):]
		}
	}
}

// openFound opens a record that must be there.
func (v *vault) openFound(key []byte, r got) (stored, error) {
	if !r.found {
		return stored{}, damaged(bucketAudit, key)
	}
	return v.openStored(key, r.value)
}
