package policy

import (
	"slices"
	"strings"

	"pksa/agent/yamlnode"
)

// place is one test of the file, with what is around it. The review of tests looks at places, one
// by one.
type place struct {
	rule    *rule
	entry   *opEntry // nil: the text of a challenge, or where of a sum
	field   string   // of the operation; for a text the key of the rule
	name    string   // what complaints call it: the field, or .the.member
	node    *yamlnode.Node
	shape   *shape
	matcher matcher
	whole   matcher   // all that is said about the same value
	beside  []matcher // the tests of the same map, this one too

	lists    map[string][]*yamlnode.Node // of the file
	rules    []*rule                     // of the file
	evadable bool                        // what evades the test is better off
	first    bool                        // the test is all that is said about the value
	negated  bool                        // it stands under not
	fills    bool                        // the version of the file fills names in
	filledIn bool                        // names stand in it for those of a request
	steps    *steps                      // of the file
}

// allows reports whether what fits the test is let through, and nobody looks at it.
func (p *place) allows() bool { return p.rule.section == allowSection }

// valueOfKey returns what stands under a key of a rule, nil if nothing does.
func (c *compiler) valueOfKey(r *rule, key string) *yamlnode.Node {
	for _, e := range c.nodes[r].Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// entryNodes returns where the entries of a rule stand.
func (c *compiler) entryNodes(r *rule) []*yamlnode.Node {
	for _, key := range []string{"operations", "transaction"} {
		if n := c.valueOfKey(r, key); n != nil {
			return n.Items
		}
	}
	return nil
}

// places calls a function for each test that the rule has of fields and of texts. The file has no
// errors, so each test stands where its node does.
func (c *compiler) places(r *rule, visit func(*place)) {
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		for k, f := range e.fields {
			p := &place{rule: r, entry: e, field: f.field, name: f.field, node: n.Entries[0].Value.Sorted()[k].Value,
				shape: e.shapeOf(f.field), matcher: f.matcher, whole: f.matcher, first: true, lists: c.lists,
				steps: &c.steps}
			p.walk(visit)
		}
	}
	if r.text != nil {
		p := &place{rule: r, field: "text", name: "text", node: c.valueOfKey(r, "text"), shape: documentShape,
			matcher: r.text, whole: r.text, first: true, lists: c.lists, steps: &c.steps}
		p.walk(visit)
	}
}

// shapeOf returns what is known about a field of the entry's operations.
func (e *opEntry) shapeOf(field string) *shape {
	if e.group {
		return accountsShape
	}
	return fieldsOf(e.name)[field]
}

// walk visits the test and all tests that it is made of. Matchers are made in the order in which
// nodes are sorted, so one leads through the other.
func (p *place) walk(visit func(*place)) {
	visit(p)
	switch p.node.Kind {
	case yamlnode.List:
		for i, one := range oneByOne(p.matcher) {
			p.part(p.node.Items[i], one).walk(visit)
		}
	case yamlnode.Map:
		tests, _ := p.matcher.(allOf)
		for i, e := range p.node.Sorted() {
			below := p.part(e.Key, tests[i])
			below.beside = tests
			below.enter(e, visit)
		}
	case yamlnode.Scalar:
		// The values of a list that is named here.
		if list, ok := p.matcher.(oneOf); ok {
			for _, one := range list {
				p.part(p.node, one).walk(visit)
			}
		}
	}
}

// oneByOne returns the tests of a list of which one has to match, nil if the test is none.
func oneByOne(m matcher) []matcher {
	switch m := m.(type) {
	case oneOf:
		return m
	case *literals:
		return m.list
	}
	return nil
}

// part returns the place of a test of the same value.
func (p *place) part(n *yamlnode.Node, m matcher) *place {
	below := *p
	below.node, below.matcher, below.beside, below.first = n, m, nil, false
	return &below
}

// enter visits the test of one key of a map, and what stands below.
func (p *place) enter(e yamlnode.Entry, visit func(*place)) {
	visit(p)
	switch m := p.matcher.(type) {
	case noneOf:
		below := p.part(e.Value, m.matcher)
		below.negated = true
		below.walk(visit)
	case inside:
		sh := p.shape
		for _, name := range m.path {
			sh, _ = sh.member(name)
		}
		p.other(e.Value, m.matcher, sh, "."+strings.Join(m.path, ".")).walk(visit)
	case each:
		p.other(e.Value, m.matcher, p.shape.elementShape(), p.name).walk(visit)
	case some:
		p.other(e.Value, m.matcher, p.shape.elementShape(), p.name).walk(visit)
	case size:
		p.other(e.Value, m.matcher, numberShape, "size").walk(visit)
	case exactly:
		for i, n := range e.Value.Items {
			sh := p.shape.elementShape()
			if t := p.shape.tuple; i < len(t) {
				sh = t[i]
			}
			p.other(n, m[i], sh, p.name).walk(visit)
		}
	}
}

// other returns the place of a test of another value: a member, an element.
func (p *place) other(n *yamlnode.Node, m matcher, sh *shape, name string) *place {
	below := p.part(n, m)
	below.whole, below.shape, below.name, below.first, below.negated = m, sh, name, true, false
	return below
}

// has reports whether one of the tests of a matcher, or of what it is made of, is of a kind. What
// lies inside the value is another value.
func has(m matcher, is func(matcher) bool) bool {
	if is(m) {
		return true
	}
	switch m := m.(type) {
	case noneOf:
		return has(m.matcher, is)
	case allOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return has(one, is) })
	case oneOf:
		return slices.ContainsFunc(m, func(one matcher) bool { return has(one, is) })
	case *literals:
		return slices.ContainsFunc(m.list, is)
	}
	return false
}

// outcomeOn returns what a test says to a value. Tests that compare with the request take nothing
// here.
func outcomeOn(m matcher, v value) outcome { return m.check(&scope{request: &Request{}}, v) }

// takes reports whether a test certainly takes a value.
func takes(m matcher, v value) bool { return outcomeOn(m, v) == yes }

// mayTake reports whether a test does not clearly refuse a value.
func mayTake(m matcher, v value) bool { return outcomeOn(m, v) != no }
