package policy

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"pksa/protocol/sorts"
)

// MostShown is how many counters of a limit are listed: the fullest.
const MostShown = 20

// Summary is a copy of the fullest counters of a book, for those who look at them while the book
// goes on. It does not change, and may be used by any number of goroutines. It is made in a time
// that does not grow with the book: what the counters took is shared with it, and which of them are
// the fullest is known from when they were charged. Only after [Book.Keep], and for another policy,
// all counters are looked at. So a counter that was not among the fullest when it was charged last
// may be missing until then although it is by now.
type Summary struct {
	latest time.Time
	lost   []lostCharge
	limits map[string]*limitSummary
}

// limitSummary is the fullest counters of one limit.
type limitSummary struct {
	counters map[string]map[string][]series // by split, then by unit
	more     int                            // counters that are not listed
}

// candidates are the counters of a limit that may be the fullest.
type candidates struct {
	splits map[string]bool
	made   *limitSummary // nil after a change
	policy *Policy       // for which they were looked for; nil: not yet
}

// noted adds a counter that was charged.
func (k *candidates) noted(split string) {
	if k.made = nil; k.splits != nil {
		k.splits[split] = true
	}
}

// Summary copies the fullest counters of each limit of a policy.
func (b *Book) Summary(p *Policy, now time.Time) *Summary {
	s := &Summary{latest: b.latest, lost: slices.Clone(b.lost), limits: map[string]*limitSummary{}}
	for _, l := range p.limits {
		if charges := b.limits[l.name]; charges != nil {
			s.limits[l.name] = charges.summary(p, l, now)
		}
	}
	return s
}

func (lc *limitCharges) summary(p *Policy, l *limit, now time.Time) *limitSummary {
	k := &lc.shown
	if k.policy != p {
		k.policy, k.made, k.splits = p, nil, nil
	}
	if k.made != nil {
		return k.made
	}
	own := lc.shapes[l.shape()]
	switch {
	case len(l.per) == 0:
		k.splits = map[string]bool{"": true} // there is one, used or not
	case own == nil:
		k.splits = map[string]bool{}
	case k.splits == nil:
		k.splits = lc.fullest(l, own.all(), now)
	case len(k.splits) > 2*MostShown:
		k.splits = lc.fullest(l, own.some(k.splits), now)
	}
	made := &limitSummary{counters: map[string]map[string][]series{}}
	for split := range k.splits {
		if len(l.per) > 0 && own.splits[split] == nil {
			delete(k.splits, split) // of another "per", or dropped
			continue
		}
		units := map[string][]series{}
		for _, unit := range lc.units {
			for s := range lc.counting(Counter{Split: split, Unit: unit}) {
				units[unit] = append(units[unit], series{points: s.points, rare: s.rare})
			}
		}
		made.counters[split] = units
	}
	if own != nil && len(l.per) > 0 {
		made.more = len(own.splits) - len(made.counters)
	}
	k.made = made
	return made
}

// shape returns the name of the dimensions that the limit has now.
func (l *limit) shape() string {
	dims := map[string]string{}
	for _, d := range l.per {
		dims[d.name] = ""
	}
	return shapeName(dims)
}

// named is a counter with its name.
type named struct {
	split string
	first *series
	full  float64
}

func (sh *likeCounters) all() func(func(named) bool) {
	return func(yield func(named) bool) {
		for split, s := range sh.splits {
			if !yield(named{split: split, first: s}) {
				return
			}
		}
	}
}

func (sh *likeCounters) some(splits map[string]bool) func(func(named) bool) {
	return func(yield func(named) bool) {
		for split := range splits {
			if s := sh.splits[split]; s != nil && !yield(named{split: split, first: s}) {
				return
			}
		}
	}
}

// fullest returns the names of the counters of which most is used.
func (lc *limitCharges) fullest(l *limit, all func(func(named) bool), now time.Time) map[string]bool {
	var best []named
	cut := func() {
		sorts.By(best, func(a, b named) int {
			return cmp.Or(cmp.Compare(b.full, a.full), cmp.Compare(a.split, b.split))
		})
		best = best[:min(len(best), MostShown)]
	}
	for n := range all {
		n.full = lc.fullness(l, n.first, now)
		if best = append(best, n); len(best) >= 4*MostShown {
			cut()
		}
	}
	cut()
	splits := map[string]bool{}
	for _, n := range best {
		splits[n.split] = true
	}
	return splits
}

// fullness returns which part of a counter is used, roughly: it only sorts.
func (lc *limitCharges) fullness(l *limit, first *series, now time.Time) (full float64) {
	for _, q := range l.quotas {
		i := slices.Index(lc.units, q.unit)
		if i < 0 || q.window == 0 {
			continue
		}
		s := first.of(uint16(i))
		if s == nil {
			continue
		}
		var used float64
		if from := s.left(now.Add(-q.window).UnixMilli(), grainOf(q.window)); s.large() == nil {
			used = float64(s.micro(len(s.points)-1)-s.micro(from-1)) / micro
		} else {
			n := s.total(len(s.points) - 1)
			used, _ = n.Sub(n, s.total(from-1)).Float64()
		}
		if most, _ := q.most.Float64(); most > 0 {
			full = max(full, used/most)
		} else if used > 0 {
			full = max(full, used*1e6)
		}
	}
	return full
}

// Latest implements [Counters].
func (s *Summary) Latest() time.Time { return s.latest }

// Splits implements [Counters]: it returns those that are listed.
func (s *Summary) Splits(limit string) []string {
	l := s.limits[limit]
	if l == nil {
		return nil
	}
	var splits []string
	for split := range l.counters {
		splits = append(splits, split)
	}
	slices.Sort(splits)
	return splits
}

// Unlisted returns how many counters of a limit are not listed.
func (s *Summary) Unlisted(limit string) int {
	if l := s.limits[limit]; l != nil {
		return l.more
	}
	return 0
}

// Used implements [Counters], for counters that are listed.
func (s *Summary) Used(c Counter, window time.Duration, now time.Time) *big.Rat {
	from := now.Add(-window)
	sum := losses(s.lost, from, now)
	if l := s.limits[c.Limit]; l != nil {
		for _, one := range l.counters[c.Split][c.Unit] {
			one.addTo(sum, from.UnixMilli(), grainOf(window))
		}
	}
	return sum
}
