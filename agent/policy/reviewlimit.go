package policy

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// reviewLimits warns where what a rule allows passes beside the limits that seem to bind it.
func (c *compiler) reviewLimits(r *rule, rules []*rule) {
	// A rule that asks has a person between itself and the money, and one that is only observed
	// lets nothing go.
	if r.section != allowSection || r.observe {
		return
	}
	for i, e := range r.asked() {
		all, compared := c.near.of(r, i)
		if !compared {
			return
		}
		near := slices.DeleteFunc(slices.Clone(all), func(l *limit) bool { return l.observe })
		b := binding{r, e, near, &c.steps}
		if e != nil && e.spends() {
			if !r.keepsValue(e) {
				c.reviewValue(b, rules)
				c.reviewAssets(b)
				c.reviewOneAsset(b)
			}
			continue
		}
		c.reviewCounted(b)
	}
}

// binding asks what the limits bind of what a rule allows by one entry; nil: of any content.
type binding struct {
	rule   *rule
	entry  *opEntry
	limits []*limit // that count some of it
	steps  *steps
}

// reviewValue warns where a rule lets value go and no limit counts all of it.
func (c *compiler) reviewValue(b binding, rules []*rule) {
	node, name, what := c.nodes[b.rule], b.rule.name, b.entry.name
	free, binds := b.unbound((*limit).always), b.unbound((*limit).overTime)
	often := b.unbound((*limit).countsOperations)
	switch {
	case len(b.limits) == 0:
		c.Warn(node, "%q lets %s spend without any limit", name, what)
	case free.limit != nil && free.times:
		c.Warn(node, "%q lets %s spend without any limit when %q does not hold: that counts only at its times, %s, "+
			"and an app may wait for others; take the times away, or add a limit for the other times", name, what,
			free.limit.name, free.why)
	case free.limit != nil:
		c.Warn(node, "%q lets %s spend without any limit beside %q, which counts only %s; let it count all, or add a "+
			"limit for the rest", name, what, free.limit.name, free.why)
	case binds.limit != nil:
		c.Warn(node, "%q lets %s spend without any limit but per request, and an app may ask often; say how much per "+
			"24h, too", name, what)
	case b.unbound((*limit).spends).limit != nil && b.entry.anyAmount() != "" && !b.rule.deniesMuch(b.entry, rules):
		c.Warn(node, "%q lets %s spend any amount: %q counts how often, and not how much; add a limit with spend, or "+
			"test %s with max", name, what, b.limits[0].name, b.entry.anyAmount())
	case !b.rule.ordered && often.limit != nil:
		c.Warn(node, "%q lets %s spend as often as fits one request: %q counts requests, and each can hold many "+
			"operations; say count in its place, add count: 1 per request, or a limit with spend", name, what,
			often.limit.name)
	case b.unbound((*limit).slow).limit != nil && b.fastest() != nil:
		l := b.fastest()
		c.Warn(node, "%q lets %s spend as often as limit %q has the same room again, %d times in a day; add a window "+
			"such as 24h there, or a limit with spend", name, what, l.name, 24*time.Hour/l.longest())
	default:
		if l := b.unbound(b.total).limit; l != nil {
			c.Warn(node, "%q lets %s spend without any limit but %q, which has one counter for each value of a field "+
				"that the app chooses: a new value is a new budget; name the values in a list, or add a limit "+
				"without per",
				name, what, l.name)
		}
	}
}

