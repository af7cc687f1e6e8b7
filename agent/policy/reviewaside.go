package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// reviewAside warns where a rule forbids something, or asks about it, and the same goes through in
// another way: by a twin of the operation, by another gift to the same account, under another key.
// rules are those that may be about the same apps, of all.
func (c *compiler) reviewAside(r *rule, rules, all []*rule) {
	if r.observe || r.ordered || r.section != denySection && r.section != askSection {
		return
	}
	c.reviewHead(r, rules)
	if !r.evadable(rules) {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		for _, says := range []string{c.twinPasses(r, e, rules), c.giftPasses(r, e, rules), c.tokensPass(r, e, rules),
			c.morePasses(r, e, rules), c.otherLetters(r, e, rules), c.besideMember(r, e, rules),
			c.otherSpelling(r, e, rules), c.deniesLists(r, e, rules), c.deniesNoSigner(r, e, all),
			c.postingPaysNone(r, e, rules), c.misspeltValue(r, e, all)} {
			if says != "" {
				c.Warn(c.entryName(n), "%s", says)
			}
		}
	}
}

// reviewHead warns of a rule that asks about less than it seems to by what it leaves unsaid:
// the posting key, what is broadcast, and what needs nobody else's authority; or by what it
// says: times, apps and accounts that are fewer than those of what is allowed.
func (c *compiler) reviewHead(r *rule, rules []*rule) {
	if r.section != askSection || r.onlyUncovered || !r.kinds[Sign] {
		return
	}
	for _, other := range rules {
		if other.section != allowSection || other.observe || !c.steps.left(1) ||
			!intersect(r.kinds, other.kinds) || !intersect(r.apps, other.apps) ||
			!intersect(r.accounts, other.accounts) {
			continue
		}
		says := ""
		switch e := r.meets(other); {
		case e == nil:
			continue
		case !r.keysSaid && !intersect(r.keys, other.keys):
			says = fmt.Sprintf("asks about %s with the posting key only, and %q lets it through with the %s key; %s",
				e.name, other.name, keyText(other.roles()), `write "key: [posting, active]"`)
		case c.valueOfKey(r, "broadcast") == nil && (other.broadcast == nil || !*other.broadcast):
			says = fmt.Sprintf("asks about what is broadcast only, and %q also hands out what the app sends itself; "+
				`add "broadcast: any"`, other.name)
		case c.valueOfKey(r, "transaction_by") == nil && (other.exact == nil || *other.exact):
			says = fmt.Sprintf("asks about transactions of the wallet's making only, and %q lets those of the "+
				`app pass, too; add "transaction_by: any"`, other.name)
		case len(r.behalf) == 0 && r.behalf != nil && (other.behalf == nil || len(other.behalf) > 0):
			says = fmt.Sprintf("asks about what is for the account itself only, and %q lets it through for others, "+
				`too; add "on_behalf_of: any"`, other.name)
		// Of other things than value, who is awake may well decide by the hour, and by the app.
		case !e.spends():
			continue
		case r.when.bounded() && !boundAlways(other.when, []schedule{r.when}):
			says = fmt.Sprintf("asks only at its times, %s, and %q lets %s through unasked at others: an app waits "+
				"for them; take the times away, or give that rule the same", r.when.said(), other.name, e.name)
		case !covers(r.apps, other.apps):
			says = fmt.Sprintf("asks only for apps: [%s], and %q lets others do %s unasked; name them, too, or write "+
				"a rule of its own for them under allow", r.apps.text(), other.name, e.name)
		case !covers(r.accounts, other.accounts):
			says = fmt.Sprintf("asks only for accounts: [%s], and %q lets %s through for others unasked; name them, "+
				"too, or write a rule of its own for them under allow", r.accounts.text(), other.name, e.name)
		default:
			continue
		}
		if c.steps.left(len(rules)) && !r.askedElsewhere(other, rules) {
			c.Warn(c.nodes[r], "%q %s", r.name, says)
			return
		}
	}
}

// meets returns an entry of a rule that asks which is also about what another rule allows, whatever
// the keys are; nil if there is none.
func (r *rule) meets(allowed *rule) *opEntry {
	for i := range r.entries {
		e := &r.entries[i]
		if e.group {
			continue
		}
		for k := range allowed.entries {
			if own := &allowed.entries[k]; own.name == e.name && !own.apart(allowed, e) {
				return e
			}
		}
	}
	return nil
}

