package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// reviewTogether warns of tests of one value that exclude each other.
func (c *compiler) reviewTogether(tests allOf, keys []*yamlnode.Node, where string) {
	for i, one := range tests {
		for j, other := range tests[:i] {
			if apart(one, other) || apart(other, one) || c.section == allowSection && (absentBeside(one, other) ||
				absentBeside(other, one)) {
				c.Warn(keys[i], "%s: %s and %s exclude each other, and no value fits both; leave one out, or write a "+
					"list of both for either", where, keys[j].Text, keys[i].Text)
				return
			}
		}
	}
}

// absentBeside reports whether one test takes what is absent alone, and another is not certain of
// that.
func absentBeside(one, other matcher) bool {
	present, ok := one.(isPresent)
	return ok && !bool(present) && !takesAbsent(other)
}

// reviewShadow warns of a rule that can never match, or not for one of its operations, since a deny
// rule matches all of that.
func (c *compiler) reviewShadow(r *rule, rules []*rule) {
	if !r.section.permits() || r.observe {
		return
	}
	var entries []*opEntry
	var by [][]*rule
	for _, e := range r.asked() {
		if !c.steps.left(len(rules) / 4) { // most are allow rules, which are told apart at once
			return
		}
		if d := r.deniedBy(e, rules); d != nil {
			entries, by = append(entries, e), append(by, d)
		}
	}
	switch {
	case len(by) == 0:
	// Of a transaction one denied operation denies all.
	case r.ordered || len(by) == len(r.asked()):
		c.Warn(c.nodes[r], "%q can never match: %s all of it, and deny comes before %s whatever "+
			"the order is; narrow that rule, or take this one out", r.name, denying(by[0]), r.section)
	default:
		for i, e := range entries {
			c.Warn(c.nodes[r], "%q never matches %s as it is written here: %s all of that, and "+
				"deny comes before %s whatever the order is; narrow that rule, or take the operation "+
				"out", r.name, e.name, denying(by[i]), r.section)
		}
	}
}

// denying names deny rules as the subject of a sentence, with the verb.
func denying(by []*rule) string {
	if len(by) == 1 {
		return fmt.Sprintf("the deny rule %q denies", by[0].name)
	}
	var names []string
	for _, d := range by {
		names = append(names, fmt.Sprintf("%q", d.name))
	}
	return "the deny rules " + strings.Join(names, ", ") + " together deny"
}

// deniedBy returns deny rules that together match all that a rule takes by one of its entries: one
// for each app, account or value, or one after the other in time. It returns none if they do not.
func (r *rule) deniedBy(e *opEntry, rules []*rule) (by []*rule) {
	near := slices.DeleteFunc(slices.Clone(rules), func(d *rule) bool {
		return d.section != denySection || d.observe || d.stopsAll() || !d.mayMeet(r) ||
			d.ordered && !d.sameTransaction(r) || r.section == askSection && r.doubtful(e, d)
	})
	if len(near) == 0 {
		return nil
	}
	whole := r.only(e).denied(near)
	pieces := (binding{rule: r, entry: e}).pieces()
	if len(whole) == 1 || len(near) == 1 || len(pieces) == 1 {
		return whole
	}
	for _, piece := range pieces {
		d := piece.denied(near)
		if len(d) == 0 {
			return nil
		}
		for _, one := range d {
			if !slices.Contains(by, one) {
				by = append(by, one)
			}
		}
	}
	return by
}

// denied returns those of some deny rules that match all of a rule with one entry: one that always
// does, or several of which at each time one does.
func (r *rule) denied(near []*rule) []*rule {
	var whole []*rule
	var times []schedule
	for _, d := range near {
		if !d.mayCover(r) || d.leaves(r) != "" {
			continue
		}
		if boundAlways(r.when, []schedule{d.when}) {
			return []*rule{d}
		}
		whole, times = append(whole, d), append(times, d.when)
	}
	if len(whole) == 0 || !boundAlways(r.when, times) {
		return nil
	}
	return whole
}

// mayCover reports whether an entry of the rule matches all that another rule takes by its only
// one. Of thousands of rules few do, and it takes less than to say what they leave.
func (r *rule) mayCover(allowed *rule) bool {
	return r.entries == nil || allowed.entries == nil || slices.ContainsFunc(r.entries, func(e opEntry) bool {
		return allowed.entries[0].within(allowed, &e)
	})
}

