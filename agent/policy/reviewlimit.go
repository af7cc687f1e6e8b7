package policy

import (
	"slices"

	"pksa/protocol/hive"
)

// reviewValue warns where a rule lets value go and no limit counts it.
func (c *compiler) reviewValue(r *rule, limits []*limit) {
	// A rule that asks has a person between itself and the money, and one that is only observed
	// lets nothing go.
	if r.section != allowSection || r.observe {
		return
	}
	for _, e := range r.entries {
		d, ok := hive.DefinitionOf(e.name)
		if !ok || len(d.Spends) == 0 {
			continue
		}
		counting := slices.DeleteFunc(slices.Clone(limits), func(l *limit) bool {
			return !l.counts(r, e.name, hive.Active)
		})
		switch {
		case len(counting) == 0:
			c.Warn(c.nodes[r], "%q lets %s spend without any limit", r.name, e.name)
		case !slices.ContainsFunc(counting, (*limit).overTime):
			c.Warn(c.nodes[r], "%q lets %s spend without any limit but per request, and an app may ask often; say how "+
				"much per 24h, too", r.name, e.name)
		case !slices.ContainsFunc(counting, func(l *limit) bool { return l.overTime() && !l.splitAtWill(&e) }):
			c.Warn(c.nodes[r], "%q lets %s spend without any limit but one for each value of a field that the rule "+
				"leaves free", r.name, e.name)
		}
	}
}

// reviewFreeCounters warns where a limit that counts no value has a new counter whenever the
// application wants one, and no other limit counts what the rule allows.
func (c *compiler) reviewFreeCounters(r *rule, limits []*limit) {
	if r.section != allowSection || r.observe {
		return
	}
	for _, e := range r.entries {
		role := hive.Active
		d, ok := hive.DefinitionOf(e.name)
		if ok && len(d.Spends) > 0 {
			continue // reviewValue has looked at it
		}
		if e.name == groupPosting || ok && d.OnlyPosting() {
			role = hive.Posting
		}
		counting := slices.DeleteFunc(slices.Clone(limits), func(l *limit) bool {
			return !l.counts(r, e.name, role) || !l.overTime()
		})
		if len(counting) == 0 || slices.ContainsFunc(counting, func(l *limit) bool { return !l.splitAtWill(&e) }) {
			continue
		}
		c.Warn(c.nodes[r], "%q lets %s through as often as the app likes: limit %q has one counter for each value "+
			"of a "+
			"field that the rule leaves free, and no limit counts all", r.name, e.name, counting[0].name)
	}
}

// counts reports whether the limit bounds what the rule allows of an operation, with the key of a
// role.
func (l *limit) counts(r *rule, operation string, role hive.Role) bool {
	// It has to count all that the rule allows: an app, an account or a way of sending that the
	// limit leaves out spends without it.
	if l.observe || !l.kinds[Sign] || !covers(l.apps, r.apps) || !covers(l.accounts, r.accounts) {
		return false
	}
	if l.keys != nil && !l.keys[role] || l.broadcast != nil && (r.broadcast == nil ||
		*l.broadcast != *r.broadcast) {
		return false
	}
	return l.entries == nil || slices.ContainsFunc(l.entries, func(e opEntry) bool {
		return e.name == operation || e.group && e.name == role.String()
	})
}

// overTime reports whether all that the limit names is bounded in some window of time, and not only
// in each request.
func (l *limit) overTime() bool {
	return !slices.ContainsFunc(l.quotas, func(q quota) bool {
		return !slices.ContainsFunc(l.quotas, func(other quota) bool {
			return other.unit == q.unit &&
				other.window > 0
		})
	})
}

// splitAtWill reports whether the application can choose a new counter for each operation: by a
// field that the entry leaves free.
func (l *limit) splitAtWill(e *opEntry) bool {
	return slices.ContainsFunc(l.per, func(d dimension) bool { return d.field != "" && !e.hasMatcher(d.field) })
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
