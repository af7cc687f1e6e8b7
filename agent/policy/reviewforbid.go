package policy

import (
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// reviewForbidden warns where a rule forbids much of one kind, and the same of another kind goes
// through: amounts of another asset, votes against a post.
func (c *compiler) reviewForbidden(r *rule, rules []*rule) {
	if r.observe || !r.evadable(rules) || r.ordered {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		if d, ok := hive.DefinitionOf(e.name); ok {
			for _, cost := range d.Spends {
				c.reviewOtherAsset(c.entryName(n), r, e, cost.Field, rules)
			}
		}
		c.reviewDeniedVotes(c.entryName(n), r, e, rules)
	}
}

// reviewOtherAsset warns where an entry forbids large amounts of one asset, and a rule lets any
// amount of another asset go.
func (c *compiler) reviewOtherAsset(n *yamlnode.Node, r *rule, e *opEntry, field string, rules []*rule) {
	m := e.test(field)
	if m == nil || has(m, isNegation) {
		return
	}
	var forbidden, free []string
	by := ""
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		large := assetValue(hive.Asset{Amount: much, Symbol: symbol})
		if e.fits(field, hive.Asset{Amount: 1, Symbol: symbol}) != nil {
			continue
		}
		if mayTake(m, large) {
			forbidden = append(forbidden, symbol.String())
		} else if other := c.passing(r, e, field, large, rules); other != nil {
			free, by = append(free, symbol.String()), other.name
		}
	}
	if len(forbidden) > 0 && len(free) > 0 {
		c.Warn(n, "%q %s much %s, and %q lets any amount of %s through: min of one asset says no to all others; write "+
			"a list with one min for each, such as %s: [{min: 100.000 HBD}, {min: 300.000 HIVE}]", r.name,
			forbids[r.section], strings.Join(forbidden, " and "), by, strings.Join(free, " and "), field)
	}
}

// reviewDeniedVotes warns where an entry forbids votes of a high weight, and a rule lets votes
// against a post go. Who forbids the low ones too may mean all votes for a post.
func (c *compiler) reviewDeniedVotes(n *yamlnode.Node, r *rule, e *opEntry, rules []*rule) {
	m, against := e.test("weight"), countValue(-10000)
	if e.name != "vote" || m == nil || has(m, isNegation) || !mayTake(m, countValue(10000)) ||
		mayTake(m, countValue(100)) || mayTake(m, against) {
		return
	}
	if other := c.passing(r, e, "weight", against, rules); other != nil {
		c.Warn(n, "%q %s votes of a high weight, and %q lets votes against a post through, down to -100%%: these are "+
			"below min; add {max: -1} beside it in a list, or say min: 0 there", r.name, forbids[r.section], other.name)
	}
}

// passing returns a rule that lets an operation through that an entry of this rule would forbid,
// were it not for the value of a field; nil if none does, or another rule forbids that.
func (c *compiler) passing(r *rule, e *opEntry, field string, v value, rules []*rule) *rule {
	rest, all := e.without(field), func(*opEntry) bool { return true }
	if r.names(e.name, field, v, all) {
		return nil
	}
	for _, other := range rules {
		meets := func(one *opEntry) bool { return !one.apart(other, rest) }
		if !c.steps.left(1) || !other.letsPast(r) || other.observe || !other.mayMeet(r) ||
			!other.names(e.name, field, v, meets) {
			continue
		}
		kept := c.steps.left(len(rules)) && slices.ContainsFunc(rules, func(d *rule) bool {
			return d != r && d.forbidsAs(r) && covers(d.apps, other.apps) && covers(d.accounts, other.accounts) &&
				!d.when.bounded() && (d.entries == nil || d.names(e.name, field, v, all))
		})
		if !kept && c.steps.left(0) {
			return other
		}
	}
	return nil
}

// names reports whether the rule has an entry about an operation with a value in one of its fields.
func (r *rule) names(operation, field string, v value, fits func(*opEntry) bool) bool {
	for i := range r.entries {
		one := &r.entries[i]
		if m := one.test(field); slices.Contains(one.mayName(r.section), operation) && (m == nil || mayTake(m, v)) &&
			fits(one) {
			return true
		}
	}
	return false
}

// without returns the entry without the test of a field.
func (e *opEntry) without(field string) *opEntry {
	return &opEntry{e.name, e.group, slices.DeleteFunc(slices.Clone(e.fields), func(f fieldMatcher) bool {
		return f.field == field
	})}
}
