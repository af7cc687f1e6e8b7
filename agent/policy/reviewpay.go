package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// payments are the operations that pay somebody. Who denies one of them by its recipient means all
// of them.
var payments = []string{"transfer", "recurrent_transfer", "transfer_to_savings", "transfer_from_savings",
	"transfer_to_vesting", "escrow_transfer"}

// payment is one that a deny rule is about.
type payment struct {
	to     string
	amount value // absent: however much
}

// reviewOtherWays warns where a rule denies one way to pay somebody, or has a person asked, and
// others are open.
func (c *compiler) reviewOtherWays(r *rule, rules []*rule) {
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if !e.forbidsPaying() {
			continue
		}
		for _, other := range rules {
			if !c.steps.left(1) || !other.letsPast(r) || other.observe || !other.mayMeet(r) {
				continue
			}
			if way, pay := c.otherWay(r, e, other, rules); way != "" {
				c.Warn(c.entryName(n), "%q %s %s, and %q lets %s through, %s", r.name, forbids[r.section],
					e.denied(pay),
					other.name, way, strings.Replace(e.instead(pay, way), "deny ", forbidding[r.section], 1))
				break
			}
		}
	}
}

// forbids and forbidding say in a sentence what a rule of the section does, and what to do.
var (
	forbids    = map[section]string{denySection: "denies", askSection: "asks about"}
	forbidding = map[section]string{denySection: "deny ", askSection: "ask about "}
)

// letsPast reports whether what the rule permits is no longer kept by another one: where that asks,
// a person is asked by each rule that asks.
func (r *rule) letsPast(by *rule) bool {
	return r.section == allowSection || r.section == askSection && by.section == denySection
}

// forbidsPaying reports whether the entry of a deny rule seems to be there so that somebody is not
// paid, or nobody is paid much. Of what tests no recipient, or takes all but some, only transfer
// seems so: a rare operation may well be denied for itself.
func (e *opEntry) forbidsPaying() bool {
	if !slices.Contains(payments, e.name) {
		return false
	}
	amounts, named := 0, false
	for _, f := range e.says() {
		switch {
		case e.isRecipient(f.field):
			named = named || !hasNot(f.matcher)
		case f.field == "memo" && takesMost(f.matcher): // however it is paid, some memo is meant
		case !e.isCost(f.field) || !takesMuch(f.matcher):
			return false
		default:
			amounts++
		}
	}
	return amounts < 2 && (named || e.name == "transfer")
}

// takesMost reports whether a test of a text takes whatever somebody may write but a few texts.
func takesMost(m matcher) bool {
	return !slices.ContainsFunc(append([]string{"", unknownText}, sentences...), func(text string) bool {
		return !mayTake(m, textValue(text))
	})
}

func (e *opEntry) isRecipient(field string) bool {
	d, ok := hive.DefinitionOf(e.name)
	return field == payeeField || ok && slices.Contains(d.Payees, field)
}

func (e *opEntry) isCost(field string) bool {
	d, ok := hive.DefinitionOf(e.name)
	return ok && slices.ContainsFunc(d.Spends, func(c hive.Cost) bool { return c.Field == field })
}

// much is more than anybody has.
const much = 1e15

func takesMuch(m matcher) bool {
	return slices.ContainsFunc([]hive.Symbol{hive.HIVE, hive.HBD}, func(symbol hive.Symbol) bool {
		return takes(m, assetValue(hive.Asset{Amount: much, Symbol: symbol}))
	})
}

// mostPayments bounds how many payments a file is tried with. A file of thousands of rules must not
// take long to load, so beyond that some ways stay unseen.
const mostPayments = 300_000

// otherWay returns a payment that an entry of the deny rule denies, and another operation by which
// the other rule permits it, and no rule denies that.
func (c *compiler) otherWay(r *rule, e *opEntry, other *rule, rules []*rule) (way string, pay payment) {
	for i := range other.entries {
		permits := &other.entries[i]
		ways := slices.DeleteFunc(slices.Clone(permits.mayName(other.section)), func(name string) bool {
			return name == e.name || !slices.Contains(payments, name)
		})
		if len(ways) == 0 || c.tried >= mostPayments {
			continue
		}
		pays := e.samples(permits)
		c.tried += len(pays)
		for _, pay := range pays {
			// What goes to the account itself pays nobody.
			if other.accounts[pay.to] || !e.takesPayment(e.name, pay) {
				continue
			}
			for _, name := range payments {
				if slices.Contains(ways, name) && permits.takesPayment(name, pay) && !r.guarded(other, rules, name,
					pay.to) {
					return name, pay
				}
			}
		}
	}
	return "", payment{}
}

