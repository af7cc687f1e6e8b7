package policy

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// What is written and never comes about, though each part of it could: a rule that another one
// always comes before, a window that another one fills first, room for nothing.

// reviewAlwaysAsked warns of a rule that allows nothing by itself, since a rule that asks is about
// all of it. Whoever wrote both means that little goes by itself and more is asked about.
func (c *compiler) reviewAlwaysAsked(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe || r.kinds[Auth] || len(rules) > mostReviewed {
		return
	}
	near := slices.DeleteFunc(slices.Clone(rules), func(a *rule) bool {
		return a.section != askSection || a.observe || a.onlyUncovered || a.stopsAll() || !a.mayMeet(r) ||
			a.ordered && !a.sameTransaction(r)
	})
	var asked []*opEntry
	var by []*rule
	for _, e := range r.asked() {
		if a := r.only(e).denied(near); len(a) > 0 {
			asked, by = append(asked, e), append(by, a[0])
		}
	}
	const instead = "and ask comes before allow whatever the order is; say only: uncovered in %[2]q, or narrow that " +
		"rule"
	switch {
	case len(by) == 0:
	case r.ordered || len(by) == len(r.asked()):
		c.Warn(c.nodes[r], "%q never allows anything by itself: %q asks about all of it, "+instead, r.name, by[0].name)
	default:
		for i, e := range asked {
			// Who only names an operation, and has it asked about elsewhere, may mean just that.
			if len(e.says()) > 0 {
				c.Warn(c.nodes[r], "%q never allows %[3]s as it is written here by itself: %[2]q asks about all of "+
					"that, "+instead, r.name, by[i].name, e.name)
			}
		}
	}
}

// reviewSessions warns of a rule for logins whose session is never as long as it says, since
// another rule for the same logins says less.
func (c *compiler) reviewSessions(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe || !r.kinds[Auth] || r.session == 0 || len(rules) > mostReviewed {
		return
	}
	for _, other := range rules {
		if other.section == allowSection && !other.observe && other.kinds[Auth] && other.session > 0 &&
			other.session < r.session && len(r.denied([]*rule{other})) > 0 {
			c.Warn(c.valueOfKey(r, "session"), "%q never gives a session of %s: %q takes the same logins with %s, and "+
				"the shortest holds; leave one of them out, or narrow it", r.name, windowText(r.session), other.name,
				windowText(other.session))
			return
		}
	}
}

// reviewSpareKeys warns of the active key where no operation of the rule needs it: who names it
// beside posting believes that the operations pass with either. That posting is too much misleads
// nobody.
func (c *compiler) reviewSpareKeys(r *rule) {
	if !r.section.permits() || r.observe || len(r.entries) == 0 || len(r.roles()) < 2 {
		return
	}
	for _, role := range []hive.Role{hive.Active, hive.Signing} {
		needs := func(e opEntry) bool { return slices.Contains(e.roles(r), role) }
		if r.keys[role] && !slices.ContainsFunc(r.entries, needs) {
			c.Warn(c.valueOfKey(r, "key"), "no operation of %q can be signed with the %s key, so it changes nothing "+
				"here; leave it out, or name the operations that need it", r.name, role)
		}
	}
}

// reviewNoRoom warns of a limit of value that leaves room for none of it.
func (c *compiler) reviewNoRoom(l *limit, rules []*rule) {
	if l.observe || l.over || !l.nothing() || l.measure != measureSpend && l.measure != measureSum {
		return
	}
	if slices.ContainsFunc(rules, func(r *rule) bool {
		return r.section.permits() && slices.ContainsFunc(r.asked(), func(e *opEntry) bool {
			return l.touches(r, e) && (l.measure == measureSum || e != nil && e.spends() && !e.spendsNothing())
		})
	}) {
		c.Warn(c.nodes[&l.rule], "limit %q has room for none, so nothing that it is about passes; write how much, or "+
			"a deny rule in its place", l.name)
	}
}

