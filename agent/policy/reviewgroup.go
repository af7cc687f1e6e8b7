package policy

import "slices"

// reviewGroup warns where a rule allows the group posting, and a limit of requests is about one of
// its operations: one request can hold many of these.
func (c *compiler) reviewGroup(r *rule, limits []*limit) {
	if r.section != allowSection || r.observe || r.ordered {
		return
	}
	for i := range r.entries {
		if e := &r.entries[i]; !e.group || len(e.says()) > 0 {
			continue
		}
		var said []*limit
		for _, name := range narrowGroup {
			l := c.requestsOf(r.only(&opEntry{name: name}), limits)
			if l == nil || slices.Contains(said, l) {
				continue
			}
			said = append(said, l)
			c.Warn(c.nodes[r], "%q lets %s through as often as fits one request: limit %q counts requests, and each "+
				"can hold many operations; say count in its place, or add count: 1 per request", r.name, name, l.name)
		}
	}
}

// requestsOf returns a limit that counts requests for the one operation of a rule, where no limit
// counts the operations.
func (c *compiler) requestsOf(r *rule, limits []*limit) *limit {
	e := &r.entries[0]
	names := func(l *limit) bool {
		return l.measure == measureRequests && slices.ContainsFunc(l.entries, func(one opEntry) bool {
			return one.name == e.name
		})
	}
	if !slices.ContainsFunc(limits, names) || !c.steps.left(len(limits)) {
		return nil
	}
	near := slices.DeleteFunc(slices.Clone(limits), func(l *limit) bool { return l.observe || !l.touches(r, e) })
	return (binding{r, e, near, &c.steps}).countsRequestsOf(false)
}