// guarded reports whether other rules may be about a payment to an account by the other operation,
// for all apps and accounts that this rule and the permitting one are about.
func (r *rule) guarded(permitting *rule, rules []*rule, operation, to string) bool {
	var times []schedule
	for _, d := range rules {
		if !d.forbidsAs(r) || !d.mayDeny(operation, to) || !coversBoth(d.apps, r.apps, permitting.apps) ||
			!coversBoth(d.accounts, r.accounts, permitting.accounts) {
			continue
		}
		if !d.when.bounded() || boundAlways(r.when, []schedule{d.when}) {
			return true
		}
		times = append(times, d.when)
	}
	return len(times) > 0 && boundAlways(r.when, times)
}

// coversBoth reports whether a set has all that is in two others at once; nil is all.
func coversBoth(outer, a, b nameSet) bool {
	if a == nil {
		return covers(outer, b)
	}
	both := nameSet{}
	for name := range a {
		if b == nil || b[name] {
			both[name] = true
		}
	}
	return covers(outer, both)
}

// mayDeny reports whether a deny rule may be about a payment to an account, however much it is.
func (r *rule) mayDeny(operation, to string) bool {
	return r.entries == nil || slices.ContainsFunc(r.entries, func(e opEntry) bool {
		return slices.Contains(e.mayName(denySection), operation) && e.takesPayment(operation, payment{to: to})
	})
}

// takesPayment reports whether the entry may take an operation that pays so.
func (e *opEntry) takesPayment(operation string, pay payment) bool {
	d, _ := hive.DefinitionOf(operation)
	v := textValue(pay.to)
	for _, f := range e.fields {
		switch {
		case f.field == payeeField && !mayTake(f.matcher, value{kind: isList, items: []value{v}}),
			f.field == d.Payees[0] && !mayTake(f.matcher, v):
			return false
		}
	}
	return pay.amount.kind == isAbsent || slices.ContainsFunc(d.Spends, func(c hive.Cost) bool {
		m := e.test(c.Field)
		return c.Field != "fee" && d.Fits(c.Field, pay.amount.asset) == nil && (m == nil || mayTake(m, pay.amount))
	})
}

// mostSamples bounds how many values of a test others are tried with, and mostAmounts how many of
// them are amounts.
const (
	mostSamples = 100
	mostAmounts = 24
)

// samples returns payments to try two entries with: to accounts that stand in their tests, that fit
// their patterns, and one that stands nowhere.
func (e *opEntry) samples(other *opEntry) (pays []payment) {
	var names, fits []string
	var amounts []value
	for _, one := range []*opEntry{e, other} {
		count := 0
		for _, f := range one.fields {
			eachLeaf(f.matcher, func(m matcher) bool {
				switch m := m.(type) {
				case equals:
					if m.kind == isText && !one.isCost(f.field) {
						names = append(names, m.text)
					}
					amounts = append(amounts, nearby(m.value)...)
				case bound:
					amounts = append(amounts, nearby(m.limit)...)
				case pattern:
					fits = append(fits, m.sample())
				}
				count++
				return count < mostSamples
			})
		}
	}
	names = append(append(names, unknownText), fits...)
	// What fits two patterns begins as the one and ends as the other.
	for _, a := range fits[:min(len(fits), 10)] {
		for _, b := range fits[:min(len(fits), 10)] {
			names = append(names, a+b)
		}
	}
	amounts = e.deniedAmounts(amounts)
	for _, name := range names {
		for _, amount := range amounts {
			pays = append(pays, payment{name, amount})
		}
	}
	return pays
}

