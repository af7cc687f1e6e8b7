package policy

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"sort"

	"pksa/protocol/sorts"
)

// series are the charges of one unit of one counter, added up by slices of time.
//
// What stands in points and large is never changed once a [Summary] may share it: new charges are
// appended, and what merges makes new lists.
type series struct {
	unit    uint16 // which of the limit's
	counted bool   // already, while the counters of an app are counted
	opener  uint32 // 1 + which of the limit's apps opened the counter; the first series of each says it
	points  []point
	rare    *rare // nil: all empty
}

// rare is what few series have.
type rare struct {
	large []*big.Rat // in the place of the points' sums, if those do not fit; nil if they do
	next  *series    // of the counter's next unit
}

func (s *series) large() []*big.Rat {
	if s.rare == nil {
		return nil
	}
	return s.rare.large
}

func (s *series) next() *series {
	if s.rare == nil {
		return nil
	}
	return s.rare.next
}

// withRare returns what few series have, to be changed. It is a copy: a [Summary] may share it.
func (s *series) withRare() *rare {
	fresh := rare{s.large(), s.next()}
	s.rare = &fresh
	return s.rare
}

// point is a slice of time in which something was charged.
type point struct {
	end int64 // ms; the charges were not later
	sum int64 // of this slice and all before it, in millionths
}

// micro is how many parts a unit of anything has in a point. No asset of the chain has more than
// six decimals.
const (
	microDigits = 6
	micro       = 1_000_000
)

// millionths returns a number that a point can hold.
func (a decimal) millionths() (int64, bool) {
	// Two digits less than fit: one addition cannot overflow unseen.
	if a.negative || len(a.fraction) > microDigits || len(a.whole)+microDigits > 17 {
		return 0, false
	}
	var n int64
	for i := range len(a.whole) {
		n = 10*n + int64(a.whole[i]-'0')
	}
	for i := range microDigits {
		n *= 10
		if i < len(a.fraction) {
			n += int64(a.fraction[i] - '0')
		}
	}
	return n, true
}

// mostSum is the highest sum that points hold.
const mostSum = 1 << 62

// add counts a charge. One that is not later than the last moves all sums after it: so do those of
// who fills a book, and those before one that counts as of an instant of the future. What is shared
// is copied then.
func (s *series) add(end int64, d decimal, shared bool) bool {
	i := len(s.points)
	if i > 0 && end < s.points[i-1].end {
		i = sort.Search(i, func(i int) bool { return s.points[i].end >= end })
		if shared {
			s.unshare()
		}
	}
	n, ok := d.millionths()
	if s.large() == nil && ok && s.micro(len(s.points)-1) < mostSum {
		s.insert(i, point{end, s.micro(i - 1)})
		for ; i < len(s.points); i++ {
			s.points[i].sum += n
		}
		return true
	}
	exact, ok := new(big.Rat).SetString(d.String())
	if !ok {
		return false
	}
	large, before := s.exact(), s.total(i-1)
	if s.insert(i, point{end: end}) {
		large = slices.Insert(large, i, before)
	}
	for ; i < len(large); i++ {
		large[i] = new(big.Rat).Add(large[i], exact)
	}
	s.withRare().large = large
	return true
}

// unshare makes lists of its own, with room for one more.
func (s *series) unshare() {
	s.points = append(make([]point, 0, len(s.points)+fewPoints), s.points...)
	if large := s.large(); large != nil {
		s.withRare().large = slices.Clone(large)
	}
}

// insert makes room for a point, unless there is one with this end in the middle.
func (s *series) insert(i int, p point) bool {
	if i < len(s.points) && s.points[i].end == p.end {
		return false
	}
	s.points = slices.Insert(s.points, i, p)
	return true
}

// micro returns the sum up to a point, in millionths.
func (s *series) micro(i int) int64 {
	if i < 0 || s.large() != nil {
		return 0
	}
	return s.points[i].sum
}

