package policy

import (
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// freeMove is a move of tokens that is allowed, and that a limit leaves out which counts others.
type freeMove struct {
	move  tokenMove
	limit *limit
	why   string
}

// moveKind is what kinds of tokens are reviewed by: how they move, and which limits count them.
type moveKind struct {
	moves  []tokenMove
	counts func(*limit, tokenMove) bool
}

var ofTokens = moveKind{tokenMoves, (*limit).sums}

// uncountedPiece returns tokens that the entry lets through and that no limit counts, though one
// counts a part; nil if all are counted. Several limits may count all together, such as one for
// each symbol.
func (r *rule) uncountedPiece(kind moveKind, e *opEntry, limits []*limit, s *steps) *freeMove {
	near := slices.DeleteFunc(slices.Clone(limits), func(l *limit) bool { return !l.binds() })
	for _, piece := range (binding{rule: r, entry: e}).pieces() {
		if !s.left(stepsOf(near)) {
			return nil
		}
		piece.keys = map[hive.Role]bool{hive.Active: r.keys[hive.Active], hive.Posting: !r.keys[hive.Active]}
		for _, move := range kind.moves {
			if !r.makes(e, move) || !piece.mayMove(move, unknown) {
				continue
			}
			counting := slices.DeleteFunc(slices.Clone(near), func(l *limit) bool { return !kind.counts(l, move) })
			for _, element := range move.elements(piece.entries[0].testOf("json")) {
				if left := piece.free(move, element, counting); left != nil {
					return left
				}
			}
		}
	}
	return nil
}

// free returns what is left out of the elements that a test takes by limits that count the move,
// nil if they count all.
func (r *rule) free(move tokenMove, element matcher, limits []*limit) *freeMove {
	moving := r.moving(move, element)
	var left *freeMove
	var times []schedule
	for _, l := range limits {
		// Of many limits, one for each token, most count nothing here: it is enough to name one.
		if left != nil && l.of != nil && l.of.where != nil && apart(element, l.of.where) {
			continue
		}
		why := l.leavesOut(moving, element)
		switch {
		case l.ordered && !l.sameTransaction(r):
			why = "counts only one transaction"
		case why == "" && l.splitAtWill(moving, &moving.entries[0]):
			why = "has one counter for each value of a field that the app chooses"
		case why == "" && l.when.bounded():
			times, why = append(times, l.when), "counts only at its times, "+l.when.said()
		case why == "":
			return nil
		}
		if left == nil {
			left = &freeMove{move, l, why}
		}
	}
	if len(times) > 0 && boundAlways(r.when, times) {
		return nil
	}
	return left
}

// moving returns the rule for those operations only that make the move by an element.
func (r *rule) moving(move tokenMove, element matcher) *rule {
	e := &r.entries[0]
	fields := slices.DeleteFunc(slices.Clone(e.fields), func(f fieldMatcher) bool {
		return f.field == "id" || f.field == "json"
	})
	fields = append(fields, fieldMatcher{field: "id", matcher: equals{textValue(move.id)}},
		fieldMatcher{field: "json", matcher: allOf{e.testOf("json"), some{element}}})
	return r.only(&opEntry{e.name, e.group, fields})
}

// leavesOut returns what a limit does not count of a rule that makes a move by an element, nothing
// if it counts all.
func (l *limit) leavesOut(moving *rule, element matcher) string {
	if l.of != nil && l.of.where != nil && !within(element, l.of.where) {
		return "leaves out " + gap(element, l.of.where)
	}
	why := l.leaves(moving)
	if why == "" {
		return ""
	}
	for _, e := range l.entries {
		if test := ofElements(e.testOf("json")); e.name == "custom_json" && !within(element, test) {
			return "leaves out " + gap(element, test)
		}
	}
	return "counts only " + why
}

// testOf returns what the entry says about a field, which may be nothing.
func (e *opEntry) testOf(field string) matcher {
	if m := e.test(field); m != nil {
		return m
	}
	return anything{}
}

// elements splits what a rule takes as an element of its JSON that makes the move: by the values
// that its members may have.
func (m tokenMove) elements(json matcher) []matcher {
	one := m.json(unknown)
	fixed := allOf(fixedTests(one, nil))
	ways := splitWays(ofElements(json))
	var elements []matcher
	for _, way := range ways {
		if mayTakeSketch(way, one) {
			elements = append(elements, append(slices.Clone(fixed), way))
		}
	}
	return elements
}

// fixedTests returns tests of all texts that a move has.
func fixedTests(v value, path []string) (tests []matcher) {
	if v.kind == isText {
		return []matcher{inside{path, equals{v}}}
	}
	for name, member := range v.members {
		tests = append(tests, fixedTests(member, append(slices.Clone(path), name))...)
	}
	return tests
}

// splitWays splits a test into tests of which one takes what the whole takes: each value of a list
// becomes a test of its own. Where these would be too many, a list stays whole.
func splitWays(m matcher) []matcher {
	var ways []matcher
	switch m := m.(type) {
	case oneOf:
		for _, one := range m {
			ways = append(ways, splitWays(one)...)
		}
	case *literals:
		ways = m.list
	case inside:
		for _, one := range splitWays(m.matcher) {
			ways = append(ways, inside{m.path, one})
		}
	case allOf:
		ways = []matcher{allOf{}}
		for _, one := range m {
			parts := splitWays(one)
			if len(ways)*len(parts) > mostPieces {
				parts = []matcher{one}
			}
			ways = product(ways, parts)
		}
	}
	if len(ways) == 0 || len(ways) > mostPieces {
		return []matcher{m}
	}
	return ways
}

// product returns each of some tests together with each of others.
func product(ways, parts []matcher) (all []matcher) {
	for _, way := range ways {
		for _, part := range parts {
			all = append(all, append(slices.Clone(way.(allOf)), part))
		}
	}
	return all
}

// gap names a member by which a test refuses some of what is taken.
func gap(taken, test matcher) string {
	has := membersOf(taken, nil)
	for _, want := range membersOf(test, nil) {
		if within(taken, want) {
			continue
		}
		path := "." + strings.Join(want.path, ".")
		for _, own := range has {
			if one, ok := own.matcher.(equals); ok && slices.Equal(own.path, want.path) && !within(own, want) {
				return path + ": " + one.text
			}
		}
		return "what its test of " + path + " refuses"
	}
	return "what its test refuses"
}

// membersOf returns the tests of members that have all to match, by their whole paths.
func membersOf(m matcher, path []string) (tests []inside) {
	switch m := m.(type) {
	case allOf:
		for _, one := range m {
			tests = append(tests, membersOf(one, path)...)
		}
		return tests
	case inside:
		return membersOf(m.matcher, append(slices.Clone(path), m.path...))
	}
	if len(path) == 0 {
		return nil
	}
	return []inside{{path, m}}
}
