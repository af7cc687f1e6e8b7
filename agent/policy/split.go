package policy

import (
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// limitCharges are all charges of one limit.
type limitCharges struct {
	longest time.Duration // its longest window
	units   []string
	// shapes groups the counters by the dimensions that they have, so that a counter finds its own
	// at once and looks through foreign ones only.
	shapes map[string]*likeCounters
}

// likeCounters is the counters of a limit that have the same dimensions.
type likeCounters struct {
	splits map[string]*series // by their canonical names, which are how they were charged
	// sums is what these counters hold together, by the names of the dimensions that are left, then
	// by the texts of those. It is made when a counter with other dimensions asks, and nil after a
	// change.
	sums map[string]map[string]*series
}

// fewPoints is how many points a series may have before the book looks for some to merge.
const fewPoints = 64

// add counts a charge. now is the latest instant of the book.
func (l *limitCharges) add(c Charge, d decimal, at int64, now time.Time) {
	dims := splitOf(c.Split)
	s := l.series(shapeName(dims), encodeSplit(dims), c.Unit)
	// Merged when the list would have to grow, so that a charge costs the same however many there
	// are.
	if n := len(s.points); n == cap(s.points) && n >= fewPoints {
		s.merge(ripeAt(now, l.longest), math.MinInt64)
		s.points = slices.Grow(s.points, max(fewPoints, len(s.points)/2))
	}
	s.add(at, d)
}

func (l *limitCharges) series(name, split, unit string) *series {
	sh := l.shapes[name]
	if sh == nil {
		sh = &likeCounters{splits: map[string]*series{}}
		l.shapes[name] = sh
	}
	sh.sums = nil
	u := l.unit(unit)
	first := sh.splits[split]
	if s := first.of(u); s != nil {
		return s
	}
	// Behind the first one, which says more than the others.
	s := &series{unit: u}
	if first == nil {
		sh.splits[strings.Clone(split)] = s // without the room that encoding it took
		return s
	}
	if next := first.next(); next != nil {
		s.withRare().next = next
	}
	first.withRare().next = s
	return s
}

// unit returns the number of a unit.
func (l *limitCharges) unit(name string) uint16 {
	i := slices.Index(l.units, name)
	if i < 0 {
		i = len(l.units)
		l.units = append(l.units, name)
	}
	return uint16(i)
}

// of returns the series of a unit, nil if there is none.
func (s *series) of(unit uint16) *series {
	for ; s != nil && s.unit != unit; s = s.next() {
	}
	return s
}

// counting returns the series that count in a counter: its own, and those of counters with other
// dimensions that do not contradict it.
func (l *limitCharges) counting(c Counter) iter.Seq[*series] {
	return func(yield func(*series) bool) {
		i := slices.Index(l.units, c.Unit)
		if i < 0 {
			return
		}
		dims := splitOf(c.Split)
		own, exact := shapeName(dims), encodeSplit(dims)
		for name, sh := range l.shapes {
			// Of splits with the same dimensions only one does not contradict, and its name is
			// known. They can be many, one for each recipient, so they are not searched.
			s := sh.splits[exact]
			if name != own {
				// The limit was split otherwise when these were charged. What may have been charged
				// to this counter counts: a new "per" must not give the budget out once more.
				s = sh.sum(common(name, dims), dims)
			}
			if s = s.of(uint16(i)); s != nil && !yield(s) {
				return
			}
		}
	}
}

// common returns those names of a shape that the dimensions have, too.
func common(shape string, dims map[string]string) []string {
	var names []string
	for name := range splitOf(shape) {
		if _, ok := dims[name]; ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// only returns the text of some of the dimensions.
func only(dims map[string]string, names []string) string {
	texts := map[string]string{}
	for _, name := range names {
		texts[name] = dims[name]
	}
	return encodeSplit(texts)
}

// sum returns what the counters hold together that have these dimensions.
func (sh *likeCounters) sum(names []string, dims map[string]string) *series {
	key := strings.Join(names, "&")
	if sh.sums[key] == nil {
		if sh.sums == nil {
			sh.sums = map[string]map[string]*series{}
		}
		sh.sums[key] = sh.sumsBy(names)
	}
	return sh.sums[key][only(dims, names)]
}

func (sh *likeCounters) sumsBy(names []string) map[string]*series {
	type place struct {
		texts string
		unit  uint16
	}
	parts := map[place][]*series{}
	for split, s := range sh.splits {
		texts := ""
		if len(names) > 0 {
			texts = only(splitOf(split), names)
		}
		for ; s != nil; s = s.next() {
			at := place{texts, s.unit}
			parts[at] = append(parts[at], s)
		}
	}
	sums := map[string]*series{}
	for at, list := range parts {
		s := joined(list)
		s.unit, s.rare.next = at.unit, sums[at.texts]
		sums[at.texts] = s
	}
	return sums
}

// keep merges what is old, and drops what is older than counts.
func (l *limitCharges) keep(now time.Time) {
	ripe, drop := ripeAt(now, l.longest), now.Add(-max(l.longest, atLeastKept)).UnixMilli()
	for name, sh := range l.shapes {
		sh.sums = nil
		maps.DeleteFunc(sh.splits, func(_ string, s *series) bool {
			empty := true
			for ; s != nil; s = s.next() {
				s.merge(ripe, drop)
				empty = empty && len(s.points) == 0
			}
			return empty
		})
		if len(sh.splits) == 0 {
			delete(l.shapes, name)
		}
	}
}