// nothing reports whether the limit has no room at all.
func (l *limit) nothing() bool {
	return !slices.ContainsFunc(l.quotas, func(q quota) bool { return q.most.Sign() != 0 })
}

// costsNothing reports whether a limit of what is spent counts nothing of an entry, since none of
// its operations costs an amount.
func (l *limit) costsNothing(r *rule, e *opEntry) bool {
	if l.measure != measureSpend || l.nothing() { // who leaves room for nothing guards the day to come
		return false
	}
	return e != nil && !slices.ContainsFunc(e.mayName(r.section), func(name string) bool {
		d, ok := hive.DefinitionOf(name)
		return ok && len(d.Spends) > 0
	})
}

// reviewIdleWindow warns of a part of a limit that another part of it always reaches first.
func (c *compiler) reviewIdleWindow(l *limit) {
	for _, q := range l.quotas {
		i := slices.IndexFunc(l.quotas, func(other quota) bool {
			return other.unit == q.unit && other.window >= q.window && other.most.Cmp(q.most) < 0 &&
				(other.window > 0 || q.window == 0)
		})
		if i < 0 {
			continue
		}
		first := l.quotas[i]
		c.Warn(c.nodes[&l.rule], "limit %q: %s per %s never binds, since %s per %s has no room before; take one of "+
			"them out, or write less for the shorter time", l.name, q.text, windowText(q.window), first.text,
			windowText(first.window))
		return
	}
}

// reviewPast warns of an order, or the like, that may end at no time but such that have passed.
func (c *compiler) reviewPast(r *rule) {
	if !r.section.permits() || r.observe {
		return
	}
	c.places(r, func(p *place) {
		if p.shape.kind != aTime || !p.first || p.name != p.field || p.field == "start_date" {
			return
		}
		at := func(seconds int64) bool { return mayTake(p.whole, value{kind: isTime, seconds: seconds}) }
		now := c.options.Now.Unix()
		later := slices.ContainsFunc(append(p.seconds(), now), func(seconds int64) bool {
			return seconds >= now && at(seconds)
		})
		if !at(1<<32 - 1) {
			c.warnWhile(!c.options.Now.IsZero() && !later, p.node, "%s: this has passed, so %q lets no %s through any "+
				"more; write a later instant, or leave it out", p.field, r.name, p.entry.name)
		}
	})
}

// reviewSums warns where a sum can never be told, or is always too much, of what a rule demands.
func (c *compiler) reviewSums(r *rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		limits, _ := c.near.of(r, i)
		for _, l := range limits {
			if !c.steps.left(1) || l.measure != measureSum || l.observe || l.over || l.of.times != nil ||
				e.test(l.of.list) == nil {
				continue
			}
			// Of many limits, one for each token, hardly any: what takes longer is asked of those.
			if why := l.neverHasRoom(e); why != "" && l.leaves(r.only(e)) == "" &&
				boundAlways(r.when, []schedule{l.when}) {
				c.Warn(c.entryName(n), "%q never lets %s through: %s", r.name, e.name, why)
				break
			}
		}
	}
}

// neverHasRoom returns why the limit has no room for anything that an entry takes, "" if it may
// have some.
func (l *limit) neverHasRoom(e *opEntry) string {
	json := e.testOf(l.of.list)
	known := func() bool {
		return slices.ContainsFunc(slices.Concat(tokenMoves, nftMoves, otherActions), e.namesMove)
	}
	none := func(one matcher) bool { return numberless(one, l.of.field) && l.of.counts(one) }
	if someElement(json, none) && !known() {
		return fmt.Sprintf("limit %q adds up .%s of each element, and what the rule wants has no number there; "+
			"correct the field, or count in place of sum", l.name, strings.Join(l.of.field, "."))
	}
	at := ""
	if someElement(json, func(one matcher) bool {
		at = listAt(one, l.of.field)
		return at != "" && l.of.counts(one)
	}) && !known() {
		return fmt.Sprintf("limit %q adds up .%s, and the rule wants a list at .%s, which has no such member; let a "+
			"request hold one of them, without each, or count in place of sum", l.name, strings.Join(l.of.field, "."),
			at)
	}
	least := ""
	if !someElement(json, func(one matcher) bool {
		n := leastNumber(one, l.of.field)
		if n == nil || n.Cmp(l.leastRoom()) <= 0 || !l.of.counts(one) {
			return false
		}
		least = cmp.Or(least, ratText(n))
		return true
	}) {
		return ""
	}
	return fmt.Sprintf(".%s is %s at least, and limit %q has room for %s; let less through, or give the limit more "+
		"room",
		strings.Join(l.of.field, "."), least, l.name, ratText(l.leastRoom()))
}

