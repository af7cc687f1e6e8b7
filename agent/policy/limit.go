package policy

import (
	"math/big"
	"net/url"
	"time"
)

// measure is what a limit counts.
type measure uint8

const (
	measureRequests measure = iota + 1
	measureCount
	measureSpend
	measureSum
)

var measureNames = [...]string{measureRequests: "requests", measureCount: "count", measureSpend: "spend",
	measureSum: "sum"}

func (m measure) String() string { return measureNames[m] }

// limit bounds what its matching parts may cost within a window.
type limit struct {
	rule
	measure measure
	quotas  []quota
	per     []dimension
	over    bool // ask, not deny
	of      *tokenSum
}

// quota is one "N per WINDOW". Window 0 is the request alone.
type quota struct {
	most   *big.Rat
	unit   string
	window time.Duration
	text   string
}

// dimension splits a limit's counter.
type dimension struct {
	name  string   // account, app, actor, .field, or .field.path.into.it
	field string   // of the operation, if it is that
	path  []string // into the JSON of the field; empty: the field itself
}

// tokenSum is which numbers inside JSON are added up.
type tokenSum struct {
	list  string
	where matcher
	field []string
	times []string // by what each number is multiplied; empty: by nothing
	text  string
	seen  map[string]lookedAt // by what a move is called; only the review of a file looks
}

// atLeastKept is how long charges are kept whatever the windows are: a limit may be given a longer
// one.
const atLeastKept = 31 * 24 * time.Hour

func (l *limit) kept() time.Duration { return max(atLeastKept, l.longest()) }

// longest returns the longest window, zero if the limit has none.
func (l *limit) longest() (longest time.Duration) {
	for _, q := range l.quotas {
		longest = max(longest, q.window)
	}
	return longest
}

// cost is what one request takes from one counter. Unclear is more than any limit.
type cost struct {
	split   string
	units   map[string]*big.Rat
	unclear bool
}

func (c *cost) add(unit string, n *big.Rat) {
	// What costs nothing needs no room and leaves no trace in the counters.
	if n.Sign() == 0 {
		return
	}
	if c.units[unit] == nil {
		c.units[unit] = new(big.Rat)
	}
	c.units[unit].Add(c.units[unit], n)
}

var one = big.NewRat(1, 1)

// costs adds up what the matching parts cost, by counter.
func (l *limit) costs(s *scope, parts []*part) []*cost {
	var all []*cost
	bySplit := map[string]*cost{}
	for _, p := range parts {
		// Each counter that the part touches is charged the whole: if two accounts act, both did.
		splits, known := l.splits(s, p)
		for _, split := range splits {
			c := bySplit[split]
			if c == nil {
				c = &cost{split: split, units: map[string]*big.Rat{}}
				bySplit[split] = c
				all = append(all, c)
			}
			l.charge(s, p, c)
			c.unclear = c.unclear || !known
		}
	}
	return all
}

func (l *limit) charge(s *scope, p *part, c *cost) {
	switch l.measure {
	case measureRequests:
		// However many parts of it match, it is one request.
		if len(c.units) == 0 {
			c.add(measureRequests.String(), one)
		}
	case measureCount:
		c.add(measureCount.String(), one)
	case measureSpend:
		if p.kind == Sign {
			for _, a := range p.op.Spend() {
				c.add(a.Symbol.String(), assetRat(a.Amount, a.Symbol.Decimals()))
			}
		}
	case measureSum:
		l.of.addTo(c, s, p)
	}
}

func assetRat(satoshis int64, decimals int) *big.Rat {
	unit := int64(1)
	for range decimals {
		unit *= 10
	}
	return big.NewRat(satoshis, unit)
}

// addTo adds the numbers of a part's JSON to a cost. What cannot be read as an amount of tokens
// makes the whole cost unclear, which is more than any limit.
func (t *tokenSum) addTo(c *cost, s *scope, p *part) {
	if p.kind != Sign {
		return
	}
	items, known := p.field(t.list).list()
	if known != yes {
		c.unclear = true
		return
	}
	for _, item := range items {
		// Only what is clearly not meant is left out: doubt counts against the request.
		if t.where != nil && t.where.check(s.of(p), item) == no {
			continue
		}
		n, ok := t.number(item)
		if !ok {
			c.unclear = true
			continue
		}
		c.add(measureSum.String(), n)
	}
}

// number returns what an element adds to the sum.
func (t *tokenSum) number(item value) (*big.Rat, bool) {
	n, ok := tokens(inside{path: t.field}.reach(item))
	if !ok || t.times == nil {
		return n, ok
	}
	by, ok := tokens(inside{path: t.times}.reach(item))
	if !ok {
		return nil, false
	}
	product := new(big.Rat).Mul(n, by)
	// As long as a number may be that stands there itself.
	if d, _ := parseDecimal(ratText(product)); len(d.whole)+len(d.fraction) > longestSum {
		return nil, false
	}
	return product, true
}

// tokens returns an amount of tokens: a number, or a text of that form.
func tokens(v value) (*big.Rat, bool) {
	d := v.number
	switch {
	case v.kind == isText:
		var ok bool
		if d, ok = parseDecimal(v.text); !ok {
			return nil, false
		}
	case v.kind != isNumber || v.odd:
		return nil, false
	}
	// A negative number beside a large one would make room for it.
	if d.negative {
		return nil, false
	}
	return d.rat()
}

// splits returns the names of the counters that a part touches: one, or one for each actor. The
// second result is false if JSON does not say which counter it is.
func (l *limit) splits(s *scope, p *part) (splits []string, known bool) {
	known = true
	actors := []string{""}
	keys := url.Values{}
	for _, d := range l.per {
		switch {
		case d.field != "":
			text, ok := d.textOf(p)
			keys.Set(d.name, text)
			known = known && ok
		case d.name == "account":
			keys.Set(d.name, string(s.request.Account))
		case d.name == "app":
			keys.Set(d.name, s.request.App)
		case d.name == "actor":
			actors = nil
			for _, a := range p.actors {
				actors = append(actors, string(a))
			}
		}
	}
	for _, a := range actors {
		if a != "" {
			keys.Set("actor", a)
		}
		// Sorted and escaped: no text of a field can pass for another dimension.
		splits = append(splits, keys.Encode())
	}
	return splits, known
}

// textOf returns what names the counter of a part. The second result is false if that is no one
// text or number: what is absent has no counter of its own, or every application would have one
// more.
func (d dimension) textOf(p *part) (string, bool) {
	if p.kind != Sign {
		return "", true
	}
	v := p.field(d.field)
	if d.path == nil {
		return dimText(v.text), true
	}
	switch v = (inside{path: d.path}).reach(v); {
	case v.kind == isText:
		return d.write(v.text), true
	case v.kind == isNumber && !v.odd:
		return d.write(v.number.String()), true
	}
	return "", false
}

// write returns the text of a counter. Of JSON, each number has one, however the application writes
// it: a test takes 5, "5" and 5.0 for the same, so they have one counter.
func (d dimension) write(text string) string {
	if n, ok := parseDecimal(text); ok && d.path != nil {
		text = n.String()
	}
	return dimText(text)
}
