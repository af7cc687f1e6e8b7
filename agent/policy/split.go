package policy

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"pksa/protocol/sorts"
)

// limitCharges are all charges of one limit.
type limitCharges struct {
	longest time.Duration // its longest window
	units   []string
	apps    []string // that opened counters
	tallies []tally  // of these
	// shapes groups the counters by the dimensions that they have, so that a counter finds its own
	// at once and looks through foreign ones only.
	shapes map[string]*likeCounters
	shown  candidates
	most   int  // sums that the counters of one app may hold
	held   held // by counters that no app opened
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

// add counts a charge. now is the latest instant of the book; shared is as in [Book.add].
func (lc *limitCharges) add(c Charge, d decimal, at int64, now time.Time, shared bool) {
	dims := splitOf(c.Split)
	split := encodeSplit(dims)
	first, s := lc.series(shapeName(dims), split, c.Unit)
	lc.shown.noted(split)
	if c.OpenedBy != "" {
		lc.open(first, c.OpenedBy, at)
	}
	before := s.weight()
	// Merged when the list would have to grow, so that a charge costs the same however many there
	// are.
	if n := len(s.points); n == cap(s.points) && n >= fewPoints {
		s.merge(ripeAt(now, lc.longest), forever)
		s.points = slices.Grow(s.points, max(fewPoints, len(s.points)/2))
	}
	s.add(at, d, shared)
	lc.holds(first.opener).n += s.weight() - before
	lc.thin(first.opener, now)
	// Those of short windows are unused soon, and may be many before somebody asks to keep. Not
	// before the charge is in: a counter without any is dropped.
	if c.OpenedBy != "" && lc.tallies[first.opener-1].opened > 2*MostCounters {
		lc.keep(now)
	}
}

// series returns the first series of a counter and that of a unit.
func (lc *limitCharges) series(name, split, unit string) (first, _ *series) {
	sh := lc.shapes[name]
	if sh == nil {
		sh = &likeCounters{splits: map[string]*series{}}
		lc.shapes[name] = sh
	}
	sh.sums = nil
	u := lc.unit(unit)
	first = sh.splits[split]
	if s := first.of(u); s != nil {
		return first, s
	}
	// Behind the first one, which says more than the others.
	s := &series{unit: u}
	if first == nil {
		sh.splits[strings.Clone(split)] = s // without the room that encoding it took
		return s, s
	}
	if next := first.next(); next != nil {
		s.withRare().next = next
	}
	first.withRare().next = s
	return first, s
}

// unit returns the number of a unit.
func (lc *limitCharges) unit(name string) uint16 {
	i := slices.Index(lc.units, name)
	if i < 0 {
		i = len(lc.units)
		lc.units = append(lc.units, name)
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
func (lc *limitCharges) counting(c Counter) iter.Seq[*series] {
	return func(yield func(*series) bool) {
		i := slices.Index(lc.units, c.Unit)
		if i < 0 {
			return
		}
		dims := splitOf(c.Split)
		own, exact := shapeName(dims), encodeSplit(dims)
		for name, sh := range lc.shapes {
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
		if s.unit = at.unit; sums[at.texts] != nil {
			s.withRare().next = sums[at.texts]
		}
		sums[at.texts] = s
	}
	return sums
}

// keep merges what is old, and drops what is older than counts.
func (lc *limitCharges) keep(now time.Time) {
	ripe, drop := ripeAt(now, lc.longest), now.Add(-max(lc.longest, atLeastKept)).UnixMilli()
	for name, sh := range lc.shapes {
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
			delete(lc.shapes, name)
		}
	}
	for i := range lc.tallies {
		t := &lc.tallies[i]
		t.opened, t.own, t.whole = 0, nil, false // some of its counters may be gone
	}
	lc.shown = candidates{}
	lc.fold(now)
	lc.weigh()
}

// unused is a counter of which the windows in force hold nothing.
type unused struct {
	shape, split string
	first        *series
}

// fold takes the counters of an app that are not in use and too many, those first that were used
// last longest ago, and adds up what they took as if the limit were not split. It counts in each
// counter then, but not unless a window is made so long that it sees it.
func (lc *limitCharges) fold(now time.Time) {
	byApp := map[uint32][]unused{}
	for name, sh := range lc.shapes {
		for split, s := range sh.splits {
			if name != "" && !s.leaves(lc.longest).After(now) {
				byApp[s.opener] = append(byApp[s.opener], unused{name, split, s})
			}
		}
	}
	parts := map[uint16][]*series{} // by unit
	for _, list := range byApp {
		sorts.By(list, func(a, b unused) int {
			return cmp.Or(a.first.leaves(lc.longest).Compare(b.first.leaves(lc.longest)),
				strings.Compare(a.split, b.split))
		})
		for _, u := range list[:max(0, len(list)-MostCounters)] {
			delete(lc.shapes[u.shape].splits, u.split)
			for s := u.first; s != nil; s = s.next() {
				parts[s.unit] = append(parts[s.unit], s)
			}
		}
	}
	for unit, list := range parts {
		_, s := lc.series("", "", lc.units[unit])
		sum := joined(append(list, s))
		sum.merge(ripeAt(now, lc.longest), forever)
		if s.points = sum.points; sum.large() != nil || s.large() != nil {
			s.withRare().large = sum.large()
		}
	}
}

// Openings asks how many counters of a limit an app opened.
type Openings struct {
	Limit, App string
	Window     time.Duration // a counter is in use while this window holds something of it
	Enough     int           // an answer that is not above it may be too high: nobody needs to know better
}

// tally is how many counters an app opened.
type tally struct {
	n      int // in use at most
	opened int // since the last keep
	// own is the counters that n counts: some stand there twice, and some are another app's now. If
	// it is not whole it is made anew, from all counters of the limit.
	own   []*series
	whole bool
	// If n was counted: for which window, when, and until when it holds if nothing is opened.
	window   time.Duration
	at, next time.Time
	held     held
}

// open notes that an app opens a counter.
func (lc *limitCharges) open(first *series, app string, at int64) {
	i := slices.Index(lc.apps, app)
	if i < 0 {
		i = len(lc.apps)
		lc.apps, lc.tallies = append(lc.apps, app), append(lc.tallies, tally{whole: true})
	}
	n := first.weights()
	lc.holds(first.opener).n -= n
	first.opener = uint32(i + 1)
	t := &lc.tallies[i]
	t.held.n += n
	if t.n++; t.whole {
		t.own = append(t.own, first)
	}
	if leaves := time.UnixMilli(sliceEnd(at, grainOf(t.window))).Add(t.window); leaves.Before(t.next) {
		t.next = leaves
	}
	t.opened++
}

// leaves returns when a window holds nothing of a counter any more.
func (s *series) leaves(window time.Duration) time.Time {
	latest := s.latest()
	for next := s.next(); next != nil; next = next.next() {
		latest = max(latest, next.latest())
	}
	return time.UnixMilli(sliceEnd(latest, grainOf(window))).Add(window)
}

// Live implements [Counters].
func (b *Book) Live(limit, split string, window time.Duration, now time.Time) bool {
	l := b.limits[limit]
	if l == nil {
		return false
	}
	dims := splitOf(split)
	sh := l.shapes[shapeName(dims)]
	if sh == nil {
		return false
	}
	s := sh.splits[encodeSplit(dims)]
	return s != nil && window > 0 && s.leaves(window).After(now)
}

// Opened implements [Counters].
func (b *Book) Opened(o Openings, now time.Time) (int, time.Time) {
	l := b.limits[o.Limit]
	if l == nil {
		return 0, time.Time{}
	}
	i := slices.Index(l.apps, o.App)
	if i < 0 || o.Window == 0 { // a window of one request holds nothing afterwards
		return 0, time.Time{}
	}
	t := &l.tallies[i]
	// Counted only if the answer may matter, and again only when a counter has left since: it takes
	// a look at every counter of the app. Those of other apps are looked at after a keep alone, or
	// an app that is at its bound would make others pay for all of them with each request.
	goesOn := t.window == o.Window && !now.Before(t.at)
	other := t.window != 0 && !goesOn // what left another window may be in this one
	if (t.n > o.Enough || other) && !(goesOn && now.Before(t.next)) {
		if !t.whole || other {
			t.own, t.whole = slices.AppendSeq(t.own[:0], l.openedBy(uint32(i+1))), true
		}
		t.count(uint32(i+1), o.Window, now)
	}
	return t.n, t.next
}

// count counts those of its own counters that a window holds something of, and forgets the others.
func (t *tally) count(opener uint32, window time.Duration, now time.Time) {
	t.window, t.at, t.next = window, now, now.Add(LongestWindow)
	t.own = slices.DeleteFunc(t.own, func(s *series) bool {
		leaves := s.leaves(window)
		if s.opener != opener || s.counted || !leaves.After(now) {
			return true
		}
		if leaves.Before(t.next) {
			t.next = leaves
		}
		s.counted = true
		return false
	})
	for _, s := range t.own {
		s.counted = false
	}
	t.n = len(t.own)
}

// openedBy returns the first series of each counter that an app opened; 0 is of no app that is
// known.
func (lc *limitCharges) openedBy(app uint32) iter.Seq[*series] {
	return func(yield func(*series) bool) {
		for _, sh := range lc.shapes {
			for _, s := range sh.splits {
				if s.opener == app && !yield(s) {
					return
				}
			}
		}
	}
}
