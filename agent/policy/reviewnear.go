package policy

import (
	"maps"
	"slices"

	"pksa/protocol/sorts"
)

// nearness is which limits may count what a rule permits by each of its entries. A limit for one
// recipient, as for one app, is found without a look at the others.
type nearness struct {
	limits  map[*rule][][]*limit // by rule that permits, for each of what it asks
	met     map[*limit]*meeting
	stopped bool // the file is too large: not all were compared
}

// meeting is what a limit counts of all rules that permit.
type meeting struct {
	met, free bool
	where     []matcher // what the rules say of the elements that are summed up
}

// reviewNear compares the rules that permit with the limits.
func (c *compiler) reviewNear(p *Policy) {
	c.near = nearness{limits: map[*rule][][]*limit{}, met: map[*limit]*meeting{}}
	shelves, order := index[*limit]{}, map[*limit]int{}
	for i, l := range p.limits {
		order[l], c.near.met[l] = i, &meeting{}
		for _, app := range namesOrAny(l.apps) {
			for _, operation := range l.operationNames() {
				shelves.put(indexKey{app: app, operation: operation}, &l.rule, l)
			}
		}
	}
	for _, r := range p.rules {
		if !r.section.permits() {
			continue
		}
		for _, e := range r.asked() {
			found := p.limits
			if r.apps != nil && e != nil && !e.group {
				found = shelves.near(r, e)
				sorts.By(found, func(a, b *limit) int { return order[a] - order[b] })
				found = slices.Compact(found)
			}
			if !c.steps.left(stepsOf(found)) {
				c.near.stopped = true
				return
			}
			var near []*limit
			for _, l := range found {
				if !l.touches(r, e) {
					continue
				}
				near = append(near, l)
				switch m := c.near.met[l]; {
				case l.costsNothing(r, e):
					m.free = true
				case l.of != nil:
					m.met, m.where = true, append(m.where, l.of.elements(r, e))
				default:
					m.met = true
				}
			}
			c.near.limits[r] = append(c.near.limits[r], near)
		}
	}
}

// stepsOf returns what it costs to compare something with each of some limits.
func stepsOf(limits []*limit) (n int) {
	for _, l := range limits {
		n += max(1, len(l.entries))
	}
	return n
}

// of returns the limits that may count something of an entry of a rule, and whether they were
// compared.
func (n *nearness) of(r *rule, i int) ([]*limit, bool) {
	if all := n.limits[r]; i < len(all) {
		return all[i], true
	}
	return nil, false
}

// near returns the limits that may be about an entry of a rule for certain apps, some of them
// twice.
func (x index[T]) near(r *rule, e *opEntry) (found []T) {
	for _, app := range append(slices.Collect(maps.Keys(r.apps)), "") {
		for _, operation := range []string{e.name, ""} {
			s := x[indexKey{app: app, operation: operation}]
			if s == nil {
				continue
			}
			found = append(found, s.open...)
			for field, rack := range s.racks {
				texts := textsOfAll([]*opEntry{e}, field)
				if texts == nil {
					found = append(found, rack.all...)
				}
				for text := range texts {
					found = append(found, rack.byText[text]...)
				}
			}
		}
	}
	return found
}