// askedElsewhere reports whether another rule that forbids or asks meets all that a rule allows.
func (r *rule) askedElsewhere(allowed *rule, rules []*rule) bool {
	return slices.ContainsFunc(rules, func(d *rule) bool {
		return d != r && d.forbidsAs(r) && d.mayMeet(allowed) && covers(d.apps, allowed.apps) &&
			covers(d.accounts, allowed.accounts) && (d.entries == nil || d.meets(allowed) != nil)
	})
}

// twins are operations that do the same as others.
var twins = map[string]string{
	"limit_order_create": "limit_order_create2", "limit_order_create2": "limit_order_create",
	"account_update": "account_update2", "account_update2": "account_update",
}

// twinPasses finds an operation that a rule forbids while another one that does the same is let
// through.
func (c *compiler) twinPasses(r *rule, e *opEntry, rules []*rule) string {
	twin, ok := twins[e.name]
	if !ok {
		return ""
	}
	same := &opEntry{name: twin, fields: slices.DeleteFunc(slices.Clone(e.fields), func(f fieldMatcher) bool {
		return fieldsOf(twin)[f.field] == nil
	})}
	for _, other := range rules {
		if !c.passes(r, other, rules, func(one *opEntry) bool {
			return slices.Contains(one.mayName(other.section), twin) && !one.apart(other, same)
		}, func(d *rule, one *opEntry) bool {
			return slices.Contains(one.mayName(d.section), twin) && !same.apart(r, one)
		}) {
			continue
		}
		return fmt.Sprintf("%q %s %s, and %q lets %s through, which does the same; %s it in the same way", r.name,
			forbids[r.section], e.name, other.name, twin, strings.TrimSpace(forbidding[r.section]))
	}
	return ""
}

// passes reports whether an entry of a rule lets something past another rule that no rule forbids.
func (c *compiler) passes(r, other *rule, rules []*rule, lets func(*opEntry) bool,
	kept func(*rule, *opEntry) bool) bool {
	if !c.steps.left(1) || !other.letsPast(r) || other.observe || !intersect(other.apps, r.apps) ||
		!intersect(other.accounts, r.accounts) {
		return false
	}
	has := func(d *rule, is func(*opEntry) bool) bool {
		return slices.ContainsFunc(d.entries, func(e opEntry) bool { return is(&e) })
	}
	if !has(other, lets) || !c.steps.left(len(rules)) {
		return false
	}
	var times []schedule
	for _, d := range rules {
		if d.forbidsAs(r) && d.mayMeet(other) && coversBoth(d.apps, r.apps, other.apps) &&
			coversBoth(d.accounts, r.accounts, other.accounts) &&
			(d.entries == nil || has(d, func(e *opEntry) bool { return kept(d, e) })) {
			times = append(times, d.when)
		}
	}
	return len(times) == 0 || !boundAlways(r.when, times)
}

// gifts are operations, beside payments, by which an account gets value of another one, and the
// field that names it.
var gifts = [][2]string{{"set_withdraw_vesting_route", "to_account"}, {"create_proposal", "receiver"},
	{"escrow_transfer", "agent"}, {"comment_options", "beneficiaries"}}

// giftPasses finds a rule that keeps value from somebody who gets some in another way.
func (c *compiler) giftPasses(r *rule, e *opEntry, rules []*rule) string {
	names := e.recipients()
	if !e.group && !slices.Contains(payments, e.name) || len(names) == 0 || slices.ContainsFunc(e.says(),
		func(f fieldMatcher) bool { return !e.group && !e.isRecipient(f.field) || hasNot(f.matcher) }) {
		return ""
	}
	for _, other := range rules {
		for _, gift := range gifts {
			for _, name := range other.namedBeside(gift, names) {
				// Of all that a key can sign, other warnings say so.
				lets := func(one *opEntry) bool {
					return one.name == gift[0] && one.mayGive(gift[1], name, mostHolders)
				}
				if other.accounts[name] || !c.passes(r, other, rules, lets, func(d *rule, one *opEntry) bool {
					return slices.Contains(one.mayName(d.section), gift[0]) && one.mayGive(gift[1], name, 1)
				}) {
					continue
				}
				group := groupActive
				if gift[0] == "comment_options" {
					group = groupPosting
				}
				kept := e.denied(payment{to: name})
				if e.group {
					kept = "payments to " + e.payee(payment{to: name})
				}
				return fmt.Sprintf("%q %s %s, and %q lets %s through, by which %s gets value, too; add %s: {payee: "+
					"{any: %s}}", r.name, forbids[r.section], kept, other.name, gift[0], name, group, textIn(names))
			}
		}
	}
	return ""
}

