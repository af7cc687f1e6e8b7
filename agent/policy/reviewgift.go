package policy

import (
	"fmt"
	"math/big"
	"slices"

	"pksa/protocol/hive"
)

// paysAnybody reports whether an account that no rule names may be paid: no test of the recipient
// refuses it. Of a negation another warning says so.
func (e *opEntry) paysAnybody() bool {
	d, _ := hive.DefinitionOf(e.name)
	payees := d.Payees
	// The agent of an escrow is somebody beside who gets the money.
	if e.name == "escrow_transfer" {
		payees = payees[:1]
	}
	return !slices.ContainsFunc(e.says(), func(f fieldMatcher) bool {
		switch {
		case hasNot(f.matcher):
			return f.field == payeeField || slices.Contains(payees, f.field)
		case f.field == payeeField:
			return !takesStrangers(f.matcher)
		case !slices.Contains(payees, f.field):
			return false
		case fieldsOf(e.name)[f.field].kind == anAccount:
			return true
		}
		return !e.letsKey(f.field)
	})
}

// onlyPresent reports whether a test asks nothing but that something stands there.
func onlyPresent(m matcher) bool {
	all, ok := m.(allOf)
	return ok && len(all) == 1 && all[0] == matcher(isPresent(true))
}

// takesStrangers reports whether a test of a list of accounts takes one that names nobody of the
// file.
func takesStrangers(m matcher) bool {
	for n := 1; n <= mostHolders; n++ {
		if takes(m, value{kind: isList, items: slices.Repeat([]value{textValue(unknownText)}, n)}) {
			return true
		}
	}
	return false
}

// poorest is how much HBD for one HIVE is nearly nothing: less for who sells HIVE, and one HIVE for
// more than the inverse for who sells HBD.
var poorest = big.NewRat(1, 100)

// givesAway returns what to say of an order that may sell for nearly nothing, "" if the amounts on
// both sides bound what is got.
func (e *opEntry) givesAway(d *hive.Definition) string {
	side, of := d.Price[len(d.Price)-1], "min_to_receive"
	if e.test(side) == nil {
		return e.name + " without price: an order at any price is a gift to whoever takes it"
	}
	sells, gets := e.testOf(d.Spends[0].Field), e.testOf(side)
	gives := d.Spends[0].Field
	rate := side == "exchange_rate"
	if rate {
		sells, gets, gives, of = memberTest(gets, "base"), memberTest(gets, "quote"), ".base", ".quote"
	}
	for _, given := range amountsOf(sells) {
		if rate && !e.maySell(d.Spends[0].Field, given.Symbol) || !takes(sells, assetValue(given)) {
			continue
		}
		for _, got := range amountsOf(gets) {
			if takes(gets, assetValue(got)) && isGift(given, got) {
				return fmt.Sprintf("%s may sell %s for %s: %s bounds the price only if %s has a highest amount and "+
					"%[4]s a least; say price: {min: 0.2} for who sells HIVE, or price: {max: 0.3} for who "+
					"sells HBD", e.name, given, got, of, gives)
			}
		}
	}
	return ""
}

// memberTest returns what a test says of a member, anything if it says nothing of it.
func memberTest(m matcher, name string) matcher {
	all := allOf{}
	for _, one := range members(m) {
		if one.path[0] == name && len(one.path) == 1 {
			all = append(all, one.matcher)
		}
	}
	return all
}

// amountsOf returns amounts on both sides of those in a test, and the least and a very large one of
// each asset.
func amountsOf(m matcher) (amounts []hive.Asset) {
	eachLeaf(m, func(leaf matcher) bool {
		switch leaf := leaf.(type) {
		case equals:
			for _, v := range nearby(leaf.value) {
				amounts = append(amounts, v.asset)
			}
		case bound:
			for _, v := range nearby(leaf.limit) {
				amounts = append(amounts, v.asset)
			}
		}
		return len(amounts) < mostAmounts
	})
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD} {
		amounts = append(amounts, hive.Asset{Amount: 1, Symbol: symbol}, hive.Asset{Amount: much, Symbol: symbol})
	}
	return amounts
}

// isGift reports whether nearly nothing is got for what is given.
func isGift(given, got hive.Asset) bool {
	if given.Symbol == got.Symbol || given.Amount <= 0 || got.Amount <= 0 {
		return false
	}
	share := big.NewRat(got.Amount, given.Amount)
	return share.Cmp(poorest) < 0
}
