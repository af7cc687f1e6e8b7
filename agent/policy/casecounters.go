package policy

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"pksa/agent/yamlnode"
	"pksa/protocol/sorts"
)

// caseCounter is what a limit has counted before.
type caseCounter struct {
	node  *yamlnode.Node
	limit string
	of    map[string]string
	used  string
	ago   time.Duration
}

func (c *caseReader) counters(n *yamlnode.Node) (all []caseCounter) {
	for _, item := range c.Sequence(n, "counters") {
		all = append(all, c.counter(item))
	}
	return all
}

func (c *caseReader) counter(n *yamlnode.Node) caseCounter {
	m, _ := c.Mapping(n, "a counter", counterKeys)
	one := caseCounter{node: n, limit: c.optional(m, "limit"), used: c.optional(m, "used"), of: c.counterOf(m)}
	if m.Missing("limit") || m.Missing("used") {
		c.Complain(n, "a counter needs limit, its name, and used, such as 9.500 HBD or 3")
	}
	if m.Has("ago") {
		one.ago = c.caseSpan(m.Value("ago"), "ago")
	}
	return one
}

// counterOf reads which counter of a limit with per is meant.
func (c *caseReader) counterOf(m yamlnode.Mapping) map[string]string {
	if !m.Has("of") {
		return nil
	}
	n := m.Value("of")
	if n.Kind != yamlnode.Map {
		c.Complain(n, "of says which counter: {.to: bob}")
		return nil
	}
	of := map[string]string{}
	for _, e := range n.Sorted() {
		of[e.Key.Text], _ = c.Scalar(e.Value, "of")
	}
	return of
}

// caseRoom is what a limit must have left after a request.
type caseRoom struct {
	caseCounter
	window time.Duration // zero: the window with the least room
}

func (c *caseReader) room(n *yamlnode.Node) caseRoom {
	m, _ := c.Mapping(n, "room", roomKeys)
	one := caseRoom{caseCounter: caseCounter{node: n, limit: c.optional(m, "limit"), used: c.optional(m, "left"),
		of: c.counterOf(m)}}
	if m.Missing("limit") || m.Missing("left") {
		c.Complain(n, "room needs limit, its name, and left, such as 9.500 HBD or 3")
	}
	if m.Has("window") {
		one.window = c.caseSpan(m.Value("window"), "window")
	}
	return one
}

// wrongRoom returns what is not as expected of the room that a limit has left, empty if it is.
func (p *Policy) wrongRoom(one caseRoom, book *Book, now time.Time) string {
	want, why := p.counterCharge(one.caseCounter)
	if why != "" {
		return why
	}
	l := p.limits[slices.IndexFunc(p.limits, func(l *limit) bool { return l.name == one.limit })]
	if len(want.splitNames()) != len(l.per) {
		return fmt.Sprintf("room: limit %q has a counter for each of its %s; say which under of", l.name,
			strings.Join(l.perNames(), ", "))
	}
	amount, _ := new(big.Rat).SetString(want.Amount)
	var least *big.Rat
	for _, q := range l.quotas {
		if q.window == 0 || q.unit != want.Unit || one.window != 0 && q.window != one.window {
			continue
		}
		left := new(big.Rat).Sub(q.most, book.Used(Counter{l.name, want.Split, q.unit}, q.window, now))
		if left.Sign() < 0 {
			left.SetInt64(0)
		}
		if least == nil || left.Cmp(least) < 0 {
			least = left
		}
	}
	switch {
	case least == nil && one.window != 0:
		return fmt.Sprintf("room: limit %q has no window of %s for %s", l.name, windowText(one.window), want.Unit)
	case least == nil:
		return fmt.Sprintf("room: limit %q has no window for %s", l.name, want.Unit)
	case least.Cmp(amount) != 0:
		return fmt.Sprintf("want %s left in limit %q, got %s", ratText(amount), l.name, ratText(least))
	}
	return ""
}

// units returns what the limit counts, such as HBD, each once.
func (l *limit) units() (units []string) {
	for _, q := range l.quotas {
		if !slices.Contains(units, q.unit) {
			units = append(units, q.unit)
		}
	}
	return units
}

func (l *limit) perNames() (names []string) {
	for _, d := range l.per {
		names = append(names, d.name)
	}
	return names
}

func (c *Charge) splitNames() map[string]string {
	if c.Split == "" {
		return nil
	}
	return splitOf(c.Split)
}

// Counters returns the counters of a case for this policy. The problems name those that the policy
// does not have.
func (p *Policy) Counters(file string, c *Case, now time.Time) (*Book, Problems) {
	r := yamlnode.NewReader(yamlnode.Options{File: file})
	book := &Book{}
	// A book takes charges in the order of time, and cases name them in any.
	given := slices.Clone(c.counters)
	sorts.Stable(given, func(a, b caseCounter) int { return cmp.Compare(b.ago, a.ago) })
	for _, one := range given {
		charge, why := p.counterCharge(one)
		if why == "" {
			why = p.countsNothing(charge)
		}
		if why != "" {
			r.Complain(one.node, "%s", why)
			continue
		}
		book.Add(now.Add(-one.ago), []Charge{charge})
	}
	return book, r.Problems()
}

// countsNothing returns why a charge is none of its limit, which looks at other assets, empty if it
// is one.
func (p *Policy) countsNothing(charge Charge) string {
	units := p.limits[slices.IndexFunc(p.limits, func(l *limit) bool { return l.name == charge.Limit })].units()
	if slices.Contains(units, charge.Unit) {
		return ""
	}
	return fmt.Sprintf("limit %q counts no %s, but %s", charge.Limit, charge.Unit, strings.Join(units, ", "))
}

func (p *Policy) counterCharge(one caseCounter) (Charge, string) {
	i := slices.IndexFunc(p.limits, func(l *limit) bool { return l.name == one.limit })
	if i < 0 {
		return Charge{}, fmt.Sprintf("the policy has no limit %s%s", quote(one.limit),
			didYouMean(one.limit, slices.Sorted(maps.Keys(p.Limits()))))
	}
	l := p.limits[i]
	charge := Charge{Limit: l.name, Unit: l.measure.String()}
	split := url.Values{}
	for name, text := range one.of {
		at := slices.IndexFunc(l.per, func(d dimension) bool { return d.name == name })
		if at < 0 {
			return charge, fmt.Sprintf("limit %q is not split by %s", l.name, name)
		}
		split.Set(name, l.per[at].write(text))
	}
	charge.Split = split.Encode()
	if l.measure == measureSpend {
		a, err := parseAmount(one.used)
		if err != nil {
			return charge, err.Error()
		}
		charge.Unit, charge.Amount = a.Symbol.String(), ratText(assetRat(a.Amount, a.Symbol.Decimals()))
		return charge, ""
	}
	d, ok := parseDecimal(one.used)
	if !ok || d.negative {
		return charge, fmt.Sprintf("%s is no number", quote(one.used))
	}
	charge.Amount = d.String()
	return charge, ""
}
