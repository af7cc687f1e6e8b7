package audit

import (
	"bytes"
	"maps"
	"slices"

	"pksa/agent/ledger"
)

const (
	// maxOpen is how many requests without an outcome a search remembers at a time.
	maxOpen = 10_000
	// drained is how many records behind a page are looked at for outcomes that it lacks.
	drained = 1000
)

// stories is the requests of a search whose outcome has not come yet.
type stories struct {
	open    map[uint64]bool   // on this page or on one before
	waiting map[uint64]*story // may fit because of what becomes of them
	size    int               // bytes of those
}

// story is a request that fits but for what its outcome may say.
type story struct {
	records        []ledger.Record // nil: they stand on a page before, and are read when there is more
	became, worded bool
}

func newStories(q *Query) *stories {
	s := &stories{open: map[uint64]bool{}, waiting: map[uint64]*story{}}
	for _, number := range q.Open {
		s.open[number] = true
	}
	for _, number := range q.Waiting {
		s.waiting[number] = &story{}
	}
	return s
}

// over reports whether no request of before waits for anything.
func (s *stories) over() bool { return len(s.open)+len(s.waiting) == 0 }

// follow puts a record on the page if it tells of a request that fits, or fits itself.
func (p *pager) follow(r *ledger.Record) error {
	s := p.stories
	if r.Type == ledger.RecordDecided || r.Type == ledger.RecordSettled {
		if s.open[r.Ref] {
			p.emit(r)
			if last(r) {
				delete(s.open, r.Ref)
			}
		} else if w := s.waiting[r.Ref]; w != nil {
			return p.more(w, r)
		}
		return nil
	}
	if !p.match.asked(r) {
		return nil
	}
	became, worded := p.match.became(r), p.match.worded(r)
	switch {
	case r.Type != ledger.RecordJudged && became && worded:
		p.emit(r)
	case r.Type != ledger.RecordJudged:
	case became && worded:
		p.emit(r)
		s.open[r.Number] = true
	default:
		s.waiting[r.Number] = &story{records: []ledger.Record{kept(r)}, became: became, worded: worded}
		s.size += len(r.Content)
	}
	return nil
}

// more adds a record to a request that waits, and puts it on the page once it fits.
func (p *pager) more(w *story, r *ledger.Record) error {
	if w.records == nil {
		for first, err := range p.ledger.Scan(r.Ref) {
			if err != nil || first.Number != r.Ref { // not kept any more
				delete(p.stories.waiting, r.Ref)
				return err
			}
			w.records = append(w.records, kept(first))
			w.judge(p.match, first)
			p.stories.size += len(first.Content)
			break
		}
	}
	w.judge(p.match, r)
	fits := w.became && w.worded
	if fits {
		for i := range w.records {
			p.emit(&w.records[i])
		}
		p.emit(r)
		if !last(r) {
			p.stories.open[r.Ref] = true
		}
	}
	if fits || last(r) {
		p.stories.forget(r.Ref)
		return nil
	}
	w.records = append(w.records, kept(r))
	p.stories.size += len(r.Content)
	return nil
}

// kept returns a record that may be kept.
func kept(r *ledger.Record) ledger.Record {
	out := *r
	out.Content = bytes.Clone(r.Content)
	return out
}

// judge notes what a record says for its request.
func (w *story) judge(m *matcher, r *ledger.Record) {
	w.became, w.worded = w.became || m.became(r), w.worded || m.worded(r)
}

func (s *stories) forget(number uint64) {
	for _, r := range s.waiting[number].records {
		s.size -= len(r.Content)
	}
	delete(s.waiting, number)
}

// last reports whether nothing more becomes of a request.
func last(r *ledger.Record) bool { return r.Type == ledger.RecordSettled && r.Outcome != "uncertain" }

// drain looks behind the page for the outcomes that requests on it wait for. Nearly all come soon;
// of the others the next page is told the numbers.
func (p *pager) drain() error {
	if !p.page.End && len(p.stories.waiting) > 0 {
		looked := 0
		for r, err := range p.ledger.Scan(p.page.Next) {
			if looked++; err != nil || looked > drained || r.Number > p.q.To || len(p.stories.waiting) == 0 {
				break // an error comes again on the next page
			}
			if p.stories.waiting[r.Ref] != nil && r.Type != ledger.RecordJudged {
				if err := p.follow(r); err != nil {
					return err
				}
			}
		}
	}
	p.page.Open = numbersOf(p.stories.open)
	p.page.Waiting = numbersOf(p.stories.waiting)
	return nil
}

// numbersOf returns the newest of them: what has had no outcome for so long gets none.
func numbersOf[V any](set map[uint64]V) []uint64 {
	numbers := slices.Sorted(maps.Keys(set))
	return numbers[max(0, len(numbers)-maxOpen):]
}
