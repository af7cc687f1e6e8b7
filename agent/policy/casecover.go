package policy

import (
	"fmt"
	"strings"
	"time"

	"pksa/protocol/sorts"
)

// Coverage is how much of a policy its cases prove: of each rule that it has a part in an answer,
// of each limit that it refuses, and of each test that a rule or limit writes down that it said yes
// and that it said no. A test is looked at where those in front of it said yes: apps, accounts,
// key, broadcast, then the operation or text, then fields, on_behalf_of and the time.
type Coverage struct {
	Covered int `json:"covered"`
	All     int `json:"all"`
	// Missing is what no case shows, in the order of the file.
	Missing []Uncovered `json:"missing,omitempty"`
}

// Uncovered is one thing that no case shows.
type Uncovered struct {
	RuleRef
	What string `json:"what"` // such as "transfer.to never says no"
}

// Percent returns which part is covered, rounded down; 100 of a policy that says nothing.
func (c *Coverage) Percent() int {
	if c.All == 0 {
		return 100
	}
	return 100 * c.Covered / c.All
}

// coverage is what cases have shown so far. A nil one takes and holds nothing.
type coverage struct {
	policy  *Policy
	met     map[string]bool // rules and limits that had a part in an answer
	refused map[string]bool // limits without room
	tests   []*ruleTests    // of all rules and limits, in the order of the file
}

// ruleTests are the tests of one rule.
type ruleTests struct {
	rule  *rule
	limit bool
	order []string
	seen  map[string]*[2]bool // whether a test said no, and yes
}

func (p *Policy) newCoverage() *coverage {
	c := &coverage{policy: p, met: map[string]bool{}, refused: map[string]bool{}}
	add := func(r *rule, limit bool) {
		t := &ruleTests{rule: r, limit: limit, seen: map[string]*[2]bool{}}
		t.look(nil, nil)
		c.tests = append(c.tests, t)
	}
	for _, r := range p.rules {
		add(r, false)
	}
	for _, l := range p.limits {
		add(&l.rule, true)
	}
	sorts.Stable(c.tests, func(a, b *ruleTests) int { return a.rule.line - b.rule.line })
	return c
}

// decided notes the limits that had no room.
func (c *coverage) decided(d *Decision) {
	if c == nil {
		return
	}
	for _, st := range d.Limits {
		if !st.Room {
			c.refused[st.Limit.Name] = true
		}
	}
}

// judged notes what the rules said of a request. What is refused whatever the file says shows
// nothing of the file.
func (c *coverage) judged(q *Request, r *Report, now time.Time) {
	for _, ref := range r.concerned() {
		c.met[ref.Name] = true
	}
	never, _ := q.NeverSigned()
	if refused, _ := q.refuse(); never != "" || refused != "" {
		return
	}
	parts := q.parts()
	s := newScope(q, parts, now)
	for _, t := range c.tests {
		for _, part := range parts {
			t.look(s, part)
		}
	}
}

// unmet returns the rules and limits that had no part in any answer. One that no case meets may
// never match, or match too much, and nobody would notice.
func (c *coverage) unmet() (refs []RuleRef) {
	for _, t := range c.tests {
		if !c.met[t.rule.name] {
			refs = append(refs, t.rule.ref())
		}
	}
	sorts.By(refs, compareRefs)
	return refs
}

func (c *coverage) result() (out Coverage) {
	count := func(t *ruleTests, shown bool, format string, args ...any) {
		if out.All++; shown {
			out.Covered++
			return
		}
		out.Missing = append(out.Missing, Uncovered{t.rule.ref(), fmt.Sprintf(format, args...)})
	}
	for _, t := range c.tests {
		count(t, c.met[t.rule.name], "no case meets it")
		if t.limit {
			count(t, c.refused[t.rule.name], "it never refuses")
		}
		for _, name := range t.order {
			count(t, t.seen[name][1], "%s never says yes", name)
			count(t, t.seen[name][0], "%s never says no", name)
		}
	}
	return out
}

// look goes through the tests of a rule as far as they say yes of a part. Without a part it notes
// which tests there are.
func (t *ruleTests) look(s *scope, p *part) {
	r := t.rule
	if p != nil && !r.kinds[p.kind] {
		return
	}
	for _, plain := range []struct {
		name string
		said bool
		on   condition
	}{
		{"apps", r.apps != nil, onApp},
		{"accounts", r.accounts != nil, onAccount},
		{"key", r.keysSaid, onKey},
		// In rules that permit, true is what is meant where nothing is said.
		{"broadcast", r.broadcast != nil && !(r.section.permits() && *r.broadcast), onBroadcast},
		{"transaction_by", r.exact != nil && !(r.section.permits() && !*r.exact), onMaker},
	} {
		ok := p != nil && r.plainCondition(s.request, p, plain.on)
		if plain.said {
			t.note(plain.name, p, ok)
		}
		if p != nil && !ok {
			return
		}
	}
	if !t.content(s, p) {
		return
	}
	if len(r.behalf) > 0 {
		t.note("on_behalf_of", p, p != nil && r.matchesActors(s.request, p))
	}
	if r.when.bounded() {
		t.note("the time", p, p != nil && r.when.includes(s.now))
	}
}