// deniedAmounts returns those amounts, and very large ones, that the entry denies. If it tests
// none, that is the absent one alone.
func (e *opEntry) deniedAmounts(tries []value) (denied []value) {
	i := slices.IndexFunc(e.fields, func(f fieldMatcher) bool { return e.isCost(f.field) })
	if i < 0 {
		return []value{{}}
	}
	tries = tries[:min(len(tries), mostAmounts)]
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD} {
		tries = append(tries, assetValue(hive.Asset{Amount: much, Symbol: symbol}))
	}
	return slices.DeleteFunc(tries, func(v value) bool { return !mayTake(e.fields[i].matcher, v) })
}

// nearby returns an amount with its neighbours, and nothing for what is none.
func nearby(v value) (amounts []value) {
	if v.kind != isAsset {
		return nil
	}
	for _, amount := range []int64{v.asset.Amount, max(v.asset.Amount, 2) - 1,
		min(v.asset.Amount, math.MaxInt64-1) + 1} {
		amounts = append(amounts, assetValue(hive.Asset{Amount: amount, Symbol: v.asset.Symbol}))
	}
	return amounts
}

// eachLeaf visits the tests of texts and numbers that a test is made of, until visit returns false.
func eachLeaf(m matcher, visit func(matcher) bool) bool {
	list := func(all []matcher) bool { return every(all, func(one matcher) bool { return eachLeaf(one, visit) }) }
	switch m := m.(type) {
	case noneOf:
		return eachLeaf(m.matcher, visit)
	case each:
		return eachLeaf(m.matcher, visit)
	case some:
		return eachLeaf(m.matcher, visit)
	case allOf:
		return list(m)
	case oneOf:
		return list(m)
	case exactly:
		return list(m)
	case *literals:
		return list(m.list)
	}
	return visit(m)
}

// sample returns a text that fits a glob. Of a regular expression it is what all such texts begin
// with.
func (m pattern) sample() string {
	if !m.glob {
		return m.begins()
	}
	return strings.NewReplacer("*", "zq7", "?", "q").Replace(m.source)
}

// denied returns in words what an entry denies.
func (e *opEntry) denied(pay payment) string {
	amount := ""
	if pay.amount.kind != isAbsent {
		amount = " of some amounts"
	}
	if !e.testsRecipient() {
		return e.name + amount
	}
	return e.name + amount + " to " + e.payee(pay)
}

// payee returns how a complaint calls who is paid: names that stand in the file, and no others.
func (e *opEntry) payee(pay payment) string {
	named := slices.ContainsFunc(e.fields, func(f fieldMatcher) bool {
		return e.isRecipient(f.field) && !hasNot(f.matcher) && has(unwrapped(f.matcher), func(m matcher) bool {
			one, ok := m.(equals)
			return ok && one.text == pay.to
		})
	})
	if named {
		return pay.to
	}
	return "certain accounts"
}

// unwrapped returns what the test says of an element, where it is of a list with one that fits.
func unwrapped(m matcher) matcher {
	if all, ok := m.(allOf); ok && len(all) == 1 {
		if one, ok := all[0].(some); ok {
			return one.matcher
		}
	}
	return m
}

func (e *opEntry) testsRecipient() bool {
	return slices.ContainsFunc(e.says(), func(f fieldMatcher) bool { return e.isRecipient(f.field) })
}

// instead returns in words what the other operation does, and what to write.
func (e *opEntry) instead(pay payment, way string) string {
	names := e.recipients()
	switch who := e.payee(pay); {
	case len(names) > 0 && len(e.says()) == 1:
		return fmt.Sprintf("which pays %s too; write active: {payee: {any: %s}}", pay.to, textIn(names))
	case !e.testsRecipient():
		return fmt.Sprintf("which pays too; deny %s in the same way", way)
	case pay.amount.kind != isAbsent:
		return fmt.Sprintf("which pays %s too; deny %s in the same way, or, whatever the amount is, write active: "+
			"{payee: {any: …}} with this test of who is paid", who, way)
	}
	return "which pays some of them too; write active: {payee: {any: …}} with this test of who is paid, or deny " +
		way + " in the same way"
}

func textIn(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("[%s]", strings.Join(names[:min(len(names), 3)], ", "))
}

// recipients returns the accounts by which the entry tests who is paid, none if it does so in
// another way.
func (e *opEntry) recipients() (names []string) {
	for _, f := range e.fields {
		if e.isRecipient(f.field) {
			for _, name := range textsOf(unwrapped(f.matcher)).sorted() {
				names = append(names, string(name))
			}
		}
	}
	return names
}
