package policy

import (
	"slices"
	"time"
)

// Times that are shorter than what they are for. Whoever writes them means another unit.
const (
	shortestSession = time.Minute      // an application has to log in anew for each request
	shortestTimeout = 10 * time.Second // nobody reads a request, and says yes, in less
	shortestPace    = 3 * time.Second  // a block: what counts less bounds a burst
)

// reviewShort warns of times that are too short to be meant.
func (c *compiler) reviewShort(r *rule) {
	for _, one := range []struct {
		key             string
		given, shortest time.Duration
		why             string
	}{
		{"session", r.session, shortestSession, "a session ends before an app has used it; write 12h or 30d"},
		{"renew", r.renew, shortestSession, "no app comes back within that time; write 7d"},
		{"timeout", r.timeout, shortestTimeout, "nobody reads a request and answers in that time; write 50s"},
	} {
		if one.given > 0 && one.given < one.shortest {
			c.Warn(c.valueOfKey(r, one.key), "%s: with %s %s", one.key, windowText(one.given), one.why)
		}
	}
}

// reviewPace warns of a limit of how often that has new room every second or two. Of budgets, which
// have to be longer, another warning says it.
func (c *compiler) reviewPace(l *limit) {
	if l.observe || l.measure != measureCount && l.measure != measureRequests {
		return
	}
	short := func(q quota) bool { return q.window > 0 && q.window < shortestPace }
	if slices.ContainsFunc(l.quotas, short) && !slices.ContainsFunc(l.quotas, func(q quota) bool { return !short(q) }) {
		w := l.quotas[0].window
		c.Warn(c.nodes[&l.rule], "limit %q is for %s, and has the same room again after that: in a day %d times as "+
			"much; "+
			"write 1h or 24h, or add such a window", l.name, windowText(w), 24*time.Hour/w)
	}
}
