package policy

import "slices"

// A sketch is what an application writes for an action, as far as the action says: the members that
// it needs. It may have any others besides, since whoever reads it ignores those, or they are
// optional. A test is asked whether it may take the sketch with some of them.

// mayTakeSketch reports whether a test may take an object with at least the members of a sketch.
func mayTakeSketch(m matcher, v value) bool { return sketched(m, v) != no }

// sketched returns what a test says to a sketch: unclear where that depends on what stands beside.
func sketched(m matcher, v value) outcome {
	v = v.open()
	switch m := m.(type) {
	case allOf:
		worst := yes
		for _, one := range m {
			worst = min(worst, sketched(one, v))
		}
		return worst
	case oneOf:
		best := no
		for _, one := range m {
			best = max(best, sketched(one, v))
		}
		return best
	case noneOf:
		if v.kind != isAbsent {
			return sketched(m.matcher, v).not()
		}
	case inside:
		for i, name := range m.path {
			if _, has := v.members[name]; v.kind == isMap && !has {
				// Nothing is a member of an object more than any other value: null, or left out.
				return unclear
			}
			if v.kind == isText {
				// Text, such as the account that is paid, has nothing inside.
				return outcomeOn(inside{m.path[i:], m.matcher}, v)
			}
			v = v.member(name)
		}
		return sketched(m.matcher, v)
	case onlyMembers:
		if v.kind != isMap {
			return outcomeOn(m, v)
		}
		for name, member := range v.members {
			if !m[name] && member.kind != isAbsent {
				return no
			}
		}
		return unclear
	case each, some, exactly:
		return sketchedList(m, v)
	}
	return outcomeOn(m, v)
}

// sketchedList returns what a test of a list says to one whose elements are sketches.
func sketchedList(m matcher, v value) outcome {
	items, known := v.list()
	if known != yes {
		return known
	}
	found := func(one matcher) (worst, best outcome) {
		worst, best = yes, no
		for _, item := range items {
			is := sketched(one, item)
			worst, best = min(worst, is), max(best, is)
		}
		return worst, best
	}
	switch m := m.(type) {
	case each:
		if worst, _ := found(m.matcher); len(items) > 0 {
			return worst
		}
	case some:
		_, best := found(m.matcher)
		return best
	case exactly:
		worst := outcomeOf(len(items) == len(m))
		for i := range min(len(items), len(m)) {
			worst = min(worst, sketched(m[i], items[i]))
		}
		return worst
	}
	return no
}

// mostPlaces bounds at how many places of a list an action is tried.
const mostPlaces = 12

// takesJSON reports whether a test of JSON may take an action: alone, or in a list with others.
func takesJSON(m matcher, root value) bool {
	if root.kind == isList {
		return mayTakeSketch(m, root)
	}
	if !has(m, ofElement) && mayTakeSketch(m, root) {
		return true
	}
	longest := longestList(m)
	if longest == 0 {
		return false
	}
	for n := 1; n <= longest; n++ {
		for at := range n {
			items := slices.Repeat([]value{unknown}, n)
			items[at] = root
			if mayTakeSketch(m, inList(items...)) {
				return true
			}
		}
	}
	return false
}

// longestList returns how long a list has to be tried for a test that tells places or lengths; 0
// for one that takes a list only if it takes its elements.
func longestList(m matcher) int {
	longest := 0
	has(m, func(m matcher) bool {
		switch m := m.(type) {
		case size:
			longest = max(longest, 4)
			eachLeaf(m.matcher, func(leaf matcher) bool {
				for n := range mostPlaces {
					if takes(leaf, countValue(n+1)) {
						longest = max(longest, n+1)
						break
					}
				}
				return true
			})
		case exactly:
			longest = max(longest, len(m))
		case inside:
			if allDigits(m.path[0]) {
				longest = max(longest, 4)
			}
		}
		return false
	})
	return min(longest, mostPlaces)
}
