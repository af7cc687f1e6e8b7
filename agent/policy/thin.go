package policy

import (
	"iter"
	"strings"
	"time"
)

// MostSums is how many sums over slices of time the counters of one limit may hold that one app
// opened: 16 bytes each, and up to twice that where lists have grown. Beyond it those counters that
// hold most are thinned.
const MostSums = 500_000

// largeSum is how many sums one counts for that does not fit in a point: it takes so much more
// memory.
const largeSum = 12

// fewestKept is how many sums of a counter are left at least: one in the window in force, and one
// of what has left it.
const fewestKept = 2

// held is how many sums the counters hold that an app opened.
type held struct {
	n    int
	next int // beyond this they are thinned, if it is more than the bound
}

// weight returns how many sums a series counts for.
func (s *series) weight() int {
	if s.large() != nil {
		return largeSum * len(s.points)
	}
	return len(s.points)
}

// weights returns that of a counter, all units together.
func (s *series) weights() (n int) {
	for ; s != nil; s = s.next() {
		n += s.weight()
	}
	return n
}

// What a counter takes in memory beside its sums, what the name of each of its dimensions takes at
// most, and each of its sums, in lists that have grown.
const counterBytes, dimBytes, sumBytes = 256, longestDim, 32

// Bytes returns about how many bytes the book takes in memory.
func (b *Book) Bytes() (n int) {
	for _, lc := range b.limits {
		sums := lc.held.n
		for i := range lc.tallies {
			sums += lc.tallies[i].held.n
		}
		n += sumBytes * sums
		for name, sh := range lc.shapes {
			n += (counterBytes + dimBytes*(1+strings.Count(name, "&"))) * len(sh.splits)
		}
	}
	return n
}

// holds returns what is held of an app's counters; 0 is no app that is known.
func (lc *limitCharges) holds(opener uint32) *held {
	if opener == 0 {
		return &lc.held
	}
	return &lc.tallies[opener-1].held
}

// weigh counts anew what is held.
func (lc *limitCharges) weigh() {
	lc.held = held{}
	for i := range lc.tallies {
		lc.tallies[i].held = held{}
	}
	for _, sh := range lc.shapes {
		for _, s := range sh.splits {
			lc.holds(s.opener).n += s.weights()
		}
	}
}

// thin makes the sums fewer that an app's counters hold, if they are too many. Those that hold
// fewest stay as they are. A charge of another leaves its window later than it would, by the part
// of the window that each of its sums has then, and never earlier: sums are added to later ones. So
// this frees memory and no budget. To refuse instead would stop an honest app that is busy, for a
// window's length.
//
// What has left the longest window is not added to what has not, and the latest sum of a counter
// stays: no counter comes into use by this, or is longer in use.
func (lc *limitCharges) thin(opener uint32, now time.Time) {
	h := lc.holds(opener)
	if h.n <= max(h.next, lc.most) {
		return
	}
	// First what costs nothing.
	h.n = 0
	for s := range lc.seriesOf(opener) {
		s.merge(ripeAt(now, lc.longest), forever)
		h.n += s.weight()
	}
	if h.n > lc.most-lc.most/4 { // so that the next time is not soon
		keep := 1 << 15 // more than a counter has without any bound
		for h.n > lc.most/2 && keep > fewestKept {
			keep -= max(1, keep/4)
			h.n = 0
			for s := range lc.seriesOf(opener) {
				h.n += s.weight() * min(keep, len(s.points)) / max(1, len(s.points))
			}
		}
		h.n = 0
		for s := range lc.seriesOf(opener) {
			s.thin(keep, now.Add(-lc.longest).UnixMilli(), grainOf(lc.longest))
			h.n += s.weight()
		}
	}
	h.next = 2 * h.n
	for _, sh := range lc.shapes {
		sh.sums = nil
	}
}

// seriesOf returns all series of the counters that an app opened.
func (lc *limitCharges) seriesOf(opener uint32) iter.Seq[*series] {
	return func(yield func(*series) bool) {
		for s := range lc.openedBy(opener) {
			for ; s != nil; s = s.next() {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// thin leaves so many sums at most. If what has left the window that begins after an instant and
// what has not are both many, each has half of them.
func (s *series) thin(keep int, from, grain int64) {
	if len(s.points) <= keep {
		return
	}
	left := s.left(from, grain)
	out := min(left, max(keep/2, keep-(len(s.points)-left)))
	points := make([]point, 0, keep)
	exact, thinned := s.large(), &rare{next: s.next()}
	for _, part := range []struct{ begin, end, most int }{{0, left, out}, {left, len(s.points), keep - out}} {
		for i := range lastOfEach(s.points[part.begin:part.end], part.most) {
			points = append(points, s.points[part.begin+i])
			if exact != nil {
				thinned.large = append(thinned.large, exact[part.begin+i])
			}
		}
	}
	if s.points = points; s.rare != nil {
		s.rare = thinned
	}
}

// lastOfEach divides points into spans of the same length, no more than most, and returns which is
// the last of each. Its sum holds all before it.
func lastOfEach(points []point, most int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if len(points) == 0 {
			return
		}
		last := len(points) - 1
		length := points[last].end - points[0].end
		if most > 1 {
			length = (length + int64(most) - 2) / int64(most-1)
		}
		begin := points[0].end
		for i := range points {
			if i < last && points[i+1].end-begin <= length {
				continue
			}
			if !yield(i) {
				return
			}
			if i < last {
				begin = points[i+1].end
			}
		}
	}
}
