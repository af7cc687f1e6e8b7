package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// mayMeet reports whether something can be a matter of both rules, by all that they say beside
// operations, texts and times.
func (r *rule) mayMeet(other *rule) bool {
	if r.broadcast != nil && other.broadcast != nil && *r.broadcast != *other.broadcast ||
		r.exact != nil && other.exact != nil && *r.exact != *other.exact {
		return false
	}
	return intersect(r.kinds, other.kinds) && intersect(r.apps, other.apps) && intersect(r.accounts, other.accounts) &&
		intersect(r.keys, other.keys)
}

// intersect reports whether two sets have something in common; nil is all.
func intersect[S ~map[K]bool, K comparable](a, b S) bool {
	if a == nil || b == nil {
		return true
	}
	for name, on := range a {
		if on && b[name] {
			return true
		}
	}
	return false
}

// subset reports whether all keys of a rule are among others; nil is all.
func subset(keys, of map[hive.Role]bool) bool {
	for role, on := range keys {
		if on && !of[role] {
			return false
		}
	}
	return keys != nil
}

// roles returns the roles of the keys that an operation of the entry can need where the rule
// matches it.
func (e *opEntry) roles(r *rule) []hive.Role {
	if e.group {
		role, _ := hive.ParseRole(e.name)
		return []hive.Role{role}
	}
	d, ok := hive.DefinitionOf(e.name)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(usableRoles(d), func(role hive.Role) bool {
		return r.section.permits() && r.keys != nil && !r.keys[role]
	})
}

// within reports whether an entry of a limit or a deny rule is about each operation that this entry
// of a rule which permits takes.
func (e *opEntry) within(r *rule, other *opEntry) bool {
	switch {
	case other.group:
		role, _ := hive.ParseRole(other.name)
		if slices.ContainsFunc(e.roles(r), func(own hive.Role) bool { return own != role }) {
			return false
		}
	case e.name != other.name:
		return false
	}
	return !slices.ContainsFunc(other.says(), func(f fieldMatcher) bool { return !e.testsWithin(f.field, f.matcher) })
}

// apart reports whether an entry of a limit or a deny rule is about no operation that this entry of
// a rule which permits takes.
func (e *opEntry) apart(r *rule, other *opEntry) bool {
	switch {
	case e.group || other.group:
		if !e.mayBe(r, other) {
			return true
		}
	case e.name != other.name:
		return true
	}
	return slices.ContainsFunc(other.fields, func(f fieldMatcher) bool {
		if paid := e.paid(); f.field == payeeField && paid != nil && apart(paid, f.matcher) {
			return true
		}
		return slices.ContainsFunc(e.fields, func(own fieldMatcher) bool {
			return own.field == f.field && apart(own.matcher, f.matcher)
		})
	})
}

// mayBe reports whether an operation can be meant by both entries, of which one is a group.
func (e *opEntry) mayBe(r *rule, other *opEntry) bool {
	mine, others := e.mayName(r.section), other.mayName(limitSection)
	return slices.ContainsFunc(mine, func(name string) bool {
		if other.group {
			role, _ := hive.ParseRole(other.name)
			return slices.Contains((&opEntry{name: name}).roles(r), role)
		}
		return slices.Contains(others, name)
	})
}

// sameTransaction reports whether a rule takes only such transactions that this one takes.
func (r *rule) sameTransaction(of *rule) bool {
	if !r.ordered || !of.ordered || len(r.entries) != len(of.entries) {
		return false
	}
	for i := range r.entries {
		if !of.entries[i].within(of, &r.entries[i]) {
			return false
		}
	}
	return true
}

// boundAlways reports whether at every time at which a rule holds one of the others does. What day
// it is does not matter: a policy must not begin to have errors because time passes.
func boundAlways(want schedule, others []schedule) bool {
	if slices.ContainsFunc(others, func(w schedule) bool { return !w.bounded() }) {
		return true
	}
	starts := []time.Time{want.from}
	for _, w := range others {
		for _, t := range []time.Time{w.from, w.until} {
			if t.After(want.from) {
				starts = append(starts, t)
			}
		}
	}
	for _, start := range starts {
		if !want.until.IsZero() && !start.Before(want.until) {
			continue
		}
		inForce := slices.DeleteFunc(slices.Clone(others), func(w schedule) bool {
			return !schedule{from: w.from, until: w.until}.includes(start)
		})
		if !want.weekly(inForce) {
			return false
		}
	}
	return true
}

// weekly reports whether at each hour of the week at which a schedule holds one of the others does.
func (w schedule) weekly(others []schedule) bool {
	minutes := []int{0}
	for _, one := range append(slices.Clone(others), w) {
		if one.hours != nil {
			minutes = append(minutes, one.hours.start, one.hours.end%(24*60))
		}
	}
	sunday := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	for day := range 7 {
		for _, minute := range minutes {
			at := sunday.AddDate(0, 0, day).Add(time.Duration(minute) * time.Minute)
			holds := func(w schedule) bool { return schedule{days: w.days, hours: w.hours}.includes(at) }
			if holds(w) && !slices.ContainsFunc(others, holds) {
				return false
			}
		}
	}
	return true
}

// said writes a schedule as the file does.
func (w schedule) said() string {
	var words []string
	if w.hours != nil {
		clock := func(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
		words = append(words, "hours: "+clock(w.hours.start)+"-"+clock(w.hours.end))
	}
	if w.days != nil {
		var days []string
		for i, name := range weekdays {
			if w.days[time.Weekday(i)] {
				days = append(days, name)
			}
		}
		words = append(words, "days: ["+strings.Join(days, ", ")+"]")
	}
	for key, t := range map[string]time.Time{"from": w.from, "until": w.until} {
		if !t.IsZero() {
			words = append(words, key+": "+t.Format(time.RFC3339))
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// text writes names as the file does.
func (n nameSet) text() string {
	var words []string
	for _, name := range n.sorted() {
		words = append(words, string(name))
	}
	return strings.Join(words, ", ")
}