// namedBeside returns those of some names that a rule may name in a gift: all that stand there as
// they are, and as many others as are tried elsewhere.
func (r *rule) namedBeside(gift [2]string, names []string) (tries []string) {
	for i := range r.entries {
		e := &r.entries[i]
		if e.name != gift[0] {
			continue
		}
		tries = append(tries, names[:min(len(names), mostSamples)]...)
		for _, name := range textsOf(e.testOf(gift[1])).sorted() {
			if len(names) > mostSamples && slices.Contains(names, string(name)) {
				tries = append(tries, string(name))
			}
		}
	}
	return tries
}

// mayGive reports whether the entry takes an operation by which an account gets value, by a field
// that names it alone or among others: so many in all.
func (e *opEntry) mayGive(field, name string, most int) bool {
	payee := textValue(name)
	if m := e.test(payeeField); m != nil && !mayTakeAmong(m, payee, most) {
		return false
	}
	m := e.test(field)
	switch {
	case e.group:
		return true
	case m == nil:
		return true
	case field != "beneficiaries":
		return mayTake(m, payee)
	}
	return slices.ContainsFunc([]int{1, 500, 10000}, func(weight int) bool {
		return mayTakeAmong(m, mapValue(map[string]value{"account": payee, "weight": countValue(weight)}), most)
	})
}

// mayTakeAmong reports whether a test takes a list with an element, at some place of it.
func mayTakeAmong(m matcher, item value, most int) bool {
	for n := 1; n <= most; n++ {
		for at := range n {
			items := slices.Repeat([]value{{kind: isUnreadable}}, n)
			items[at] = item
			if mayTake(m, value{kind: isList, items: items}) {
				return true
			}
		}
	}
	return false
}

// tokensPass finds a rule that keeps tokens of Hive-Engine from somebody by one action, while they
// can be given by another one.
func (c *compiler) tokensPass(r *rule, e *opEntry, rules []*rule) string {
	json := e.test("json")
	if e.name != "custom_json" || json == nil {
		return ""
	}
	names := receiversIn(json)
	for _, denied := range tokenGifts {
		if !e.namesMove(denied) {
			continue
		}
		for _, move := range tokenGifts {
			for _, name := range names[:min(len(names), mostSamples)] {
				to := inJSON(name)
				// What the rule denies by itself is kept, and need not be looked for.
				if move.says == denied.says || !e.mayFind(denied, to) {
					continue
				}
				for _, other := range rules {
					if c.passes(r, other, rules, func(one *opEntry) bool { return one.mayMove(move, to) },
						func(_ *rule, one *opEntry) bool { return one.mayFind(move, to) }) {
						return fmt.Sprintf("%q %s %s to %s, and %q lets %s through, which gives %[4]s tokens, too; "+
							"name both, as in .contractAction: [transfer, stake]", r.name, forbids[r.section],
							denied.says, name, other.name, move.says)
					}
				}
			}
		}
	}
	return ""
}

// tokenGifts are the actions of Hive-Engine by which tokens go to somebody for good.
var tokenGifts = []tokenMove{engine("tokens", "transfer", "to", "symbol", "quantity"),
	engine("tokens", "stake", "to", "symbol", "quantity")}

// receiversIn returns the names that a test of JSON compares members called "to" with.
func receiversIn(m matcher) (names []string) {
	for _, test := range receiverTests(m) {
		for _, name := range textsOf(theOne(test)).sorted() {
			names = append(names, string(name))
		}
	}
	return names
}

// receiverTests returns what a test of JSON says of members called "to".
func receiverTests(m matcher) (tests []matcher) {
	switch m := m.(type) {
	case allOf:
		for _, one := range m {
			tests = append(tests, receiverTests(one)...)
		}
	case oneOf:
		for _, one := range m {
			tests = append(tests, receiverTests(one)...)
		}
	case each:
		return receiverTests(m.matcher)
	case some:
		return receiverTests(m.matcher)
	case exactly:
		return receiverTests(oneOf(m))
	case inside:
		if m.path[len(m.path)-1] != "to" {
			return receiverTests(m.matcher)
		}
		return []matcher{m.matcher}
	}
	return tests
}

