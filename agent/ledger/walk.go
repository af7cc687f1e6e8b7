package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
)

// auditChunk is how many records a walk reads at a time, with [listBytes] the bound of its memory.
const auditChunk = 256

// Audit returns the committed records from a number on, in order, beginning with the oldest that is
// kept. It ends after the last record, or with an error, which may be of the chain.
func (l *Ledger) Audit(from uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r, err := range l.Scan(from) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			one := *r
			one.Content = bytes.Clone(r.Content)
			if !yield(one, nil) {
				return
			}
		}
	}
}

// Scan returns what Audit does. A record is the caller's until the next one comes: it lies among
// hundreds of others, and whoever keeps one clones its content.
func (l *Ledger) Scan(from uint64) iter.Seq2[*Record, error] { return l.scan(from, false) }

// Skim returns what Scan does, in half the time: it looks at the numbers of records alone, and not
// whether each has the MAC of the one before. A segment is sealed, and so is a record in the store:
// none can be altered, left out or put elsewhere unseen. Whoever has an older copy of one can put
// that back.
func (l *Ledger) Skim(from uint64) iter.Seq2[*Record, error] { return l.scan(from, true) }

func (l *Ledger) scan(from uint64, skim bool) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		w := walk{l: l, next: max(from, 1), spare: make(chan []stored, 2*aheadParts), skim: skim}
		defer w.end()
		for chunks := 0; ; chunks++ {
			records, err := w.chunk()
			if chunks > 0 { // who wants more than a few records
				w.readAhead()
			}
			for i := range records {
				if !yield(&records[i].Record, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(records) == 0 {
				return
			}
			w.free(records)
		}
	}
}

// walk reads the trail in order, from segments and from the store, and checks the chain.
type walk struct {
	l    *Ledger
	next uint64   // number to look for
	from uint64   // of the first record met, zero before it
	head stored   // the first record met
	last chainEnd // of the last record met
	skim bool     // numbers are looked at, MACs are not

	segments []segmentInfo  // as they were last listed
	reader   *segmentReader // nil: none is being read here
	current  *ahead         // nil: the segment is not read ahead
	coming   *ahead         // the segment after it; nil: it is not read ahead
	spare    chan []stored  // lists that nobody looks at any more
}

// chunk returns the next part of the trail, empty at the end. With an error it returns the records
// before the fault.
func (w *walk) chunk() ([]stored, error) {
	list, err := w.goOn()
	// A record that is in the store may move to a segment at any time, never back.
	if err == nil && len(list) == 0 {
		list, err = w.inStore(true)
	}
	if err == nil && len(list) == 0 {
		list, err = w.inSegments()
	}
	if err == nil && len(list) == 0 {
		list, err = w.inStore(false)
	}
	for i := range list {
		if err := w.check(&list[i]); err != nil {
			return list[:i], err
		}
	}
	return list, err
}

func (w *walk) check(s *stored) error {
	if w.skim { // as if all had the same MAC
		s.prev, s.at.mac = [32]byte{}, [32]byte{}
		for _, h := range w.l.Holes() {
			if h.From == w.last.number+1 && h.To+1 == s.Number {
				s.prev = h.after
			}
		}
	}
	switch {
	case w.from == 0 && s.Number == 1 && !w.skim && !w.begins(s):
		return &ValueError{"audit record 1 does not begin the trail"}
	case w.from == 0:
		w.from, w.head = s.Number, *s
	default:
		err := s.follows(w.last, w.l.Holes())
		switch {
		case err != nil && s.Number > w.last.number+1 && s.Number <= w.l.keptFrom():
			w.from, w.head = s.Number, *s // what is between was removed meanwhile, as the settings say
		case err != nil:
			return err
		}
	}
	w.last, w.next = s.at, s.Number+1
	return nil
}

// begins reports whether a record follows the beginning of all.
func (w *walk) begins(s *stored) bool {
	start := w.l.vault.chainStart()
	return s.prev == start.mac || s.crosses(start, w.l.Holes())
}

// inStore reads from the store. The first record has exactly the next number, or if exactly is not
// set, that number or a higher one.
func (w *walk) inStore(exactly bool) ([]stored, error) {
	r, last, err := w.l.readingTrail()
	if err != nil {
		return nil, err
	}
	if exactly { // cheap, where 256 others would be read to find that this one is not there
		if _, found, err := r.in.get(bucketAudit, numberKey(w.next)); err != nil || !found {
			return nil, err
		}
	}
	list, err := r.records(w.next, auditChunk)
	list = slices.DeleteFunc(list, func(s stored) bool { return s.Number > last })
	if exactly && len(list) > 0 && list[0].Number != w.next {
		return nil, nil
	}
	return list, err
}

