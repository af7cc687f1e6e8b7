package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// Who reads far into the trail has other cores open, decode and chain the records that come next,
// of two segments at a time: each begins with the MAC before it, so each is checked by itself, and
// the walk checks that one follows the other. The records come in order all the same.

const (
	// aheadParts is how many parts of one segment wait at most: all of a usual one.
	aheadParts = 12
	// aheadBytes is after how many bytes of records such a part ends. With the number of parts, it
	// bounds the memory of large records.
	aheadBytes = 128 << 10
)

// ahead is a segment that is being read ahead.
type ahead struct {
	id    segmentID
	parts chan part // closed after the last one, or after an error
	stop  chan struct{}
	done  sync.WaitGroup
}

// part is what was read ahead.
type part struct {
	list []stored
	err  error
}

// readAhead lets other cores go on with the segment that is being read, and begin with the next. It
// does not read the store: bbolt panics on a page that reads wrong, and nobody would catch that
// there.
func (w *walk) readAhead() {
	if w.reader != nil {
		w.current, w.reader = w.ahead(w.reader), nil
	}
	if w.current == nil || w.coming != nil {
		return
	}
	for _, info := range w.segments {
		if info.first > w.current.id.last {
			w.coming = w.ahead(w.readerOf(info.segmentID))
			return
		}
	}
}

// ahead begins to read what is left of a segment.
func (w *walk) ahead(r *segmentReader) *ahead {
	a := &ahead{id: r.id, parts: make(chan part, aheadParts), stop: make(chan struct{})}
	next, spare := w.next, w.spare
	a.done.Go(func() {
		defer close(a.parts)
		for {
			var list []stored
			select {
			case list = <-spare:
			default:
			}
			list, err := r.part(list, next, aheadBytes)
			if len(list) == 0 && err == nil {
				return
			}
			select {
			case a.parts <- part{list, err}:
			case <-a.stop:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return a
}

// end ends what is read ahead.
func (w *walk) end() {
	w.current.end()
	w.coming.end()
	w.current, w.coming = nil, nil
}

// end ends reading that nobody wants any more, and waits for it.
func (a *ahead) end() {
	if a != nil {
		close(a.stop)
		a.done.Wait()
	}
}

// free takes a list whose records nobody looks at any more. It has room for others.
func (w *walk) free(list []stored) {
	clear(list) // or it would hold what they lie in
	select {
	case w.spare <- list[:0]:
	default:
	}
}

// fromNext leaves out what the walk has met: two segments may hold the same records after a crash.
func (w *walk) fromNext(list []stored) []stored {
	for i := range list {
		if list[i].Number >= w.next {
			return list[i:]
		}
	}
	return nil
}

// part reads records from a number on into a list, until it has enough of them. It returns none at
// the end of the segment, or if the segment is gone.
func (r *segmentReader) part(list []stored, from uint64, bytes int) ([]stored, error) {
	for size := 0; len(list) < auditChunk && size < bytes; {
		s, err := r.next()
		switch {
		case err == io.EOF, errors.Is(err, fs.ErrNotExist):
			// Removed since it was listed: a gap shows in the chain, the end of its keeping does
			// not.
			return list, nil
		case err != nil && !errors.Is(err, ErrDamaged):
			return list, fmt.Errorf("audit segment %s: %w", r.id.name(), err)
		case err != nil:
			return list, err
		}
		if s.Number >= from {
			list = append(list, s)
			size += len(s.body)
		}
	}
	return list, nil
}
