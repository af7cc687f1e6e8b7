package policy

import "slices"

// reviewBehind warns of limits that never refuse anything, since another one counts all of that,
// too, and has less room.
func (c *compiler) reviewBehind(limits []*limit) {
	if len(limits) > mostReviewed {
		return
	}
	for _, l := range limits {
		if l.observe || l.ordered {
			continue
		}
		for _, first := range limits {
			if first == l || first.observe || first.over || first.ordered || len(first.per) > 0 || !c.steps.left(1) {
				continue
			}
			q, ok := first.before(l)
			if !ok {
				continue
			}
			does := "refuses anything"
			if l.over {
				does = "asks"
			}
			c.Warn(c.nodes[&l.rule], "limit %q never %s: %q counts all of that, too, and has room for %s per %s at "+
				"most; "+
				"write less here, or more there", l.name, does, first.name, q.text, windowText(q.window))
			break
		}
	}
}

// before reports whether the limit has no room any more before another one has none, and returns
// the window by which that is so.
func (l *limit) before(later *limit) (by quota, ok bool) {
	if l.measure != later.measure && (l.measure != measureCount || later.measure != measureRequests) ||
		l.measure == measureSum || later.entries == nil && l.entries != nil {
		return quota{}, false
	}
	for _, q := range later.quotas {
		i := slices.IndexFunc(l.quotas, func(own quota) bool {
			return (own.unit == q.unit || l.measure != later.measure) && own.window >= q.window &&
				own.most.Cmp(q.most) < 0
		})
		if i < 0 {
			return quota{}, false
		}
		by = l.quotas[i]
	}
	if !boundAlways(later.when, []schedule{l.when}) {
		return quota{}, false
	}
	return by, !slices.ContainsFunc(later.asked(), func(e *opEntry) bool { return l.leaves(later.only(e)) != "" })
}