// leastRoom returns how much room a limit of one unit has in that of its windows with the least.
func (l *limit) leastRoom() *big.Rat {
	return slices.MinFunc(l.quotas, func(a, b quota) int { return a.most.Cmp(b.most) }).most
}

// counts reports whether the sum surely counts an element that a test takes.
func (t *tokenSum) counts(element matcher) bool { return t.where == nil || within(element, t.where) }

// someElement reports whether in each list that a test takes there is an element for whose test
// something holds. What is no list is one element.
func someElement(m matcher, is func(matcher) bool) bool {
	switch m := m.(type) {
	case oneOf:
		return every(m, func(one matcher) bool { return someElement(one, is) })
	case allOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return someElement(one, is) }) ||
			isObject(m) && is(m)
	case each:
		return is(m.matcher)
	case some:
		return is(m.matcher)
	case exactly:
		return slices.ContainsFunc(m, is)
	}
	return isObject(m) && is(m)
}

// numberless reports whether a test takes nothing that has a number at a path. A list has none at a
// name.
func numberless(m matcher, path []string) bool {
	switch m := m.(type) {
	case oneOf:
		return every(m, func(one matcher) bool { return numberless(one, path) })
	case *literals:
		return every(m.list, func(one matcher) bool { return numberless(one, path) })
	case allOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return numberless(one, path) })
	case equals:
		_, ok := tokens(inside{path: path}.reach(m.value))
		return !ok
	case isPresent:
		return !bool(m)
	case inside:
		if n := len(m.path); n <= len(path) && slices.Equal(m.path, path[:n]) {
			return numberless(m.matcher, path[n:])
		}
		// A member of what has to be the number.
		return len(path) < len(m.path) && slices.Equal(m.path[:len(path)], path) && !takesAbsent(m.matcher)
	case exactly:
		return len(m) != 1 && (len(path) == 0 || !allDigits(path[0]))
	}
	return false
}

// listAt returns a part of a path at which a test wants a list, so that the path goes on by a name
// that no list has; "" if it does not.
func listAt(m matcher, path []string) string {
	switch m := m.(type) {
	case allOf:
		for _, one := range m {
			if at := listAt(one, path); at != "" {
				return at
			}
		}
	case inside:
		n := len(m.path)
		if n >= len(path) || !slices.Equal(m.path, path[:n]) {
			return ""
		}
		at := strings.Join(m.path, ".")
		if has(m.matcher, isListTest) && !allDigits(path[n]) {
			return at
		}
		if below := listAt(m.matcher, path[n:]); below != "" {
			return at + "." + below
		}
	}
	return ""
}

func isListTest(m matcher) bool {
	switch m.(type) {
	case each, some:
		return true
	}
	return false
}

// leastNumber returns a number below which a test takes nothing at a path, nil if it is not known.
func leastNumber(m matcher, path []string) *big.Rat {
	switch m := m.(type) {
	case allOf:
		var least *big.Rat
		for _, one := range m {
			if n := leastNumber(one, path); n != nil && (least == nil || n.Cmp(least) > 0) {
				least = n
			}
		}
		return least
	case oneOf:
		return leastOfEach(m, path)
	case *literals:
		return leastOfEach(m.list, path)
	case inside:
		if n := len(m.path); n <= len(path) && slices.Equal(m.path, path[:n]) {
			return leastNumber(m.matcher, path[n:])
		}
	case equals:
		if n, ok := m.number.rat(); ok && m.kind == isNumber && len(path) == 0 {
			return n
		}
	case bound:
		if n, ok := m.limit.number.rat(); ok && !m.upper && m.limit.kind == isNumber && len(path) == 0 {
			return n
		}
	}
	return nil
}

