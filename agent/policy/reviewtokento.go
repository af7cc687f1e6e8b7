package policy

import (
	"slices"
	"strings"
)

// reviewReceivers warns where an entry of an allow rule lets tokens go to anybody inside of
// custom_json: a limit bounds how many, and not who gets them.
func (c *compiler) reviewReceivers(r *rule, rules []*rule) {
	if r.section != allowSection || r.observe {
		return
	}
	for i, n := range c.entryNodes(r) {
		e := &r.entries[i]
		// Of what allows every game, another warning says so.
		if e.name != "custom_json" || e.test("id") == nil || everyID(r, e) != "" {
			continue
		}
		var free []tokenMove
		for _, move := range slices.Concat(tokenMoves, nftMoves) {
			if move.pays() && r.makes(e, move) && !e.allOf(move) && r.lettingStrangers(e, move, rules) {
				free = append(free, move)
			}
		}
		if len(free) > 0 {
			c.Warn(c.entryName(n), "custom_json lets tokens go to anybody (%s), and a limit says how many, not to "+
				"whom; name who may get them, such as json: {%s: [bob]}", saying(free), free[0].to)
		}
	}
}

// allOf reports whether the entry lets all of Hive-Engine through, of which another warning says
// so.
func (e *opEntry) allOf(move tokenMove) bool {
	return e.test("json") == nil && move.json(unknown).members["contractName"].kind == isText
}

// lettingStrangers reports whether somebody whom no rule names may get what the entry moves.
func (r *rule) lettingStrangers(e *opEntry, move tokenMove, rules []*rule) bool {
	return slices.ContainsFunc(append(slices.Clone(strangers), "hive:zqxyk"), func(name string) bool {
		return e.mayMove(move, inJSON(name)) && !r.keptFromStranger(name, move, e, rules)
	})
}

// keptFromStranger reports whether at all times a deny rule, or one that asks a person, is about
// all moves of tokens to somebody whom no rule names that the entry lets through. One that is about
// another token, or about more of it, keeps nobody away.
func (r *rule) keptFromStranger(name string, move tokenMove, e *opEntry, rules []*rule) bool {
	elements := move.elements(e.testOf("json"))
	to := inside{strings.Split(strings.TrimPrefix(move.to, "."), "."), equals{inJSON(name)}}
	for i, element := range elements {
		elements[i] = allOf{element, to}
	}
	return r.keptFromSuch(move.id, move.json(inJSON(name)), rules, func(d *opEntry) bool {
		test := elementsDenied(d.testOf("json"))
		return every(elements, func(one matcher) bool { return within(one, test) })
	})
}

// keptFromMove reports whether deny rules match all that the entry lets through of a move at all
// times: what is never let through needs no limit.
func (r *rule) keptFromMove(move tokenMove, e *opEntry, rules []*rule) bool {
	near := slices.DeleteFunc(slices.Clone(rules), func(d *rule) bool {
		return d.section != denySection || d.observe || d.ordered || !d.mayMeet(r)
	})
	return len(near) > 0 && every(move.elements(e.testOf("json")), func(element matcher) bool {
		return len(r.only(e).moving(move, element).denied(near)) > 0
	})
}

// elementsDenied returns what a test of JSON in a deny rule says of an element that it denies.
func elementsDenied(m matcher) matcher {
	switch m := m.(type) {
	case some:
		return m.matcher
	case allOf:
		var list allOf
		for _, one := range m {
			list = append(list, elementsDenied(one))
		}
		return list
	}
	return ofElements(m)
}

// keptFromHolding reports whether at all times a deny rule, or one that asks a person, is about
// custom_json of an id that holds such an action.
func (r *rule) keptFromHolding(id string, root value, rules []*rule) bool {
	return r.keptFromSuch(id, root, rules, func(*opEntry) bool { return true })
}

// keptFromSuch reports the same of rules of which an entry is as said, besides.
func (r *rule) keptFromSuch(id string, root value, rules []*rule, is func(*opEntry) bool) bool {
	var times []schedule
	finds := func(d opEntry) bool { return d.mayFindHeld(id, root) && is(&d) }
	for _, other := range rules {
		guards := other.section == denySection || other.section == askSection && !other.onlyUncovered
		if guards && !other.observe && !other.ordered && other.mayMeet(r) && covers(other.apps, r.apps) &&
			covers(other.accounts, r.accounts) && (other.stopsAll() || slices.ContainsFunc(other.entries, finds)) {
			times = append(times, other.when)
		}
	}
	return len(times) > 0 && boundAlways(r.when, times)
}