// goOn reads on in the segment that is being read, if there is one: its next record is the next of
// the trail.
func (w *walk) goOn() ([]stored, error) {
	if w.reader != nil {
		return w.inSegment()
	}
	for w.current != nil {
		p, more := <-w.current.parts
		if !more {
			w.current = nil
		}
		if list := w.fromNext(p.list); len(list) > 0 || p.err != nil {
			return list, p.err
		}
	}
	return nil, nil
}

// inSegments reads in the segment that holds the next number, or in the first after it.
func (w *walk) inSegments() ([]stored, error) {
	list, err := w.inListed()
	if err != nil || len(list) > 0 {
		return list, err
	}
	// Segments may have been written since they were listed.
	if w.segments, err = w.l.store.segments(); err != nil {
		return nil, err
	}
	return w.inListed()
}

// inListed reads in the first listed segment that holds the next number or a later one.
func (w *walk) inListed() ([]stored, error) {
	// After a crash two segments may hold the same records. The one that begins latest holds least
	// beside them.
	from := 0
	for i, info := range w.segments {
		if info.first <= w.next && w.next <= info.last {
			from = i
		}
	}
	for _, info := range w.segments[from:] {
		if info.last < w.next {
			continue
		}
		if w.coming != nil && w.coming.id == info.segmentID {
			w.current, w.coming = w.coming, nil
			if list, err := w.goOn(); err != nil || len(list) > 0 {
				return list, err
			}
			continue
		}
		w.coming.end()
		w.coming, w.reader = nil, w.readerOf(info.segmentID)
		if list, err := w.inSegment(); err != nil || len(list) > 0 {
			return list, err
		}
	}
	return nil, nil
}

func (w *walk) readerOf(id segmentID) *segmentReader {
	return &segmentReader{vault: w.l.vault, in: w.l.store, id: id, holes: w.l.Holes(), skim: w.skim}
}

// inSegment reads the next records of the segment that is being read, from the next number on.
func (w *walk) inSegment() ([]stored, error) {
	list, err := w.reader.part(nil, w.next, listBytes)
	if err == nil && len(list) == 0 {
		w.reader = nil
	}
	return list, err
}

// Verified is the range of records that Verify found in order.
type Verified struct{ From, To uint64 }

// beginning returns nil if the first record met is the first that there must be.
func (w *walk) beginning() error {
	kept, holes := w.l.keptFrom(), w.l.Holes()
	switch {
	case w.from == 0 || w.from <= kept:
		return nil
	case kept == 0:
		return w.head.follows(w.l.vault.chainStart(), holes)
	}
	if h, lost := holeOf(holes, kept); lost && h.To+1 == w.from && h.after == w.head.prev {
		return nil
	}
	return &ValueError{fmt.Sprintf("audit records %d to %d are missing", kept, w.from-1)}
}

// Verify reads the whole trail. It returns ErrDamaged, with the number of the record, if a record
// was altered, removed, inserted or moved. Records that the settings do not keep may be gone from
// the beginning. Removal at the end shows as far as the mark reaches.
func (l *Ledger) Verify(ctx context.Context) (Verified, error) {
	return l.VerifyEach(ctx, func(*Record, [32]byte) {})
}

// VerifyEach verifies as Verify does, and calls each with every record that is in order and its MAC
// (see Head). The record is the ledger's, and lasts as long as the call.
func (l *Ledger) VerifyEach(ctx context.Context, each func(r *Record, mac [32]byte)) (Verified, error) {
	at, markErr := l.readMark() // before the walk, which may then go beyond
	w := walk{l: l, next: 1}
	for {
		if err := ctx.Err(); err != nil {
			return Verified{}, context.Cause(ctx)
		}
		records, err := w.chunk()
		for i := range records {
			each(&records[i].Record, records[i].at.mac)
		}
		if err != nil {
			return Verified{w.from, w.last.number}, err
		}
		if len(records) == 0 {
			break
		}
	}
	found := Verified{w.from, w.last.number}
	if err := w.beginning(); err != nil {
		return found, err
	}
	if markErr != nil {
		return found, fmt.Errorf("reading mark: %w", markErr)
	}
	if at.number > w.last.number {
		return found, fmt.Errorf("%w: the trail ends at record %d, the mark is of %d", ErrDamaged, w.last.number,
			at.number)
	}
	return found, nil
}
