package policy

import (
	"maps"
	"math/big"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"
)

// Counters is what a policy asks about the past. [Book] is one.
type Counters interface {
	// Used returns what the counter took in (now-window, now]. The caller may change it.
	Used(c Counter, window time.Duration, now time.Time) *big.Rat
	// Latest is the instant of the latest charge; the zero time if there is none.
	Latest() time.Time
	// Splits returns the counters of a limit that took anything, sorted.
	Splits(limit string) []string
}

// Counter names one of a limit's counters, as [Charge] does.
type Counter struct{ Limit, Split, Unit string }

type noCounters struct{}

func (noCounters) Used(Counter, time.Duration, time.Time) *big.Rat { return new(big.Rat) }
func (noCounters) Latest() time.Time                               { return time.Time{} }
func (noCounters) Splits(string) []string                          { return nil }

// Book is the memory of limits: charges in exact rolling windows. Its owner fills it from the
// charges that were stored, and adds those of each admission. A charge that could not be stored
// after all is not taken back: the owner fills a new book. The zero value is empty and ready. It
// must not be used concurrently.
//
// What was charged to one counter of a limit counts in every other that does not contradict it:
// charges from before a limit was split count in every split, and those of all splits count once it
// is split no more.
type Book struct {
	latest time.Time
	limits map[string]*limitCharges
	lost   []lostCharge
}

// lostCharge is an admission of which is not known any more what it was charged.
type lostCharge struct{ at, until time.Time }

// allUsed is what a window holds with a lost charge in it: more than any limit.
var allUsed = new(big.Rat).SetInt64(1e18)

// Lose counts an admission of which is not known any more what it was charged, nor to which limit:
// until an instant nothing is left of any window that holds it.
func (b *Book) Lose(at, until time.Time) {
	if at.After(b.latest) {
		b.latest = at
	}
	b.lost = append(b.lost, lostCharge{at, until})
}

// losses returns what a window holds of lost charges.
func (b *Book) losses(from, now time.Time) *big.Rat {
	for _, l := range b.lost {
		if l.at.After(from) && !l.at.After(now) && now.Before(l.until) {
			return new(big.Rat).Set(allUsed)
		}
	}
	return new(big.Rat)
}

// limitCharges are all charges of one limit.
type limitCharges struct {
	splits map[string]*splitCharges
	// shapes groups the splits by the dimensions that they have, so that a counter finds its own at
	// once and looks through foreign ones only.
	shapes map[string][]*splitCharges
}

type splitCharges struct {
	dims  map[string]string
	units map[string]*series
}

// series are the charges of one unit, oldest first, each with the sum of all before it and itself:
// what a window holds is the difference of two.
type series struct {
	start   big.Rat // what was dropped
	entries []charged
}

type charged struct {
	at  time.Time
	sum *big.Rat // of all charges up to this one
}

// Add counts charges of one admission. Instants never go back: one before the latest counts as
// that. A charge whose amount is no number is dropped; this package never makes one.
func (b *Book) Add(at time.Time, charges []Charge) {
	// Windows are found by binary search, so the entries of a series are in the order of time.
	if at.Before(b.latest) {
		at = b.latest
	}
	b.latest = at
	for _, c := range charges {
		d, ok := parseDecimal(c.Amount)
		if !ok {
			continue
		}
		n, ok := new(big.Rat).SetString(d.String())
		if !ok {
			continue
		}
		// A window is the difference of two sums: no walk over its charges, however many there are.
		s := b.series(Counter{c.Limit, c.Split, c.Unit})
		s.entries = append(s.entries, charged{at, n.Add(n, s.total())})
	}
}

func (s *series) total() *big.Rat {
	if len(s.entries) == 0 {
		return &s.start
	}
	return s.entries[len(s.entries)-1].sum
}

func (b *Book) series(c Counter) *series {
	sc := b.limit(c.Limit).split(canonicalSplit(c.Split))
	s := sc.units[c.Unit]
	if s == nil {
		s = &series{}
		sc.units[c.Unit] = s
	}
	return s
}

func (b *Book) limit(name string) *limitCharges {
	if b.limits == nil {
		b.limits = map[string]*limitCharges{}
	}
	l := b.limits[name]
	if l == nil {
		l = &limitCharges{splits: map[string]*splitCharges{}, shapes: map[string][]*splitCharges{}}
		b.limits[name] = l
	}
	return l
}

func (l *limitCharges) split(split string) *splitCharges {
	sc := l.splits[split]
	if sc == nil {
		sc = &splitCharges{splitOf(split), map[string]*series{}}
		l.splits[split] = sc
		shape := shapeName(sc.dims)
		l.shapes[shape] = append(l.shapes[shape], sc)
	}
	return sc
}

