package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// littleMoney is what a limit of a day may leave room for without a word, in whole HIVE or HBD, and
// in millions of VESTS.
const littleMoney = 10_000

// reviewNeverFull warns of a limit over a day or longer that has room for more than one operation
// each second, each of the most that the rules let go in one: no application uses that up, so the
// limit was meant to have less.
func (c *compiler) reviewNeverFull(p *Policy) {
	if c.near.stopped {
		return
	}
	let := map[*limit][]*opEntry{}
	for _, r := range p.rules {
		if !r.section.permits() || r.observe {
			continue
		}
		for i, e := range r.asked() {
			limits, _ := c.near.of(r, i)
			for _, l := range limits {
				let[l] = append(let[l], e)
			}
		}
	}
	for _, l := range p.limits {
		if l.observe || len(let[l]) == 0 {
			continue
		}
		for _, q := range l.quotas {
			if says := l.neverFull(q, let[l]); says != "" {
				c.Warn(c.nodes[&l.rule], "%s", says)
				break
			}
		}
	}
}

// neverFull returns why no application uses up a part of a limit by entries of rules, "" if one
// may, or it is not known how much these let go.
func (l *limit) neverFull(q quota, entries []*opEntry) string {
	if q.window < 24*time.Hour || l.beyond(q) {
		return ""
	}
	seconds := big.NewRat(int64(q.window/time.Second), 1)
	switch l.measure {
	case measureSpend:
		most := mostOfEach(q.unit, entries)
		if most == nil || q.most.Cmp(seconds.Mul(seconds, most)) <= 0 || !muchMoney(q.unit, q.most) {
			return ""
		}
		return fmt.Sprintf("limit %q has room for %s per %s, and one operation moves %s %s at most: that is more than "+
			"one each second, so it bounds nothing; write what may really go in that time", l.name, q.text,
			windowText(q.window), ratText(most), q.unit)
	case measureCount, measureRequests:
		for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
			most := mostOfEach(symbol.String(), entries)
			if most == nil || most.Sign() == 0 || q.most.Cmp(seconds) <= 0 ||
				!muchMoney(symbol.String(), new(big.Rat).Mul(most, q.most)) {
				continue
			}
			return fmt.Sprintf("limit %q has room for %s per %s, which is more than one each second, so it bounds "+
				"nothing: that is %s %s; write how often it may really be", l.name, q.text, windowText(q.window),
				ratText(new(big.Rat).Mul(most, q.most)), symbol)
		}
	case measureSum:
		var most *big.Rat
		for _, e := range entries {
			n := mostNumber(ofElements(e.testOf(l.of.list)), l.of.field)
			if n == nil || l.of.times != nil {
				return ""
			}
			if most == nil || n.Cmp(most) > 0 {
				most = n
			}
		}
		if most.Sign() <= 0 || q.most.Cmp(seconds.Mul(seconds, most)) <= 0 {
			return ""
		}
		return fmt.Sprintf("limit %q has room for %s per %s, and .%s is %s at most: that is more than one each "+
			"second, so it bounds nothing; write what may really go in that time", l.name, q.text,
			windowText(q.window), strings.Join(l.of.field, "."), ratText(most))
	}
	return ""
}

// muchMoney reports whether an amount is more than little money.
func muchMoney(unit string, amount *big.Rat) bool {
	little := big.NewRat(littleMoney, 1)
	if unit == hive.VESTS.String() {
		little.Mul(little, big.NewRat(1_000_000, 1))
	}
	return amount.Cmp(little) >= 0
}

// mostOfEach returns the most of an asset that one of some entries lets one operation cost, in
// whole units; nil if that is not known of one of them.
func mostOfEach(unit string, entries []*opEntry) *big.Rat {
	most := new(big.Rat)
	for _, e := range entries {
		if e == nil {
			return nil
		}
		d, ok := hive.DefinitionOf(e.name)
		if !ok {
			return nil
		}
		all := new(big.Rat)
		for _, cost := range d.Spends {
			symbol, known := symbolOf(unit)
			if fieldsOf(e.name)[cost.Field] == nil || cost.Times != "" || !known {
				return nil
			}
			if e.fits(cost.Field, hive.Asset{Amount: 1, Symbol: symbol}) != nil {
				continue
			}
			n, known := mostAmount(e.testOf(cost.Field), symbol)
			if !known {
				return nil
			}
			all.Add(all, wholeUnits(hive.Asset{Amount: n, Symbol: symbol}))
		}
		if all.Cmp(most) > 0 {
			most = all
		}
	}
	if most.Sign() == 0 {
		return nil
	}
	return most
}

func symbolOf(unit string) (hive.Symbol, bool) {
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		if symbol.String() == unit {
			return symbol, true
		}
	}
	return 0, false
}

func wholeUnits(a hive.Asset) *big.Rat {
	n := big.NewRat(a.Amount, 1)
	for range a.Symbol.Decimals() {
		n.Quo(n, big.NewRat(10, 1))
	}
	return n
}

// mostAmount returns the most of an asset that a test takes: 0 if it takes none of it. It is not
// known if nothing bounds it.
func mostAmount(m matcher, symbol hive.Symbol) (most int64, known bool) {
	switch m := m.(type) {
	case oneOf:
		for _, one := range m {
			n, known := mostAmount(one, symbol)
			if !known {
				return 0, false
			}
			most = max(most, n)
		}
		return most, true
	case allOf:
		for _, one := range m {
			if n, ok := mostAmount(one, symbol); ok && (!known || n < most) {
				most, known = n, true
			}
		}
		return most, known
	case equals:
		if m.asset.Symbol != symbol {
			return 0, m.kind == isAsset
		}
		return m.asset.Amount, m.kind == isAsset
	case bound:
		if m.limit.kind == isAsset && m.limit.asset.Symbol != symbol {
			return 0, true
		}
		return m.limit.asset.Amount, m.limit.kind == isAsset && m.upper
	}
	return 0, false
}

// mostNumber returns a number above which a test takes nothing at a path, nil if it is not known.
func mostNumber(m matcher, path []string) (most *big.Rat) {
	switch m := m.(type) {
	case allOf:
		for _, one := range m {
			if n := mostNumber(one, path); n != nil && (most == nil || n.Cmp(most) < 0) {
				most = n
			}
		}
	case oneOf:
		for _, one := range m {
			n := mostNumber(one, path)
			if n == nil {
				return nil
			}
			if most == nil || n.Cmp(most) > 0 {
				most = n
			}
		}
	case inside:
		if n := len(m.path); n <= len(path) && slices.Equal(m.path, path[:n]) {
			return mostNumber(m.matcher, path[n:])
		}
	case equals:
		if n, ok := m.number.rat(); ok && m.kind == isNumber && len(path) == 0 {
			return n
		}
	case bound:
		if n, ok := m.limit.number.rat(); ok && m.upper && m.limit.kind == isNumber && len(path) == 0 {
			return n
		}
	}
	return most
}