// stopsAll reports whether a rule is about everything, of all or of some apps, accounts or keys: a
// freeze, which is meant to leave nothing.
func (r *rule) stopsAll() bool {
	if r.text != nil || r.behalf != nil || r.broadcast != nil || r.exact != nil {
		return false
	}
	if r.entries != nil {
		return r.kinds[Sign] && r.namesGroup(groupPosting) && r.namesGroup(groupActive)
	}
	if r.keys != nil {
		return r.kinds[Sign]
	}
	for kind := Auth; kind <= Decrypt; kind++ {
		if !r.kinds[kind] {
			return false
		}
	}
	return true
}

// namesGroup reports whether the rule is about all operations of a group.
func (r *rule) namesGroup(group string) bool {
	return slices.ContainsFunc(r.entries, func(e opEntry) bool { return e.name == group && len(e.says()) == 0 })
}

// doubtful reports whether a rule that asks may match by what is unclear to it and no to the deny
// rule. It looks for tests of the same only.
func (r *rule) doubtful(e *opEntry, d *rule) bool {
	if e == nil {
		return d.text != nil
	}
	return slices.ContainsFunc(d.entries, func(other opEntry) bool {
		return slices.ContainsFunc(other.says(), func(f fieldMatcher) bool {
			sh := fieldsOf(e.name)[f.field]
			return sh == nil || sh.hasMembers() || sh.absent
		})
	})
}

// reviewKeys warns of an entry that needs a key which the rule does not list.
func (c *compiler) reviewKeys(r *rule) {
	if !r.section.permits() || r.keys == nil {
		return
	}
	for _, e := range r.entries {
		d, ok := hive.DefinitionOf(e.name)
		if !ok {
			continue
		}
		for _, s := range d.Signers {
			if r.keys[s.Role] || s.Role != hive.Active && s.Role != hive.Posting || s.When != "" {
				continue
			}
			// The list has to be empty where its key is not to be needed.
			if e.refuses(s.Field, value{kind: isList}) {
				c.Warn(c.nodes[r], "%q can never match %s: with %s it needs the %s key; %s", r.name, e.name, s.Field,
					s.Role,
					r.keyAdvice(s.Role, c.entryNames(r)))
			}
		}
	}
}

// refuses reports whether the entry takes no operation with this value in the field.
func (e *opEntry) refuses(field string, v value) bool {
	return slices.ContainsFunc(e.says(), func(f fieldMatcher) bool {
		return f.field == field && independent(f.matcher) && f.matcher.check(new(scope), v) == no
	})
}

// reviewUnmet warns of a limit that counts nothing, since no rule lets pass what it counts.
func (c *compiler) reviewUnmet(l *limit, rules []*rule, limits []*limit) {
	if c.near.stopped {
		return
	}
	met, free, where := c.near.met[l].met, c.near.met[l].free, c.near.met[l].where
	switch {
	case !slices.ContainsFunc(rules, func(r *rule) bool { return r.section.permits() }): // the file is being begun
	case l.kinds[Auth]: // the operator makes sessions by hand, without a rule
	case !met && free:
		c.Warn(c.nodes[&l.rule], "limit %q counts nothing: spend adds up what an operation costs its account, and "+
			"those that a rule lets pass here cost nothing; write count in its place", l.name)
	case !met:
		c.Warn(c.nodes[&l.rule], "limit %q counts nothing: no rule under allow or ask lets pass what it is about%s; a "+
			"limit that nothing touches bounds nothing", l.name, l.unmet(rules))
	case l.of != nil && l.of.where != nil && every(where, func(m matcher) bool { return apart(m, l.of.where) }):
		c.Warn(c.nodes[&l.rule], "limit %q sums up nothing: what fits where fits no rule%s; compare the values, large "+
			"and small letters too", l.name, l.of.unmet(where))
	case l.of != nil:
		const leftOut = "limit %q sums up only what has .%s, which no rule tests: an app leaves it out, and " +
			"nothing is counted; "
		if wanted, tested := l.of.misspelt(where); wanted != "" {
			c.Warn(c.nodes[&l.rule], leftOut+"did you mean .%s?", l.name, wanted, tested)
		} else if wanted := l.of.untested(where); wanted != "" && l.alone(rules, limits) {
			c.Warn(c.nodes[&l.rule], leftOut+"test it in the rules, too, or take it out of where", l.name, wanted)
		}
	}
}

// untested returns a member that where wants, of which no rule says anything, though each says
// something of others; "" if there is none. Of the moves that are known here, those are members
// that an application cannot leave out.
func (t *tokenSum) untested(elements []matcher) string {
	for _, want := range membersOf(t.where, nil) {
		if takesAbsent(want.matcher) || knownMember(want.path) {
			continue
		}
		if every(elements, func(m matcher) bool {
			own := membersOf(m, nil)
			return len(own) > 0 && !slices.ContainsFunc(own, func(one inside) bool {
				n := min(len(one.path), len(want.path))
				return slices.Equal(one.path[:n], want.path[:n])
			})
		}) {
			return strings.Join(want.path, ".")
		}
	}
	return ""
}

