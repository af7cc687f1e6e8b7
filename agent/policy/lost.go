package policy

import "slices"

// Lost returns the sections that held back requests in the old policy and hold back none in this
// one: "ask", "deny", "limits". A file that is being written looks like that, and lets more pass
// than any whole one.
func (p *Policy) Lost(old *Policy) []string {
	var lost []string
	for _, s := range []section{askSection, denySection, limitSection} {
		if old.holdsBack(s) && !p.holdsBack(s) {
			lost = append(lost, s.String())
		}
	}
	return lost
}

// holdsBack reports whether a section has anything that keeps an allowed request from passing.
func (p *Policy) holdsBack(s section) bool {
	if s == limitSection {
		return slices.ContainsFunc(p.limits, func(l *limit) bool { return !l.observe })
	}
	return slices.ContainsFunc(p.rules, func(r *rule) bool {
		return r.section == s && !r.observe && !r.onlyUncovered
	})
}