// reviewCounted warns where a limit that counts no value is no bound: at other times, or since the
// application has a new counter whenever it wants one.
func (c *compiler) reviewCounted(b binding) {
	what := "requests"
	if b.entry != nil {
		what = b.entry.name
	}
	rest := b.unbound((*limit).overTime)
	switch l := rest.limit; {
	case l != nil && rest.times:
		c.Warn(c.nodes[b.rule], "%q lets %s through as often as the app likes when limit %q does not hold: that "+
			"counts only at its times, %s; take the times away, or add a limit for the other "+
			"times", b.rule.name, what, l.name,
			rest.why)
	case l != nil && (b.seemsToCount(l) || b.headLeaves(l, rest.why)):
		c.Warn(c.nodes[b.rule], "%q lets %s through as often as the app likes beside limit %q, which counts only %s; "+
			"let it count all, or add a limit for the rest", b.rule.name, what, l.name, rest.why)
	case l == nil && len(b.limits) > 0:
		if l := b.unbound(b.total).limit; l != nil {
			c.Warn(c.nodes[b.rule], "%q lets %s through as often as the app likes: limit %q has one counter for each "+
				"value of a field that the app chooses, and no limit counts all", b.rule.name, what, l.name)
		} else if l := b.countsRequestsOf(b.onlyOne()); l != nil {
			c.Warn(c.nodes[b.rule], "%q lets %s through as often as fits one request: limit %q counts requests, and "+
				"each can hold many operations; say count in its place, or add count: 1 per request", b.rule.name, what,
				l.name)
		}
	}
}

// seemsToCount reports whether a limit that leaves some of an entry out seems to be about all of
// it: it names the operation, with a test of its own. Applications of custom_json are many.
func (b binding) seemsToCount(l *limit) bool {
	return b.entry != nil && l.overTime() && (l.measure == measureCount || l.measure == measureRequests) &&
		!strings.HasPrefix(b.entry.name, "custom") && slices.ContainsFunc(l.entries, func(e opEntry) bool {
		return e.name == b.entry.name && len(e.says()) > 0
	})
}

// total reports whether a limit binds over time, whatever the application writes.
func (b binding) total(l *limit) bool { return l.overTime() && !l.splitAtWill(b.rule, b.entry) }

func (l *limit) always() bool { return true }

// spends reports whether the limit counts how much is spent.
func (l *limit) spends() bool { return l.measure == measureSpend }

// slow reports whether the limit bounds what is spent in an hour at least. A budget of minutes has
// a warning of its own.
func (l *limit) slow() bool { return l.overTime() && (l.spends() || l.longest() >= shortestBudget) }

// fastest returns the first of the limits that count how often in minutes, and not in blocks, of
// which another warning says it; nil if none does.
func (b binding) fastest() *limit {
	for _, l := range b.limits {
		if l.overTime() && !l.slow() && l.longest() >= shortestPace {
			return l
		}
	}
	return nil
}

// countsOperations reports whether many operations in one request are more to the limit than one.
func (l *limit) countsOperations() bool {
	return l.measure == measureCount || l.measure == measureSpend
}

// anyAmount returns a field by which the operation may spend as much as the application likes, ""
// if the entry bounds all. A fee alone is set by the chain.
func (e *opEntry) anyAmount() string {
	d, _ := hive.DefinitionOf(e.name)
	for _, cost := range d.Spends {
		if _, ok := d.Field(cost.Field); !ok || cost.Field == "fee" && len(d.Spends) == 1 {
			continue
		}
		if !e.testsWithin(cost.Field, anyMost) {
			return cost.Field
		}
		if cost.Times != "" && takes(e.testOf(cost.Times), countValue(1<<16-1)) {
			return cost.Times
		}
	}
	return ""
}

// deniesMuch reports whether deny rules match, at all times, every large amount that an entry lets
// through, of each asset that it may cost.
func (r *rule) deniesMuch(e *opEntry, rules []*rule) bool {
	field := e.anyAmount()
	d, _ := hive.DefinitionOf(e.name)
	if !slices.ContainsFunc(d.Spends, func(cost hive.Cost) bool { return cost.Field == field }) {
		return false // how often it is paid
	}
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		if e.fits(field, hive.Asset{Amount: 1, Symbol: symbol}) != nil || !e.maySell(field, symbol) {
			continue
		}
		large := e.without(field)
		large.fields = append(large.fields, fieldMatcher{field: field, matcher: allOf{e.testOf(field),
			bound{assetValue(hive.Asset{Amount: much, Symbol: symbol}), false}}})
		if r.deniedBy(large, rules) == nil {
			return false
		}
	}
	return true
}

// anyMost takes what is bounded above, whatever the bound is.
var anyMost = oneOf{bound{assetValue(hive.Asset{Amount: much, Symbol: hive.HIVE}), true},
	bound{assetValue(hive.Asset{Amount: much, Symbol: hive.HBD}), true},
	bound{assetValue(hive.Asset{Amount: much, Symbol: hive.VESTS}), true}}