// morePasses finds a rule that asks about small amounts, or about large ones of one asset, while
// more goes unasked.
func (c *compiler) morePasses(r *rule, e *opEntry, rules []*rule) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok {
		return ""
	}
	for _, cost := range d.Spends {
		m := e.test(cost.Field)
		b, ok := theOne(m).(bound)
		switch {
		case !ok || b.limit.kind != isAsset || b.limit.asset.Symbol == hive.VESTS:
		case b.upper && r.section == askSection:
			more := b.limit.asset
			more.Amount++
			if other := c.passing(r, e, cost.Field, assetValue(more), rules); other != nil {
				return fmt.Sprintf("%s: in ask, max asks about up to %s, and %q lets more go unasked; write min to "+
					"ask about more than that", e.name, b.limit.asset, other.name)
			}
		case !b.upper:
			if says := c.otherAssetPasses(r, e, cost.Field, b.limit.asset, rules); says != "" {
				return says
			}
		}
	}
	return ""
}

// otherAssetPasses finds an amount of another asset, as high as the one from which on a rule
// forbids, that another rule lets through. Of any amount another warning says so.
func (c *compiler) otherAssetPasses(r *rule, e *opEntry, field string, least hive.Asset, rules []*rule) string {
	other := hive.HIVE
	if least.Symbol == hive.HIVE {
		other = hive.HBD
	}
	much := assetValue(hive.Asset{Amount: much, Symbol: other})
	as := assetValue(hive.Asset{Amount: least.Amount, Symbol: other})
	if e.fits(field, as.asset) != nil || c.passing(r, e, field, much, rules) != nil {
		return ""
	}
	passing := c.passing(r, e, field, as, rules)
	if passing == nil {
		return ""
	}
	return fmt.Sprintf("%q %s %s and more, and %q lets %s through: min of one asset says no to all others; write a "+
		"list with one min for each, such as %s: [{min: %[3]s}, {min: %[5]s}]", r.name, forbids[r.section], least,
		passing.name, as.asset, field)
}

// otherLetters finds an id that differs from one that another rule lets through by large and small
// letters alone, or by one letter more or less, and which no rule lets through as it is written.
func (c *compiler) otherLetters(r *rule, e *opEntry, rules []*rule) string {
	ids := textsOf(e.testOf("id"))
	if e.name != "custom_json" || len(ids) != 1 {
		return ""
	}
	own := string(ids.sorted()[0])
	says := ""
	for _, other := range rules {
		if !other.section.permits() || !c.steps.left(1) || !intersect(other.apps, r.apps) {
			continue
		}
		for _, one := range other.entries {
			if one.name != e.name {
				continue
			}
			if one.test("id") == nil || mayTake(one.test("id"), textValue(own)) {
				return ""
			}
			for _, id := range textsOf(one.test("id")).sorted() {
				if strings.EqualFold(string(id), own) || misses(own, string(id)) {
					says = fmt.Sprintf("%q is about nothing: letters are compared as they are, and %q takes the id "+
						"%s; write id: %[3]s", r.name, other.name, id)
				}
			}
		}
	}
	return says
}

// misses reports whether one of two ids has a letter or a sign more than the other. A digit
// more may be another game.
func misses(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a)+1 != len(b) || len(a) < 5 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return a[i:] == b[i+1:] && (b[i] < '0' || b[i] > '9')
}

// fewTokens finds a rule that forbids up to so many tokens, where more go through.
func fewTokens(p *place) string {
	b, ok := p.matcher.(bound)
	if !ok || !b.upper || p.entry == nil || !p.evadable || p.field != "json" || p.negated || len(p.beside) != 1 ||
		!slices.Contains(amountsOfTokens, p.name[strings.LastIndex(p.name, ".")+1:]) || b.limit.number.negative {
		return ""
	}
	return fmt.Sprintf("%s: in %s, max is about up to %s, and every larger number passes; write min for more than that",
		p.name, p.rule.section, b.limit.text)
}

// headLeaves reports whether a limit leaves some of an entry out by its key or by broadcast, of
// which nobody thinks who looks at the operations: what the active key signs, or what is handed
// out.
func (b binding) headLeaves(l *limit, why string) bool {
	return l.overTime() && (strings.HasPrefix(why, "broadcast: ") || why == "key: "+groupPosting) &&
		!slices.ContainsFunc(b.limits, func(other *limit) bool {
			return other != l && other.measure == l.measure && (other.keys[hive.Active] && why[0] == 'k' ||
				other.broadcast != nil && l.broadcast != nil && *other.broadcast != *l.broadcast)
		})
}
