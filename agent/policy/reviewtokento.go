package policy

import "slices"

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
		return e.mayMove(move, inJSON(name)) && !r.keptFromStranger(name, move, rules)
	})
}

// keptFromStranger reports whether at all times a deny rule, or one that asks a person, is about
// the move of tokens to somebody whom no rule names.
func (r *rule) keptFromStranger(name string, move tokenMove, rules []*rule) bool {
	return r.keptFromHolding(move.id, move.json(inJSON(name)), rules)
}

// keptFromHolding reports whether at all times a deny rule, or one that asks a person, is about
// custom_json of an id that holds such an action.
func (r *rule) keptFromHolding(id string, root value, rules []*rule) bool {
	var times []schedule
	for _, other := range rules {
		guards := other.section == denySection || other.section == askSection && !other.onlyUncovered
		if guards && !other.observe && !other.ordered && other.mayMeet(r) && covers(other.apps, r.apps) &&
			covers(other.accounts, r.accounts) && (other.stopsAll() || other.mayFindHeld(id, root)) {
			times = append(times, other.when)
		}
	}
	return len(times) > 0 && boundAlways(r.when, times)
}