// loophole is what a limit does not count, though it counts something beside it.
type loophole struct {
	limit *limit
	why   string // what it counts only
	times bool   // it counts the same at other times
}

// unbound returns a loophole that is left by those limits that fit, none if they count all, or if
// the file is too large to compare them.
func (b binding) unbound(fits func(*limit) bool) loophole {
	for _, one := range b.pieces() {
		if !b.steps.left(stepsOf(b.limits)) {
			return loophole{}
		}
		var whole []*limit
		var times []schedule
		left := loophole{}
		for _, l := range b.limits {
			why := l.leaves(one)
			if l.ordered && !l.sameTransaction(b.rule) {
				why = "one transaction"
			}
			switch {
			case why == "" && fits(l):
				whole, times = append(whole, l), append(times, l.when)
			case left.limit == nil || why == "":
				left = loophole{limit: l, why: why}
			}
		}
		switch {
		case boundAlways(b.rule.when, times):
			continue
		case len(whole) > 0:
			l := whole[0]
			return loophole{l, l.when.said(), true}
		case left.limit != nil:
			return left
		}
	}
	return loophole{}
}

// pieces splits what a rule allows into what limits may count apart from each other: by app and
// account, and by the values that a field may have.
func (b binding) pieces() []*rule {
	pieces := []*rule{b.rule.only(b.entry)}
	split := func(ways func(*rule) []*rule) {
		var more []*rule
		for _, one := range pieces {
			more = append(more, ways(one)...)
		}
		// So many that nobody writes limits for each of them.
		if len(more) <= mostPieces {
			pieces = more
		}
	}
	split(func(r *rule) []*rule {
		return r.each(r.apps, func(piece *rule, app nameSet) { piece.apps = app })
	})
	split(func(r *rule) []*rule {
		return r.each(r.accounts, func(piece *rule, account nameSet) { piece.accounts = account })
	})
	if b.entry == nil {
		return pieces
	}
	for i, f := range b.entry.fields {
		if list := oneByOne(f.matcher); list != nil {
			split(func(r *rule) (ways []*rule) {
				for _, one := range list {
					e := opEntry{r.entries[0].name, r.entries[0].group, slices.Clone(r.entries[0].fields)}
					e.fields[i].matcher = one
					ways = append(ways, r.only(&e))
				}
				return ways
			})
		}
	}
	return pieces
}

const mostPieces = 200

// only returns the rule with one of its entries.
func (r *rule) only(e *opEntry) *rule {
	piece := *r
	if e != nil {
		piece.entries = []opEntry{*e}
	}
	return &piece
}

// each returns the rule once for each of some names.
func (r *rule) each(names nameSet, set func(*rule, nameSet)) (ways []*rule) {
	if len(names) == 0 {
		return []*rule{r}
	}
	for _, name := range names.sorted() {
		piece := *r
		set(&piece, nameSet{string(name): true})
		ways = append(ways, &piece)
	}
	return ways
}

// leaves returns what a limit or a deny rule is about only, if that is not all that a rule allows
// by its first entry. It does not look at times.
func (r *rule) leaves(allowed *rule) string {
	switch {
	case !covers(r.apps, allowed.apps):
		return "apps: [" + r.apps.text() + "]"
	case !covers(r.accounts, allowed.accounts):
		return "accounts: [" + r.accounts.text() + "]"
	case !covers(r.behalf, allowed.behalf):
		return "on_behalf_of: [" + r.behalf.text() + "]"
	case r.broadcast != nil && (allowed.broadcast == nil || *r.broadcast != *allowed.broadcast):
		return fmt.Sprintf("broadcast: %t", *r.broadcast)
	case r.exact != nil && (allowed.exact == nil || *r.exact != *allowed.exact):
		return "transaction_by: " + makerName(*r.exact)
	}
	for kind := range allowed.kinds {
		if allowed.kinds[kind] && !r.kinds[kind] {
			return "other requests"
		}
	}
	switch {
	case allowed.entries != nil:
	case r.keys != nil && !subset(allowed.keys, r.keys):
		return "key: " + keyText(slices.Sorted(maps.Keys(r.keys)))
	case r.text != nil && (allowed.text == nil || !within(allowed.text, r.text)):
		return "some texts"
	default:
		return ""
	}
	e := &allowed.entries[0]
	if r.keys != nil && slices.ContainsFunc(e.roles(allowed), func(role hive.Role) bool { return !r.keys[role] }) {
		return "key: " + keyText(slices.Sorted(maps.Keys(r.keys)))
	}
	return r.leavesOf(allowed, e)
}

