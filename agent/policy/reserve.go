package policy

import (
	"math/big"
	"slices"
	"sync"
	"time"
)

// Reserve is what requests would cost that wait for a person. It counts beside what was charged, so
// that many requests that wait cannot have the same room; it is not charged itself. What waits is
// added, and taken off when the wait ends, whatever the answer is. The zero value is ready; its
// methods may be called concurrently.
type Reserve struct {
	mu     sync.Mutex
	limits map[string]map[string]*reservedShape // by limit and the dimensions of the split
}

// reservedShape is the reserved costs of splits with the same dimensions.
type reservedShape struct {
	units map[reservedUnit]*big.Rat
	dims  map[string]map[string]string // by split
}

type reservedUnit struct{ split, unit string }

// Add reserves charges.
func (r *Reserve) Add(charges []Charge) { r.change(charges, (*big.Rat).Add) }

// Remove takes charges off that were added.
func (r *Reserve) Remove(charges []Charge) { r.change(charges, (*big.Rat).Sub) }

func (r *Reserve) change(charges []Charge, by func(z, x, y *big.Rat) *big.Rat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range charges {
		n, ok := new(big.Rat).SetString(c.Amount) // our own text: this package writes no other
		if !ok {
			continue
		}
		dims := splitOf(c.Split)
		shape := r.shape(c.Limit, shapeName(dims))
		at := reservedUnit{encodeSplit(dims), c.Unit}
		if shape.units[at] == nil {
			shape.units[at] = new(big.Rat)
		}
		shape.dims[at.split] = dims
		if sum := shape.units[at]; by(sum, sum, n).Sign() == 0 {
			r.forget(c.Limit, shapeName(dims), at)
		}
	}
}

func (r *Reserve) shape(limit, name string) *reservedShape {
	if r.limits == nil {
		r.limits = map[string]map[string]*reservedShape{}
	}
	if r.limits[limit] == nil {
		r.limits[limit] = map[string]*reservedShape{}
	}
	shape := r.limits[limit][name]
	if shape == nil {
		shape = &reservedShape{units: map[reservedUnit]*big.Rat{}, dims: map[string]map[string]string{}}
		r.limits[limit][name] = shape
	}
	return shape
}

// forget drops a counter that holds nothing any more, and what is empty without it.
func (r *Reserve) forget(limit, name string, at reservedUnit) {
	shape := r.limits[limit][name]
	delete(shape.units, at)
	for other := range shape.units {
		if other.split == at.split {
			return
		}
	}
	delete(shape.dims, at.split)
	if len(shape.units) > 0 {
		return
	}
	delete(r.limits[limit], name)
	if len(r.limits[limit]) == 0 {
		delete(r.limits, limit)
	}
}

// of returns what is reserved of a counter. As in [Book], what was reserved under another split of
// the limit counts where it does not contradict.
func (r *Reserve) of(c Counter) *big.Rat {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := new(big.Rat)
	if len(r.limits[c.Limit]) == 0 {
		return sum
	}
	dims := splitOf(c.Split)
	own := shapeName(dims)
	for name, shape := range r.limits[c.Limit] {
		if name == own {
			if n := shape.units[reservedUnit{encodeSplit(dims), c.Unit}]; n != nil {
				sum.Add(sum, n)
			}
			continue
		}
		for split, others := range shape.dims {
			if n := shape.units[reservedUnit{split, c.Unit}]; n != nil && !contradict(others, dims) {
				sum.Add(sum, n)
			}
		}
	}
	return sum
}

// contradict reports whether two splits name different texts for one dimension.
func contradict(a, b map[string]string) bool {
	for name, text := range a {
		if other, ok := b[name]; ok && other != text {
			return true
		}
	}
	return false
}

// Beside returns counters that count what is reserved as used. Counters may be nil, for none so
// far.
func (r *Reserve) Beside(counters Counters) Counters {
	if counters == nil {
		counters = noCounters{}
	}
	return besides{counters, r}
}

// besides are counters with a reserve.
type besides struct {
	charged Counters
	reserve *Reserve
}

// Used implements [Counters]. What waits is of no instant yet: it is in every window.
func (b besides) Used(c Counter, window time.Duration, now time.Time) *big.Rat {
	sum := b.charged.Used(c, window, now)
	return sum.Add(sum, b.reserve.of(c))
}

// Latest implements [Counters].
func (b besides) Latest() time.Time { return b.charged.Latest() }

// Live implements [Counters]. What waits has opened no counter yet: a yes is judged by those that
// are open then.
func (b besides) Live(limit, split string, window time.Duration, now time.Time) bool {
	return b.charged.Live(limit, split, window, now)
}

// Opened implements [Counters].
func (b besides) Opened(o Openings, now time.Time) (live int, next time.Time) {
	return b.charged.Opened(o, now)
}

// Splits implements [Counters].
func (b besides) Splits(limit string) []string {
	b.reserve.mu.Lock()
	splits := b.charged.Splits(limit)
	for _, shape := range b.reserve.limits[limit] {
		for split := range shape.dims {
			splits = append(splits, split)
		}
	}
	b.reserve.mu.Unlock()
	slices.Sort(splits)
	return slices.Compact(splits)
}

// waiting returns how much of what counters call used waits for a person.
func waiting(counters Counters, c Counter) *big.Rat {
	if b, ok := counters.(besides); ok {
		return b.reserve.of(c)
	}
	return new(big.Rat)
}