// knownMember reports whether one of the moves of tokens that are known here has a member.
func knownMember(path []string) bool {
	return slices.ContainsFunc(slices.Concat(tokenMoves, nftMoves, otherActions), func(move tokenMove) bool {
		return inside{path, anything{}}.reach(move.json(unknown)).kind != isAbsent
	})
}

// alone reports whether no other limit sums up all of what a rule lets through that this one counts
// some of.
func (l *limit) alone(rules []*rule, limits []*limit) bool {
	return slices.ContainsFunc(rules, func(r *rule) bool {
		return r.section.permits() && slices.ContainsFunc(r.asked(), func(e *opEntry) bool {
			return l.touches(r, e) && !slices.ContainsFunc(limits, func(other *limit) bool {
				return other != l && other.sumsAll(r, e)
			})
		})
	})
}

// sumsAll reports whether the limit sums up each element that an entry lets through.
func (l *limit) sumsAll(r *rule, e *opEntry) bool {
	return l.measure == measureSum && !l.observe && l.touches(r, e) && l.leaves(r.only(e)) == "" &&
		(l.of.where == nil || within(l.of.elements(r, e), l.of.where))
}

// misspelt returns a member that where wants and no rule tests, with one of nearly the same name
// that all of them test; "" if there is none.
func (t *tokenSum) misspelt(elements []matcher) (wanted, tested string) {
	for _, want := range membersOf(t.where, nil) {
		path, meant := strings.Join(want.path, "."), ""
		if every(elements, func(m matcher) bool {
			var known []string
			for _, own := range membersOf(m, nil) {
				known = append(known, strings.Join(own.path, "."))
			}
			if !slices.Contains(known, path) {
				meant = nearestWord(path, known)
			}
			return !slices.Contains(known, path) && meant != ""
		}) && meant != "" {
			return path, meant
		}
	}
	return "", ""
}

// unmet names what of a limit no rule has.
func (l *limit) unmet(rules []*rule) string {
	var permits []*rule
	for _, r := range rules {
		if r.section.permits() {
			permits = append(permits, r)
		}
	}
	none := func(meets func(*rule) bool) bool { return !slices.ContainsFunc(permits, meets) }
	switch {
	case none(func(r *rule) bool { return intersect(l.apps, r.apps) }):
		return " (apps: [" + l.apps.text() + "])"
	case none(func(r *rule) bool { return intersect(l.accounts, r.accounts) }):
		return " (accounts: [" + l.accounts.text() + "])"
	}
	var names []string
	for _, e := range l.entries {
		names = append(names, e.name)
	}
	switch {
	case l.ordered:
		return " (transaction: [" + strings.Join(names, ", ") + "], in this order)"
	case len(names) > 0:
		return " (" + strings.Join(names, ", ") + ")"
	}
	return ""
}

// elements returns what an entry of a rule says of each element of the list that is summed up.
func (t *tokenSum) elements(r *rule, e *opEntry) matcher {
	// A rule that asks also takes what is unclear, and so does where.
	if t == nil || e == nil || r.section != allowSection {
		return anything{}
	}
	return ofElements(e.testOf(t.list))
}

// ofElements returns what a test of a list says of its elements. What is no list counts as a list
// of itself.
func ofElements(m matcher) matcher {
	switch m := m.(type) {
	case each:
		return m.matcher
	case exactly:
		return oneOf(m)
	case oneOf:
		var list oneOf
		for _, one := range m {
			list = append(list, ofElements(one))
		}
		return list
	case allOf:
		var list allOf
		for _, one := range m {
			list = append(list, ofElements(one))
		}
		return list
	case inside:
		// What is tested by its name is one element that stands alone.
		if !allDigits(m.path[0]) {
			return m
		}
	case onlyMembers:
		return m
	}
	return anything{}
}

// unmet names a member that where and the rules want otherwise.
func (t *tokenSum) unmet(elements []matcher) string {
	for _, one := range members(t.where) {
		if every(elements, func(m matcher) bool { return apart(m, one) }) {
			return " (." + strings.Join(one.path, ".") + ")"
		}
	}
	return ""
}

// members returns the tests of members that have to hold.
func members(m matcher) (list []inside) {
	switch m := m.(type) {
	case inside:
		return []inside{m}
	case allOf:
		for _, one := range m {
			list = append(list, members(one)...)
		}
	}
	return list
}