func (r *rule) leavesOf(allowed *rule, e *opEntry) (why string) {
	if r.entries == nil {
		return ""
	}
	for i := range r.entries {
		switch other := &r.entries[i]; {
		case e.within(allowed, other):
			return ""
		case other.name == e.name || why == "":
			why = other.said(e)
		}
	}
	return why
}

// said names an entry of a limit by what it tests.
func (e *opEntry) said(of *opEntry) string {
	var fields []string
	for _, f := range e.says() {
		fields = append(fields, f.field)
	}
	if len(fields) == 0 || e.name != of.name {
		return e.name
	}
	return fmt.Sprintf("%s with its own test of %s", e.name, strings.Join(fields, ", "))
}

// touches reports whether the limit may count something of what the rule permits by an entry.
func (l *limit) touches(r *rule, e *opEntry) bool {
	if !l.rule.mayMeet(r) {
		return false
	}
	if l.ordered && r.ordered && !l.takesOrder(r) {
		return false
	}
	if e == nil || l.entries == nil {
		return l.text == nil || r.text == nil || !apart(r.text, l.text)
	}
	return slices.ContainsFunc(l.entries, func(other opEntry) bool { return !e.apart(r, &other) })
}

// takesOrder reports whether the limit may be about a transaction that the rule takes: both name
// operations one by one.
func (l *limit) takesOrder(r *rule) bool {
	if len(l.entries) != len(r.entries) {
		return false
	}
	for i := range r.entries {
		if r.entries[i].apart(r, &l.entries[i]) {
			return false
		}
	}
	return true
}

// asked returns the entries of a rule; one that is nil stands for all content.
func (r *rule) asked() []*opEntry {
	if r.entries == nil {
		return []*opEntry{nil}
	}
	var list []*opEntry
	for i := range r.entries {
		list = append(list, &r.entries[i])
	}
	return list
}

// spends reports whether the operation costs its account value.
func (e *opEntry) spends() bool {
	d, ok := hive.DefinitionOf(e.name)
	return ok && len(d.Spends) > 0
}

// keepsValue reports whether nothing can be spent by the entry, or no more by many than by one: the
// amount is zero, savings and power stay with the account, or it is delegated to some accounts.
func (r *rule) keepsValue(e *opEntry) bool {
	switch e.name {
	case "witness_update":
		return true // it names a fee, which the chain does not take
	case "delegate_vesting_shares":
		// What is delegated is all that the delegatee has then, however often it is said.
		if listed(e.testOf("delegatee")) && e.testsWithin("vesting_shares", anyMost) {
			return true
		}
	case "transfer_to_savings", "transfer_from_savings", "transfer_to_vesting":
		if r.behalf != nil && len(r.behalf) == 0 && (e.testsWithin("to", isAccount{}) || r.paysItself(e)) {
			return true
		}
	}
	return e.spendsNothing()
}

// paysItself reports whether the rule is for one account, and the entry pays it by its name.
func (r *rule) paysItself(e *opEntry) bool {
	return len(r.accounts) == 1 && e.testsWithin("to", equals{textValue(string(r.accounts.sorted()[0]))})
}

// spendsNothing reports whether all that the entry takes costs an amount of zero.
func (e *opEntry) spendsNothing() bool {
	d, ok := hive.DefinitionOf(e.name)
	return ok && len(d.Spends) > 0 && !slices.ContainsFunc(d.Spends, func(cost hive.Cost) bool {
		return !e.testsWithin(cost.Field, nothingMost)
	})
}

// nothingMost takes no amount above zero.
var nothingMost = oneOf{bound{assetValue(hive.Asset{Symbol: hive.HIVE}), true},
	bound{assetValue(hive.Asset{Symbol: hive.HBD}), true}, bound{assetValue(hive.Asset{Symbol: hive.VESTS}), true}}