// total returns the sum up to a point, exactly. The caller may change it.
func (s *series) total(i int) *big.Rat {
	switch {
	case i < 0:
		return new(big.Rat)
	case s.large() != nil:
		return new(big.Rat).Set(s.large()[i])
	}
	return big.NewRat(s.points[i].sum, micro)
}

// exact returns the sums of all points.
func (s *series) exact() []*big.Rat {
	if large := s.large(); large != nil {
		return large
	}
	large := make([]*big.Rat, len(s.points))
	for i := range s.points {
		large[i] = s.total(i)
	}
	return large
}

// left returns how many points have left a window that begins after an instant.
func (s *series) left(from, grain int64) int {
	return sort.Search(len(s.points), func(i int) bool { return sliceEnd(s.points[i].end, grain) > from })
}

// addTo adds what a window holds that begins after an instant.
func (s *series) addTo(sum *big.Rat, from, grain int64) {
	if s == nil || len(s.points) == 0 {
		return
	}
	i := s.left(from, grain)
	if s.large() == nil {
		if n := s.micro(len(s.points)-1) - s.micro(i-1); n != 0 {
			sum.Add(sum, big.NewRat(n, micro))
		}
		return
	}
	sum.Add(sum, s.total(len(s.points)-1))
	sum.Sub(sum, s.total(i-1))
}

// latest returns the end of the latest slice.
func (s *series) latest() int64 {
	if len(s.points) == 0 {
		return 0
	}
	return s.points[len(s.points)-1].end
}

// forever is an instant before all others, in ms: nothing that was up to then is dropped.
const forever = math.MinInt64

// merge makes longer slices of those that are old enough, and drops those up to an instant.
func (s *series) merge(r ripe, drop int64) {
	first := sort.Search(len(s.points), func(i int) bool { return s.points[i].end > drop })
	dropped, droppedExactly := s.micro(first-1), s.total(first-1)
	exact := s.large()
	var points []point
	var large []*big.Rat
	for i := first; i < len(s.points); i++ {
		end := r.end(s.points[i].end)
		if n := len(points); n == 0 || points[n-1].end != end {
			points = append(points, point{end: end})
			if exact != nil {
				large = append(large, nil)
			}
		}
		// The last sum of those that become one slice is that of all of them.
		last := len(points) - 1
		if points[last].sum = s.micro(i) - dropped; exact != nil {
			large[last] = new(big.Rat).Sub(exact[i], droppedExactly)
		}
	}
	// Of the exact length: most counters have few slices, and there may be many counters.
	if s.points = slices.Clone(points); exact != nil {
		s.withRare().large = slices.Clone(large)
	}
}

// joined returns what several series hold, as one.
func joined(list []*series) *series {
	type part struct {
		end   int64
		n     int64
		exact *big.Rat
	}
	var parts []part
	large := !fitTogether(list)
	for _, s := range list {
		for i, p := range s.points {
			one := part{end: p.end, n: s.micro(i) - s.micro(i-1)}
			if large {
				one.exact = s.total(i)
				one.exact.Sub(one.exact, s.total(i-1))
			}
			parts = append(parts, one)
		}
	}
	sorts.By(parts, func(a, b part) int { return cmp.Compare(a.end, b.end) })
	all := &series{points: make([]point, 0, len(parts))}
	var sum int64
	var exact []*big.Rat
	for _, p := range parts {
		sum += p.n
		last := len(all.points) - 1
		if large && last >= 0 {
			p.exact.Add(p.exact, exact[last])
		}
		if last >= 0 && all.points[last].end == p.end {
			if all.points[last].sum = sum; large {
				exact[last] = p.exact
			}
			continue
		}
		all.points = append(all.points, point{p.end, sum})
		if large {
			exact = append(exact, p.exact)
		}
	}
	all.points = slices.Clone(all.points)
	if large {
		all.withRare().large = exact
	}
	return all
}

// fitTogether reports whether the sum of all series can stand in points.
func fitTogether(list []*series) bool {
	var sum int64
	for _, s := range list {
		if sum += s.micro(len(s.points) - 1); s.large() != nil || sum > mostSum {
			return false
		}
	}
	return true
}
