package policy

import (
	"slices"
	"time"
)

// reviewTime warns of rules that hold no more, not yet for years, or at no time.
func (c *compiler) reviewTime(r *rule) {
	if u := r.when.until; !u.IsZero() {
		c.warnWhile(!c.options.Now.IsZero() && !c.options.Now.Before(u), c.nodes[r], "%q has expired: it held until %s",
			r.name, u.Format("2006-01-02T15:04:05Z"))
	}
	if f := r.when.from; !f.IsZero() {
		c.warnWhile(!c.options.Now.IsZero() && f.After(c.options.Now.AddDate(farYears, 0, 0)), c.valueOfKey(r, "from"),
			"%q does nothing before the year %d; is that the year?", r.name, f.Year())
	}
	if !r.when.meets(schedule{}) {
		c.Warn(c.nodes[r], "%q never holds: none of its hours and days lies between from and until", r.name)
	}
}

// farYears is how long before a rule begins to hold nobody writes it.
const farYears = 5

// meets reports whether there is an instant at which both schedules hold.
func (w schedule) meets(other schedule) bool {
	from, until := w.from, w.until
	if other.from.After(from) {
		from = other.from
	}
	if until.IsZero() || !other.until.IsZero() && other.until.Before(until) {
		until = other.until
	}
	switch {
	case from.IsZero() && until.IsZero():
		from = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC) // any day
	case from.IsZero():
		from = until.AddDate(0, 0, -8)
	}
	// Both begin to hold together when one of them does, and after a week all comes again.
	minutes := []int{0}
	for _, one := range []schedule{w, other} {
		if one.hours != nil {
			minutes = append(minutes, one.hours.start)
		}
	}
	at := []time.Time{from}
	midnight := from.UTC().Truncate(24 * time.Hour)
	for day := range 9 {
		for _, minute := range minutes {
			if t := midnight.AddDate(0, 0, day).Add(time.Duration(minute) * time.Minute); t.After(from) {
				at = append(at, t)
			}
		}
	}
	return slices.ContainsFunc(at, func(t time.Time) bool {
		return w.includes(t) && other.includes(t)
	})
}

// reviewIdle warns of a deny rule that denies nothing, in the hours that it is about: what no rule
// permits is denied anyway. Sessions that are made by hand need no such rule.
func (c *compiler) reviewIdle(r *rule, p *Policy) {
	if r.section != denySection || r.kinds[Auth] || r.silent || p.otherwise {
		return
	}
	permits := slices.DeleteFunc(slices.Clone(p.rules), func(other *rule) bool { return !other.section.permits() })
	near := slices.DeleteFunc(permits, func(other *rule) bool { return !other.mayMeet(r) })
	meets := func(other *rule) bool { return other.when.meets(r.when) }
	if r.when.meets(schedule{}) && len(near) > 0 && !slices.ContainsFunc(near, meets) {
		c.Warn(c.nodes[r], "%q denies nothing: it holds only when no rule of its apps and accounts does, and what no "+
			"rule permits is denied anyway; hours are in UTC", r.name)
	}
}