// testsWithin reports whether the entry takes only such values of a field that the test takes.
func (e *opEntry) testsWithin(field string, m matcher) bool {
	if field == payeeField {
		if paid := e.paid(); paid != nil && within(paid, m) {
			return true
		}
	}
	return slices.ContainsFunc(e.fields, func(f fieldMatcher) bool { return f.field == field && within(f.matcher, m) })
}

// paid returns what the entry says of the list of payees by a test of the field that names the only
// one, nil if it does not. Where that field is empty somebody else is paid.
func (e *opEntry) paid() matcher {
	if !e.paysOne() {
		return nil
	}
	d, _ := hive.DefinitionOf(e.name)
	to := e.test(d.Payees[0])
	if to == nil || mayTake(to, textValue("")) {
		return nil
	}
	return exactly{to}
}

// overTime reports whether all that the limit names is bounded in some window of time, and not only
// in each request.
func (l *limit) overTime() bool {
	return !slices.ContainsFunc(l.quotas, func(q quota) bool {
		return !slices.ContainsFunc(l.quotas, func(other quota) bool {
			return other.unit == q.unit && other.window > 0
		})
	})
}

// splitAtWill reports whether the application can choose a new counter for each operation: by a
// field of which the rule does not list the values.
func (l *limit) splitAtWill(r *rule, e *opEntry) bool {
	return slices.ContainsFunc(l.per, func(d dimension) bool {
		return d.field != "" && (e == nil || !e.fewValues(r, d))
	})
}

// fewValues reports whether a field has one of few values in all that the entry takes.
func (e *opEntry) fewValues(r *rule, d dimension) bool {
	field := d.field
	if d.path != nil {
		return slices.ContainsFunc(e.fields, func(f fieldMatcher) bool {
			return f.field == field && listedAt(f.matcher, d.path)
		})
	}
	if sh := fieldsOf(e.name)[field]; sh != nil && sh.kind == aBool {
		return true
	}
	def, ok := hive.DefinitionOf(e.name)
	// Whose authority is needed is no choice of the application.
	if ok && slices.ContainsFunc(def.Signers, func(s hive.Signer) bool { return s.Field == field }) {
		return true
	}
	return slices.ContainsFunc(e.fields, func(f fieldMatcher) bool { return f.field == field && listed(f.matcher) })
}

// listed reports whether a test lists the values that it takes.
func listed(m matcher) bool {
	switch m := m.(type) {
	case equals, isAccount, isActor, *literals:
		return true
	case filled:
		return m.form == ""
	case oneOf:
		return every(m, listed)
	case allOf:
		return slices.ContainsFunc(m, listed) || fewNumbers(m)
	}
	return false
}

// listedAt reports whether a test of JSON lists the values at a path.
func listedAt(m matcher, path []string) bool {
	switch m := m.(type) {
	case inside:
		n := len(m.path)
		switch {
		case n > len(path) || !slices.Equal(m.path, path[:n]):
			return false
		case n == len(path):
			return listed(m.matcher)
		}
		return listedAt(m.matcher, path[n:])
	case oneOf:
		return every(m, func(one matcher) bool { return listedAt(one, path) })
	case allOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return listedAt(one, path) })
	}
	return false
}

// fewWhole is how far apart the bounds may be of few numbers.
var fewWhole = big.NewRat(31, 1)

// fewNumbers reports whether few whole numbers lie between the bounds of a field.
func fewNumbers(m allOf) bool {
	var low, high *bound
	for _, one := range m {
		switch b, ok := one.(bound); {
		case ok && b.limit.kind == isNumber && b.upper:
			high = &b
		case ok && b.limit.kind == isNumber:
			low = &b
		}
	}
	if low == nil || high == nil {
		return false
	}
	first, ok := low.limit.number.rat()
	last, okLast := high.limit.number.rat()
	return ok && okLast && last.Sub(last, first).Cmp(fewWhole) <= 0
}

func covers(outer, inner nameSet) bool {
	if outer == nil {
		return true
	}
	for name := range inner {
		if !outer[name] {
			return false
		}
	}
	return inner != nil // any is more than any list
}