func leastOfEach(list []matcher, path []string) (least *big.Rat) {
	for _, one := range list {
		n := leastNumber(one, path)
		if n == nil {
			return nil
		}
		if least == nil || n.Cmp(least) < 0 {
			least = n
		}
	}
	return least
}

// refusedByChain finds a test that takes only what pksa can sign and the chain does not take.
func refusedByChain(p *place) string {
	if p.entry == nil || p.entry.group || !p.rule.section.permits() || p.negated {
		return ""
	}
	why := receiversRefused(p)
	if p.first && chainWants[p.field] != nil && independent(p.whole) {
		for _, one := range p.tries() {
			if !mayTake(p.whole, one) {
				continue
			}
			if why = chainWants[p.field](p, one); why == "" {
				return ""
			}
		}
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("%s: %s, so nothing that fits is ever taken by the chain", p.name, why)
}

// chainWants says, by field, why the chain takes no operation with a value there, "" if it may.
var chainWants = map[string]func(*place, value) string{
	"executions": func(_ *place, v value) string {
		return unless(v.atLeast(2), "a recurrent transfer has 2 executions or more")
	},
	"proposal_ids": func(p *place, v value) string {
		if p.name == "size" {
			return unless(!v.atLeast(mostProposals+1), "one operation names %d proposals at most", mostProposals)
		}
		return unless(v.atLeast(0), "numbers of proposals begin at 0")
	},
	// Of the first posts of the chain, some have others, and may be voted for.
	"permlink": func(p *place, v value) string {
		return unless(p.entry.name == "vote" || strings.Trim(v.text, permlinkLetters) == "",
			"permlinks have a-z, 0-9 and - alone")
	},
	"parent_permlink": func(_ *place, v value) string {
		return unless(!strings.ContainsAny(v.text, "/@ "),
			"a permlink is no address, and no more than what stands behind its last /")
	},
}

func unless(fine bool, format string, args ...any) string {
	if fine {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// atLeast reports whether the value is a number of no less.
func (v value) atLeast(least int64) bool {
	n, ok := v.number.rat()
	return ok && v.kind == isNumber && n.Cmp(big.NewRat(least, 1)) >= 0
}

// mostProposals is how many proposals one operation of the chain may name.
const mostProposals = 5

const permlinkLetters = "abcdefghijklmnopqrstuvwxyz0123456789-"

// receiversRefused returns why the chain does not take a list of beneficiaries that the test wants
// as it is.
func receiversRefused(p *place) string {
	list, ok := p.matcher.(exactly)
	if !ok || p.field != "beneficiaries" {
		return ""
	}
	before, weight := "", new(big.Rat)
	for _, one := range list {
		text, _ := onlyValue(one, "account").(equals)
		switch {
		case text.text == "":
			before = ""
		case before != "" && text.text <= before:
			return fmt.Sprintf("beneficiaries stand in the order of their names, each once, and %s is behind %s here",
				text.text, before)
		default:
			before = text.text
		}
		if n := leastNumber(one, []string{"weight"}); n != nil {
			weight.Add(weight, n)
		}
	}
	if weight.Cmp(big.NewRat(10000, 1)) > 0 {
		return "the weights of beneficiaries are 100% together at most"
	}
	return ""
}

// onlyValue returns the test of one member, nil if there is none.
func onlyValue(m matcher, member string) matcher {
	for _, one := range members(m) {
		if len(one.path) == 1 && one.path[0] == member {
			return one.matcher
		}
	}
	return nil
}
