package policy

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// What an application asks for at most, in any window: operations or requests, and tokens.
var (
	mostOften  = big.NewRat(1e9, 1)
	mostTokens = big.NewRat(1e12, 1)
)

// reviewReach warns of a limit that has more room than anything can use.
func (c *compiler) reviewReach(l *limit) {
	if l.observe {
		return
	}
	for _, q := range l.quotas {
		if !l.beyond(q) {
			continue
		}
		what := "more than can ever be asked for"
		if l.measure == measureSpend {
			what = "more than all that there is"
		}
		c.Warn(c.nodes[&l.rule], "limit %q bounds nothing: %s is %s; write how much, or how often, it may be at most",
			l.name, q.text, what)
		return
	}
}

func (l *limit) beyond(q quota) bool {
	switch l.measure {
	case measureSpend:
		for symbol, most := range moreThanAll {
			if q.unit == symbol.String() {
				return q.most.Cmp(big.NewRat(most, 1)) >= 0
			}
		}
		return false
	case measureSum:
		return q.most.Cmp(mostTokens) >= 0
	}
	return q.most.Cmp(mostOften) >= 0
}

// reviewOneAsset warns where an entry lists amounts of several assets, and a limit that counts all
// of it names only some of them: the others have no room.
func (c *compiler) reviewOneAsset(b binding) {
	d, ok := hive.DefinitionOf(b.entry.name)
	if !ok || len(d.Spends) != 1 {
		return
	}
	said := b.entry.saidAssets(d.Spends[0].Field)
	one := b.rule.only(b.entry)
	for _, l := range b.limits {
		if l.measure != measureSpend || l.over || !b.steps.left(len(l.entries)+1) || l.leaves(one) != "" ||
			!boundAlways(b.rule.when, []schedule{l.when}) {
			continue
		}
		var missing []string
		for _, symbol := range said {
			if !slices.ContainsFunc(l.quotas, func(q quota) bool { return q.unit == symbol.String() }) {
				missing = append(missing, symbol.String())
			}
		}
		// Where all are missing, another warning says so.
		if len(missing) > 0 && len(missing) < len(said) {
			c.Warn(c.nodes[b.rule], "%q never lets %s in %s through: limit %q counts it and names no %[3]s, and an "+
				"asset that is not named has no room; add it there", b.rule.name, b.entry.name,
				strings.Join(missing, " or "), l.name)
		}
	}
}

// saidAssets returns the assets that a test of an amount speaks of and takes.
func (e *opEntry) saidAssets(field string) (said []hive.Symbol) {
	m := e.testOf(field)
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		speaks := !eachLeaf(m, func(leaf matcher) bool {
			switch leaf := leaf.(type) {
			case equals:
				return leaf.asset.Symbol != symbol || leaf.kind != isAsset
			case bound:
				return leaf.limit.asset.Symbol != symbol || leaf.limit.kind != isAsset
			}
			return true
		})
		if speaks && e.maySell(field, symbol) {
			said = append(said, symbol)
		}
	}
	return said
}

// onlyOne reports whether the rule is about one operation of those of which a day has some few: a
// limit of requests in a day, of whatever content, is meant for these.
func (b binding) onlyOne() bool {
	return len(b.rule.entries) == 1 && (b.entry.name == "vote" || b.entry.name == "comment")
}

// countsRequestsOf returns a limit that names the operation and counts requests, if nothing counts
// how many of them stand in one request; nil if something does. One of a day that names nothing is
// about the operation, too, where any is set.
func (b binding) countsRequestsOf(any bool) *limit {
	sums := slices.ContainsFunc(b.limits, func(l *limit) bool { return l.measure == measureSum })
	if b.entry == nil || b.rule.ordered || sums || b.unbound((*limit).countsOperations).limit == nil {
		return nil
	}
	for _, l := range b.limits {
		if l.measure == measureRequests && l.overTime() && !b.entry.group && !l.ordered &&
			(l.entries == nil && any && l.longest() >= 24*time.Hour ||
				slices.ContainsFunc(l.entries, func(e opEntry) bool { return e.name == b.entry.name })) {
			return l
		}
	}
	return nil
}