// splitOf takes a split apart.
func splitOf(split string) map[string]string {
	dims := map[string]string{}
	values, err := url.ParseQuery(split)
	if err != nil {
		return dims // without dimensions it contradicts no counter, and so counts in all
	}
	for name := range values {
		dims[name] = values.Get(name)
	}
	return dims
}

// canonicalSplit returns the one spelling of a split.
func canonicalSplit(split string) string {
	values := url.Values{}
	for name, text := range splitOf(split) {
		values.Set(name, text)
	}
	return values.Encode()
}

func shapeName(dims map[string]string) string {
	var names []string
	for name := range dims {
		names = append(names, url.QueryEscape(name))
	}
	slices.Sort(names)
	return strings.Join(names, "&")
}

// Latest implements [Counters].
func (b *Book) Latest() time.Time { return b.latest }

// Splits implements [Counters].
func (b *Book) Splits(limit string) []string {
	l := b.limits[limit]
	if l == nil {
		return nil
	}
	var splits []string
	for split, sc := range l.splits {
		if !sc.empty() {
			splits = append(splits, split)
		}
	}
	slices.Sort(splits)
	return splits
}

// empty reports whether nothing is left of what was charged.
func (sc *splitCharges) empty() bool {
	for _, s := range sc.units {
		if len(s.entries) > 0 {
			return false
		}
	}
	return true
}

// Used implements [Counters].
func (b *Book) Used(c Counter, window time.Duration, now time.Time) *big.Rat {
	from := now.Add(-window)
	sum := b.losses(from, now)
	l := b.limits[c.Limit]
	if l == nil {
		return sum
	}
	dims := splitOf(c.Split)
	own, exact := shapeName(dims), canonicalSplit(c.Split)
	for shape, list := range l.shapes {
		// Of splits with the same dimensions only one does not contradict, and its name is known.
		// They can be many, one for each recipient, so they are not searched.
		if shape == own {
			l.splits[exact].addTo(sum, c.Unit, from, now)
			continue
		}
		// The limit was split otherwise when these were charged. What may have been charged to this
		// counter counts: a new "per" must not give the budget out once more.
		for _, sc := range list {
			if !contradict(sc.dims, dims) {
				sc.addTo(sum, c.Unit, from, now)
			}
		}
	}
	return sum
}

func contradict(a, b map[string]string) bool {
	for name, text := range a {
		if other, ok := b[name]; ok && other != text {
			return true
		}
	}
	return false
}

// addTo adds what was charged after from and not after until.
func (sc *splitCharges) addTo(sum *big.Rat, unit string, from, until time.Time) {
	if sc == nil || sc.units[unit] == nil {
		return
	}
	// A charge exactly one window ago has left it: the sum up to then is taken off with it.
	s := sc.units[unit]
	sum.Add(sum, s.before(until))
	sum.Sub(sum, s.before(from))
}

// before returns the sum of all charges at or before an instant.
func (s *series) before(t time.Time) *big.Rat {
	i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].at.After(t) })
	if i == 0 {
		return &s.start
	}
	return s.entries[i-1].sum
}

// Keep sets how long the charges of each limit are kept, as [Policy.Limits] says, and drops older
// ones. Charges of other limits are kept for 31 days: a limit that is taken out and put back
// remembers.
func (b *Book) Keep(limits map[string]time.Duration, now time.Time) {
	for name, l := range b.limits {
		from := now.Add(-max(limits[name], atLeastKept))
		l.drop(from)
		if len(l.splits) == 0 {
			delete(b.limits, name)
		}
	}
}

// drop drops the charges up to an instant, and the counters that then are empty.
func (l *limitCharges) drop(until time.Time) {
	maps.DeleteFunc(l.splits, func(_ string, sc *splitCharges) bool {
		sc.drop(until)
		return len(sc.units) == 0
	})
	for shape, list := range l.shapes {
		list = slices.DeleteFunc(list, func(sc *splitCharges) bool { return len(sc.units) == 0 })
		if l.shapes[shape] = list; len(list) == 0 {
			delete(l.shapes, shape)
		}
	}
}

func (sc *splitCharges) drop(until time.Time) {
	maps.DeleteFunc(sc.units, func(_ string, s *series) bool {
		s.drop(until)
		return len(s.entries) == 0
	})
}

func (s *series) drop(until time.Time) {
	i := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].at.After(until) })
	if i > 0 {
		// The sums that stay include what is dropped, so it remains as the start. The copy lets the
		// memory of the old entries go.
		s.start.Set(s.entries[i-1].sum)
		s.entries = slices.Clone(s.entries[i:])
	}
}
