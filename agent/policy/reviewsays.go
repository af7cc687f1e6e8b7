package policy

import (
	"math"
	"slices"

	"pksa/protocol/hive"
)

// A test that each value fits which the field can have says nothing: the entry is as wide as one
// without it. This is found here, once, and whatever asks what an entry says looks at its other
// tests only.

// mark finds the tests of the rule that say nothing.
func (r *rule) mark() {
	for i := range r.entries {
		e := &r.entries[i]
		for k := range e.fields {
			f := &e.fields[k]
			// Of prices and votes that are allowed, checks of their own say what a wide test lets
			// through.
			f.idle = (r.section != allowSection || f.field != "weight" && f.field != priceField) &&
				e.takesEvery(f.field, f.matcher)
		}
	}
}

// says returns the tests of the entry that keep something out.
func (e *opEntry) says() []fieldMatcher {
	if !slices.ContainsFunc(e.fields, func(f fieldMatcher) bool { return f.idle }) {
		return e.fields
	}
	return slices.DeleteFunc(slices.Clone(e.fields), func(f fieldMatcher) bool { return f.idle })
}

// takesEvery reports whether each operation of the entry fits a test of one of its fields.
func (e *opEntry) takesEvery(field string, m matcher) bool {
	sh := e.shapeOf(field)
	if sh == nil || !independent(m) {
		return false
	}
	p := &place{entry: e, field: field, name: field, shape: sh, matcher: m, whole: m}
	switch sh.kind {
	case aBool:
		return takes(m, boolValue(true)) && takes(m, boolValue(false)) && (!sh.absent || takes(m, value{}))
	case aNumber, aRatio, anAsset, aTime:
		return p.takesTries() && (!sh.absent || takes(m, value{}))
	case aList:
		return p.takesLists()
	}
	return takesShape(m, sh)
}

// takesShape reports whether a test takes each text of a kind, such as a name.
func takesShape(m matcher, sh *shape) bool {
	if sh.absent && !takes(m, value{}) {
		return false
	}
	switch m := m.(type) {
	case anything:
		return true
	case oneOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return takesShape(one, sh) }) || takeAllOf(m)
	case allOf:
		return every(m, func(one matcher) bool { return takesShape(one, sh) })
	case pattern:
		return m.takesAll() || sh.kind == anAccount && takesEveryName(m)
	}
	return false
}

// takeAllOf reports whether two tests of a list take everything together.
func takeAllOf(list oneOf) bool {
	if len(list) > mostPieces {
		return false
	}
	for i, one := range list {
		if slices.ContainsFunc(list[i+1:], func(other matcher) bool { return takeAll(one, other) }) {
			return true
		}
	}
	return false
}

// everyName are names of all forms that an account can have, with each letter in front.
var everyName = func() []string {
	names := []string{"a1b", "zq7-unknown", "my.name-7", "a.bcd-ef", "longest-name-xyz", "abc.def.ghi", "x99-99"}
	for _, letter := range letters {
		names = append(names, string(letter)+"qx")
	}
	return names
}()

// takesEveryName reports whether a pattern of accounts keeps no account out.
func takesEveryName(m pattern) bool {
	return !slices.ContainsFunc(everyName, func(name string) bool { return !m.MatchString(name) })
}

// takesTries reports whether the test takes each number, amount or instant that the field can
// have. They are compared with the ends of tests only, so these and their neighbours are enough.
func (p *place) takesTries() bool {
	known := false
	for _, one := range append(p.tries(), p.widest()...) {
		if p.fits(one) != nil || one.kind == isAsset && one.asset.Amount != math.MaxInt64 && isBeyond(one.asset) {
			continue
		}
		if known = true; !takes(p.whole, one) && !(one.kind == isAsset && one.asset.Amount == math.MaxInt64 &&
			takes(p.whole, allThereIs(one.asset.Symbol))) {
			return false
		}
	}
	return known
}

// widest returns prices that nobody would take.
func (p *place) widest() []value {
	if p.shape.kind != aRatio {
		return nil
	}
	return []value{poorPrices[hive.HIVE].price, poorPrices[hive.HBD].price}
}

// allThereIs returns as much as there is of an asset.
func allThereIs(symbol hive.Symbol) value {
	most := moreThanAll[symbol]
	for range symbol.Decimals() {
		most *= 10
	}
	return assetValue(hive.Asset{Amount: most - 1, Symbol: symbol})
}

// takesLists reports whether a test of a list takes each that the field can have: by its length, or
// of who is paid, where somebody is.
func (p *place) takesLists() bool {
	low, high := p.lengths()
	if high == 0 {
		return false // where nobody is ever paid, that is said
	}
	switch m := p.matcher.(type) {
	case allOf:
		return every(m, func(one matcher) bool { return p.part(p.node, one).takesLists() })
	case oneOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return p.part(p.node, one).takesLists() })
	case size:
		for n := low; n <= min(high, 130); n++ {
			if !takes(m.matcher, countValue(n)) {
				return false
			}
		}
		return takes(m.matcher, countValue(high))
	case each:
		return low > 0 && takesShape(m.matcher, p.shape.elementShape())
	case some:
		return low > 0 && takesShape(m.matcher, p.shape.elementShape())
	}
	return false
}

// lengths returns how short and how long a list of the field can be.
func (p *place) lengths() (low, high int) {
	low, high = 0, 1<<20
	d, ok := hive.DefinitionOf(p.entry.name)
	if p.field != payeeField || !ok {
		return low, high
	}
	fields := fieldsOf(p.entry.name)
	for _, field := range d.Payees {
		if fields[field] == nil || fields[field].kind != anAccount {
			return 0, 1 << 20
		}
	}
	return min(1, len(d.Payees)), len(d.Payees)
}
