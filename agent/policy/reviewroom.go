package policy

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// reviewAssets warns where a limit leaves no room for any asset that a rule lets go.
func (c *compiler) reviewAssets(b binding) {
	d, ok := hive.DefinitionOf(b.entry.name)
	if !ok || len(d.Spends) != 1 {
		return
	}
	var let []hive.Symbol
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		if b.entry.fits(d.Spends[0].Field, hive.Asset{Amount: 1, Symbol: symbol}) == nil &&
			b.entry.maySell(d.Spends[0].Field, symbol) {
			let = append(let, symbol)
		}
	}
	one := b.rule.only(b.entry)
	for _, l := range b.limits {
		if l.measure != measureSpend || l.over || len(let) == 0 || !b.steps.left(len(l.entries)+1) ||
			l.leaves(one) != "" ||
			!boundAlways(b.rule.when, []schedule{l.when}) {
			continue
		}
		named := slices.DeleteFunc(slices.Clone(let), func(symbol hive.Symbol) bool {
			return !slices.ContainsFunc(l.quotas, func(q quota) bool { return q.unit == symbol.String() })
		})
		if len(named) == 0 {
			var words []string
			for _, symbol := range let {
				words = append(words, symbol.String())
			}
			c.Warn(c.nodes[b.rule], "%q never lets %s through: limit %q counts it and names no %s, and an asset that "+
				"is not named has no room; add it there", b.rule.name, b.entry.name, l.name,
				strings.Join(words, " or "))
		} else if least := l.aboveAll(named, b.entry.testOf(d.Spends[0].Field),
			b.entry.leastTimes(d.Spends[0])); least != "" {
			c.Warn(c.nodes[b.rule], "%q never lets %s through: it is %s at least, and limit %q has room for %s; "+
				"let less through, or give the limit more room", b.rule.name, b.entry.name, least, l.name,
				l.roomFor(named))
		}
	}
}

// leastTimes returns how often an amount is spent at least.
func (e *opEntry) leastTimes(cost hive.Cost) int64 {
	if cost.Times == "" {
		return 1
	}
	n := leastNumber(e.testOf(cost.Times), nil)
	if n == nil || !n.IsInt() || !n.Num().IsInt64() {
		return 1
	}
	return n.Num().Int64()
}

// aboveAll returns the least that an amount costs of the first of some assets, so many times, if of
// each it is more than the limit ever has room for; else "".
func (l *limit) aboveAll(symbols []hive.Symbol, amount matcher, times int64) (least string) {
	for _, symbol := range symbols {
		asset := hive.Asset{Amount: leastOf(amount, symbol), Symbol: symbol}
		if times > 1 && asset.Amount <= math.MaxInt64/times {
			asset.Amount *= times
		}
		if assetRat(asset.Amount, symbol.Decimals()).Cmp(l.mostOf(symbol)) <= 0 {
			return ""
		}
		least = cmp.Or(least, asset.String())
	}
	return least
}

// mostOf returns how much of an asset the limit has room for at most.
func (l *limit) mostOf(symbol hive.Symbol) (most *big.Rat) {
	for _, q := range l.quotas {
		if q.unit == symbol.String() && (most == nil || q.most.Cmp(most) < 0) {
			most = q.most
		}
	}
	return most
}

// roomFor returns how much room the limit has at most for some assets.
func (l *limit) roomFor(symbols []hive.Symbol) string {
	var words []string
	for _, symbol := range symbols {
		words = append(words, ratText(l.mostOf(symbol))+" "+symbol.String())
	}
	return strings.Join(words, " and ")
}

// leastOf returns an amount of an asset below which a test takes nothing, zero if it is not known.
func leastOf(m matcher, symbol hive.Symbol) (least int64) {
	either := func(list []matcher) int64 {
		least := int64(math.MaxInt64)
		for _, one := range list {
			least = min(least, leastOf(one, symbol))
		}
		return least
	}
	switch m := m.(type) {
	case equals:
		if m.asset.Symbol != symbol {
			return math.MaxInt64 // of another asset
		}
		return m.asset.Amount
	case bound:
		switch {
		case m.limit.asset.Symbol != symbol:
			return math.MaxInt64
		case !m.upper:
			return m.limit.asset.Amount
		}
	case oneOf:
		return either(m)
	case *literals:
		return either(m.list)
	case allOf:
		for _, one := range m {
			least = max(least, leastOf(one, symbol))
		}
	}
	return least
}

// shortestBudget is how long a window has to be for a budget to be one: whoever writes 24m or 1m
// may mean hours or months.
const shortestBudget = time.Hour

// reviewWindows warns of budgets over minutes only.
func (c *compiler) reviewWindows(limits []*limit) {
	longest := map[string]time.Duration{}
	budgets := slices.DeleteFunc(slices.Clone(limits), func(l *limit) bool {
		return l.observe || l.measure != measureSpend && l.measure != measureSum
	})
	for _, l := range budgets {
		for _, q := range l.quotas {
			longest[q.unit] = max(longest[q.unit], q.window)
		}
	}
	for _, l := range budgets {
		for _, q := range l.quotas {
			if q.window > 0 && longest[q.unit] < shortestBudget {
				c.Warn(c.nodes[&l.rule], "limit %q is for %s, and has the same room again after that: in a day %d "+
					"times as "+
					"much; m is minutes, so write 24h or 30d, or add such a window", l.name, windowText(q.window),
					24*time.Hour/q.window)
				break
			}
		}
	}
}

// restNames are names of rules that other tools have at the end of a list.
var restNames = regexp.MustCompile(`(?i)\b(rest|else|others|default|fallback|catch[ -]?all|otherwise|final|last)\b`)

// reviewStop warns of a deny rule for all: that it seems to be meant for what is left, or that it
// leaves nothing of what other rules permit. The latter is about the day, and no error in any
// version: who stops a wallet in need must not be kept from it.
func (c *compiler) reviewStop(r *rule, rules []*rule) {
	if r.stopsAll() && restNames.MatchString(r.name) {
		c.Warn(c.nodes[r], "%q denies all, also what other rules allow: deny comes before allow, whatever the "+
			"order is; "+
			"take it out, since what no rule allows is denied anyway", r.name)
		return
	}
	if !r.stopsAll() {
		return
	}
	var stopped []string
	for _, other := range rules {
		if other.section.permits() && !other.observe && r.mayMeet(other) && r.stops(other) {
			stopped = append(stopped, quote(other.name))
		}
	}
	if more := len(stopped) - 3; more > 0 {
		stopped = append(stopped[:3], fmt.Sprintf("%d more", more))
	}
	c.warnWhile(len(stopped) > 0 && !c.options.Now.IsZero(), c.nodes[r], "%q is a full stop: it denies all that is "+
		"permitted by %s, and deny comes first whatever the order is; narrow it, or say why here: # pksa: meant so "+
		"today: REASON", r.name,
		strings.Join(stopped, ", "))
}

// stops reports whether a deny rule always denies all of another one.
func (r *rule) stops(other *rule) bool {
	return !slices.ContainsFunc(other.asked(), func(e *opEntry) bool {
		return len(other.only(e).denied([]*rule{r})) == 0
	})
}
