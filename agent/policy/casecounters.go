package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"pksa/agent/yamlnode"
)

// caseCounter is what a limit has counted before.
type caseCounter struct {
	node  *yamlnode.Node
	limit string
	of    map[string]string
	used  string
	ago   time.Duration
}

func (c *caseReader) counter(n *yamlnode.Node) caseCounter {
	m, _ := c.Mapping(n, "a counter", counterKeys)
	one := caseCounter{node: n, limit: c.optional(m, "limit"), used: c.optional(m, "used")}
	if m.Missing("limit") || m.Missing("used") {
		c.Complain(n, "a counter needs limit, its name, and used, such as 9.500 HBD or 3")
	}
	if m.Has("ago") {
		one.ago = c.caseSpan(m.Value("ago"), "ago")
	}
	if m.Has("of") && m.Value("of").Kind == yamlnode.Map {
		one.of = map[string]string{}
		for _, e := range m.Value("of").Sorted() {
			one.of[e.Key.Text], _ = c.Scalar(e.Value, "of")
		}
	} else if m.Has("of") {
		c.Complain(m.Value("of"), "of says which counter: {.to: bob}")
	}
	return one
}

// Counters returns the counters of a case for this policy. The problems name those that the policy
// does not have.
func (p *Policy) Counters(file string, c *Case, now time.Time) (*Book, Problems) {
	r := yamlnode.NewReader(yamlnode.Options{File: file})
	book := &Book{}
	// A book takes charges in the order of time, and cases name them in any.
	given := slices.Clone(c.counters)
	slices.SortStableFunc(given, func(a, b caseCounter) int { return cmp.Compare(b.ago, a.ago) })
	for _, one := range given {
		if charge, why := p.counterCharge(one); why != "" {
			r.Complain(one.node, "%s", why)
		} else {
			book.Add(now.Add(-one.ago), []Charge{charge})
		}
	}
	return book, r.Problems()
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
		if !slices.ContainsFunc(l.per, func(d dimension) bool { return d.name == name }) {
			return charge, fmt.Sprintf("limit %q is not split by %s", l.name, name)
		}
		split.Set(name, text)
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
