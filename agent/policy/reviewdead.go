package policy

import (
	"fmt"
	"slices"

	"pksa/agent/yamlnode"
)

// What is written and changes nothing, since something beside it takes all of that. Whoever wrote
// it believes that it narrows the other.

// mostReviewed is how many rules of a file, or entries of a rule, are compared with each other. Who
// has more lets a program write them.
const mostReviewed = 300

// reviewCovered warns of entries of a rule with tests of their own that another entry takes whole.
// A rule that forbids or counts loses nothing by it.
func (c *compiler) reviewCovered(r *rule) {
	if !r.section.permits() || r.ordered || len(r.entries) > mostReviewed {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		for j := range r.entries {
			other := &r.entries[j]
			// Of two that are the same the second one is too much.
			if i == j || len(e.says()) == 0 || !e.coveredBy(r, r, other) || other.coveredBy(r, r, e) && i < j {
				continue
			}
			c.Warn(c.entryName(n), "%s here changes nothing: one entry is enough, and another one of %q takes all of "+
				"it; narrow that one, or take this one out", e.name, r.name)
			break
		}
	}
}

// coveredBy reports whether an entry of another rule surely matches whatever this entry of a rule
// does. The rules may be the same one.
func (e *opEntry) coveredBy(r, by *rule, other *opEntry) bool {
	// Where it allows, a group is less than its key can sign, which is what it is where it asks.
	if other.group && by.section == allowSection && !slices.Contains(inGroupAlways, e.name) &&
		!(e.group && r.section == allowSection) {
		return false
	}
	return e.within(r, other) && (r.section == allowSection || !r.doubtful(e, &rule{entries: []opEntry{*other}}))
}

// inGroupAlways are the operations of the group posting of which it allows all, whatever they do.
var inGroupAlways = []string{"vote", "comment", "delete_comment", "claim_reward_balance"}

// reviewNarrower warns of a rule that allows only what another rule allows, too.
func (c *compiler) reviewNarrower(r *rule, rules []*rule) {
	if !r.narrows() || r.tell || len(rules) > mostReviewed {
		return
	}
	for i, other := range rules {
		// Of two that are the same the second one is too much.
		if other == r || !other.narrows() || !other.allowsAll(r) ||
			r.allowsAll(other) && i > slices.Index(rules, r) {
			continue
		}
		c.Warn(c.nodes[r], "%q allows nothing that %q does not allow, too: a rule takes nothing away from another; "+
			"narrow that one, or take this one out", r.name, other.name)
		return
	}
}

// reviewUnasked warns of a rule that asks about what no rule allows, where a rule allows all of it.
func (c *compiler) reviewUnasked(r *rule, rules []*rule) {
	if r.section != askSection || !r.onlyUncovered || r.observe || r.ordered || r.takeover || r.kinds[Auth] ||
		len(rules) > mostReviewed {
		return
	}
	var by *rule
	for _, e := range r.asked() {
		i := slices.IndexFunc(rules, func(other *rule) bool { return other.narrows() && other.allowsAll(r.only(e)) })
		if i < 0 || e == nil && r.text != nil {
			return // what is unclear is asked about
		}
		by = rules[i]
	}
	c.Warn(c.nodes[r], "%q never asks: %q allows all that it is about, and with only: uncovered a rule asks about "+
		"what no other one allows; take only out, or narrow that rule", r.name, by.name)
}

// narrows reports whether a rule does nothing else than to allow something. One for a login also
// says how long its sessions are.
func (r *rule) narrows() bool {
	return r.section == allowSection && !r.observe && !r.ordered && !r.takeover && !r.kinds[Auth]
}

// allowsAll reports whether a rule allows at each time all that another one allows.
func (r *rule) allowsAll(other *rule) bool {
	return boundAlways(other.when, []schedule{r.when}) && !slices.ContainsFunc(other.asked(), func(e *opEntry) bool {
		return r.leaves(other.only(e)) != "" || e != nil && !slices.ContainsFunc(r.entries, func(own opEntry) bool {
			return e.coveredBy(other, r, &own)
		})
	})
}

// oneIsEnough finds a list of tests that was meant as tests of which all have to fit: one of them
// takes all of another, or two of them take everything.
func oneIsEnough(p *place) string {
	list, ok := p.matcher.(oneOf)
	if !ok || p.node.Kind != yamlnode.List || len(list) > mostPieces {
		return ""
	}
	for i, one := range list {
		for j, other := range list {
			tests := p.node.Items[i].Kind == yamlnode.Map && p.node.Items[j].Kind == yamlnode.Map
			if i < j && !tests && takeAll(one, other) {
				return fmt.Sprintf("%s: in a list one test is enough, and one of these takes whatever the other one "+
					"does not, so everything fits; leave %[1]s out if it may be anything", p.name)
			}
			// A value beside a test that takes it is no more than too much.
			if i == j || !tests {
				continue
			}
			switch {
			case i < j && takeAll(one, other):
				return fmt.Sprintf("%s: in a list one test is enough, and one of these two takes whatever the other "+
					"one does not; where both have to fit, write them into one map, and under one not", p.name)
			case p.rule.section.permits() && within(one, other) && !(within(other, one) && i < j) && !comparesJSON(p):
				return fmt.Sprintf("%s: in a list one test is enough, and one of these takes all that another one "+
					"takes, which so changes nothing; where both have to fit, write them into one map", p.name)
			}
		}
	}
	return ""
}

// comparesJSON reports whether what cannot be read may fit one test and not another, in a rule for
// which that counts.
func comparesJSON(p *place) bool { return !p.allows() && (p.shape.hasMembers() || p.shape.absent) }

// takeAll reports whether of two tests one takes whatever the other one does not: of the assets and
// kinds that they are about.
func takeAll(a, b matcher) bool {
	if one, ok := theOne(a).(noneOf); ok {
		if other, ok := theOne(b).(noneOf); ok {
			return apart(one.matcher, other.matcher)
		}
		return within(one.matcher, b)
	}
	if _, ok := theOne(b).(noneOf); ok {
		return takeAll(b, a)
	}
	low, ok := theOne(a).(bound)
	high, both := theOne(b).(bound)
	if !ok || !both || low.upper == high.upper {
		return false
	}
	if low.upper {
		low, high = high, low
	}
	order, known := compareBound(low.limit, high.limit)
	return known == yes && order >= 0
}

// theOne returns the one test of a map.
func theOne(m matcher) matcher {
	if all, ok := m.(allOf); ok && len(all) == 1 {
		return all[0]
	}
	return m
}