// content goes through the tests of operations or text. It reports whether the rule is about the
// part at all.
func (t *ruleTests) content(s *scope, p *part) bool {
	r := t.rule
	switch {
	case r.text != nil:
		t.walk(s, r.text, "text", valuesOf(p, (*part).textValue))
		return true
	case r.ordered:
		return t.transaction(s, p)
	case r.entries == nil:
		return true
	}
	about := p == nil
	for i := range r.entries {
		e := &r.entries[i]
		named := p != nil && e.names(r.section, p) && !(r.section.permits() && p.op.Takeover() &&
			(e.group || !r.takeover))
		t.note(e.name, p, named)
		if p == nil || named {
			about = true
			t.fields(s, e, e.name, p)
		}
	}
	return about
}

// transaction goes through the tests of a whole transaction.
func (t *ruleTests) transaction(s *scope, p *part) bool {
	r := t.rule
	same := p != nil && len(r.entries) == len(s.operations)
	for i := 0; same && i < len(r.entries); i++ {
		same = r.entries[i].names(r.section, s.operations[i])
	}
	t.note("transaction", p, same)
	if p != nil && !same {
		return false
	}
	for i := range r.entries {
		e, about := &r.entries[i], p
		if p != nil {
			about = s.operations[i]
		}
		t.fields(s, e, fmt.Sprintf("transaction %d %s", i+1, e.name), about)
	}
	return true
}

func (t *ruleTests) fields(s *scope, e *opEntry, name string, p *part) {
	for _, f := range e.fields {
		t.walk(s, f.matcher, name+"."+f.field, valuesOf(p, func(p *part) value { return p.field(f.field) }))
	}
}

func valuesOf(p *part, of func(*part) value) []value {
	if p == nil {
		return nil
	}
	return []value{of(p)}
}

// walk goes down to the tests that are no maps of others. Each is looked at for itself, with the
// values that it is about: a test of elements with all of them.
func (t *ruleTests) walk(s *scope, m matcher, name string, values []value) {
	switch m := m.(type) {
	case anything:
	case allOf:
		for _, one := range m {
			t.walk(s, one, name, values)
		}
	case inside:
		var reached []value
		for _, v := range values {
			reached = append(reached, m.reach(v))
		}
		t.walk(s, m.matcher, name+"."+strings.Join(m.path, "."), reached)
	case each:
		t.walk(s, m.matcher, name+" each", elements(values))
	case some:
		t.walk(s, m.matcher, name+" any", elements(values))
	default:
		t.noteMatcher(s, m, name+testWord(m), values)
	}
}

func elements(values []value) (all []value) {
	for _, v := range values {
		items, _ := v.list()
		all = append(all, items...)
	}
	return all
}

func (t *ruleTests) noteMatcher(s *scope, m matcher, name string, values []value) {
	t.note(name, nil, false)
	for _, v := range values {
		// As the rule takes it: doubt is no in rules that allow, and yes in all others.
		t.say(name, t.rule.hit(m.check(s, v)))
	}
}

// note notes what a test said of a part, or only that there is such a test.
func (t *ruleTests) note(name string, p *part, said bool) {
	if t.seen[name] == nil {
		t.seen[name] = &[2]bool{}
		t.order = append(t.order, name)
	}
	if p != nil {
		t.say(name, said)
	}
}

func (t *ruleTests) say(name string, said bool) {
	if said {
		t.seen[name][1] = true
	} else {
		t.seen[name][0] = true
	}
}

// testWord returns the key of a test behind its field, empty for a plain value.
func testWord(m matcher) string {
	switch m := m.(type) {
	case bound:
		if m.upper {
			return " max"
		}
		return " min"
	case aroundNow:
		return " within"
	case noneOf:
		return " not"
	case pattern:
		if m.glob {
			return " glob"
		}
		return " regexp"
	case filled:
		return strings.TrimSuffix(" "+m.form, " ")
	case isPresent:
		return " present"
	case onlyMembers:
		return " members"
	case exactly:
		return " exactly"
	case size:
		return " size"
	}
	return ""
}
