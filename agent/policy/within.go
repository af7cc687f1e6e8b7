package policy

import (
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// The review compares tests with tests, to tell what a rule can never do. Both questions are
// answered with true only if it is certain for every value; false says "perhaps not".

// within reports whether b says yes to each value to which a says yes.
func within(a, b matcher) bool {
	switch b := b.(type) {
	case anything:
		return true
	case allOf:
		return every(b, func(one matcher) bool { return within(a, one) })
	}
	// Before the comparison of the whole: a list of names may be long.
	switch a := a.(type) {
	case oneOf:
		return every(a, func(one matcher) bool { return within(one, b) })
	case *literals:
		return every(a.list, func(one matcher) bool { return within(one, b) })
	}
	if sameTest(a, b) {
		return true
	}
	if list, ok := b.(each); ok && isObject(a) && within(a, list.matcher) {
		return true
	}
	switch a := a.(type) {
	case allOf:
		return slices.ContainsFunc(a, func(one matcher) bool { return within(one, b) })
	case equals:
		return independent(b) && b.check(new(scope), a.value) == yes
	case pattern:
		if text, ok := a.onlyText(); ok {
			return within(equals{textValue(text)}, b)
		}
	}
	switch b := b.(type) {
	case oneOf:
		return slices.ContainsFunc(b, func(one matcher) bool { return within(a, one) })
	case noneOf:
		if not, ok := a.(noneOf); ok {
			return refuses(not.matcher, b.matcher)
		}
		// What is absent is neither equal nor different.
		return !takesAbsent(a) && apart(a, b.matcher)
	case pattern:
		return takesWhatBegins(a, b)
	case bound:
		one, ok := a.(bound)
		return ok && one.upper == b.upper && b.check(new(scope), one.limit) == yes
	case inside:
		one, ok := a.(inside)
		return ok && along(one, b, within)
	case aroundNow:
		one, ok := a.(aroundNow)
		return ok && one.span <= b.span
	case isPresent:
		return bool(b) && !takesAbsent(a)
	case onlyMembers:
		one, ok := a.(onlyMembers)
		return ok && b.has(one)
	}
	return withinList(a, b)
}

// sameTest reports whether two tests are written alike. Names that are filled in are those of one
// request.
func sameTest(a, b matcher) bool {
	if one, ok := a.(filled); ok {
		other, ok := b.(filled)
		return ok && one.form == other.form && one.source == other.source
	}
	// What differs by its first words needs no look at the rest: of thousands of rules most do.
	switch a := a.(type) {
	case inside:
		b, ok := b.(inside)
		return ok && slices.Equal(a.path, b.path) && sameTest(a.matcher, b.matcher)
	case allOf:
		b, ok := b.(allOf)
		return ok && len(a) == len(b) && pairs(exactly(a), exactly(b), sameTest) == len(a)
	case equals:
		if b, ok := b.(equals); !ok || a.kind != b.kind || a.text != b.text {
			return false
		}
	case pattern:
		b, ok := b.(pattern)
		return ok && a.source == b.source && a.glob == b.glob
	}
	return reflect.DeepEqual(a, b)
}

// isObject reports whether a test takes objects alone, by a member that it wants. An object that
// stands alone counts as a list of itself.
func isObject(a matcher) bool {
	switch a := a.(type) {
	case inside:
		return !allDigits(a.path[0]) && !takesAbsent(a.matcher)
	case onlyMembers:
		return true
	case allOf:
		return slices.ContainsFunc(a, isObject)
	}
	return false
}

// withinList compares tests of whole lists.
func withinList(a, b matcher) bool {
	switch b := b.(type) {
	case each:
		switch a := a.(type) {
		case each:
			return within(a.matcher, b.matcher)
		case exactly:
			return len(a) > 0 && every(a, func(one matcher) bool { return within(one, b.matcher) })
		}
	case some:
		switch a := a.(type) {
		case each:
			return within(a.matcher, b.matcher)
		case some:
			return within(a.matcher, b.matcher)
		case exactly:
			return slices.ContainsFunc(a, func(one matcher) bool { return within(one, b.matcher) })
		}
	case exactly:
		one, ok := a.(exactly)
		return ok && len(one) == len(b) && pairs(one, b, within) == len(b)
	case size:
		switch a := a.(type) {
		case size:
			return within(a.matcher, b.matcher)
		case exactly:
			return independent(b) && b.matcher.check(new(scope), countValue(len(a))) == yes
		case each, some:
			return within(atLeastOne, b.matcher)
		}
	}
	return false
}

// atLeastOne is how many elements a list has of which a test looked at one.
var atLeastOne = bound{countValue(1), false}

// apart reports whether b says no to each value to which a says yes.
func apart(a, b matcher) bool {
	switch b := b.(type) {
	case oneOf:
		return every(b, func(one matcher) bool { return apart(a, one) })
	case allOf:
		return slices.ContainsFunc(b, func(one matcher) bool { return apart(a, one) })
	case *literals:
		if _, ok := a.(*literals); !ok {
			return every(b.list, func(one matcher) bool { return apart(a, one) })
		}
	}
	switch a := a.(type) {
	case oneOf:
		return every(a, func(one matcher) bool { return apart(one, b) })
	case *literals:
		return every(a.list, func(one matcher) bool { return apart(one, b) })
	case allOf:
		return slices.ContainsFunc(a, func(one matcher) bool { return apart(one, b) })
	case equals:
		return independent(b) && b.check(new(scope), a.value) == no
	case isPresent:
		present, ok := b.(isPresent)
		return !bool(a) && refusesAbsent(b) || bool(a) && ok && !bool(present)
	case noneOf:
		return refuses(a.matcher, b)
	}
	switch b := b.(type) {
	case noneOf:
		return !takesAbsent(a) && within(a, b.matcher)
	case isPresent:
		return !bool(b) && !takesAbsent(a)
	case inside:
		return insideApart(a, b)
	case onlyMembers:
		one, ok := a.(inside)
		// A number may lead to an element of a list, which has no members.
		return ok && !b[one.path[0]] && !allDigits(one.path[0]) && !takesAbsent(one.matcher)
	case bound:
		one, ok := a.(bound)
		return ok && boundsApart(one, b)
	}
	return patternsApart(a, b) || listsApart(a, b) || isObject(a) && objectApart(a, b)
}

// objectApart compares an object with a test of a list.
func objectApart(a, b matcher) bool {
	switch b := b.(type) {
	case each:
		return apart(a, b.matcher)
	case some:
		return apart(a, b.matcher)
	}
	return false
}

// boundsApart reports whether nothing lies between two bounds, or they are of two assets.
func boundsApart(a, b bound) bool {
	order, known := compareBound(a.limit, b.limit)
	if known == no {
		return a.limit.kind == isAsset && b.limit.kind == isAsset
	}
	return known == yes && a.upper != b.upper && (a.upper && order > 0 || b.upper && order < 0)
}

// insideApart compares what lies along one path, or a member with the list of members.
func insideApart(a matcher, b inside) bool {
	switch a := a.(type) {
	case inside:
		return along(a, b, apart)
	case onlyMembers:
		return !a[b.path[0]] && refusesAbsent(b.matcher)
	}
	return false
}

// patternsApart compares patterns with values and with each other.
func patternsApart(a, b matcher) bool {
	p, ok := a.(pattern)
	if !ok {
		return false
	}
	switch b := b.(type) {
	case equals:
		// A number has many texts.
		return b.kind == isText && !p.MatchString(b.text)
	case pattern:
		one, other := p.begins(), b.begins()
		return !strings.HasPrefix(one, other) && !strings.HasPrefix(other, one)
	}
	return false
}

// listsApart compares tests of whole lists.
func listsApart(a, b matcher) bool {
	switch a := a.(type) {
	case each:
		switch b := b.(type) {
		case each:
			return apart(a.matcher, b.matcher)
		case some:
			return apart(a.matcher, b.matcher)
		case exactly:
			return len(b) == 0 || slices.ContainsFunc(b, func(one matcher) bool { return apart(a.matcher, one) })
		case size:
			return apart(atLeastOne, b.matcher)
		}
	case some:
		switch b := b.(type) {
		case each:
			return apart(a.matcher, b.matcher)
		case exactly:
			return every(b, func(one matcher) bool { return apart(a.matcher, one) })
		case size:
			return apart(atLeastOne, b.matcher)
		}
	case exactly:
		return exactlyApart(a, b)
	case size:
		switch b := b.(type) {
		case size:
			return apart(a.matcher, b.matcher)
		case exactly:
			return apart(a.matcher, equals{countValue(len(b))})
		case each, some:
			return apart(a.matcher, atLeastOne)
		}
	}
	return false
}

func exactlyApart(a exactly, b matcher) bool {
	switch b := b.(type) {
	case each:
		return len(a) == 0 || slices.ContainsFunc(a, func(one matcher) bool { return apart(one, b.matcher) })
	case some:
		return every(a, func(one matcher) bool { return apart(one, b.matcher) })
	case exactly:
		return len(a) != len(b) || pairs(a, b, apart) > 0
	case size:
		return independent(b) && b.matcher.check(new(scope), countValue(len(a))) == no
	}
	return false
}

// refuses reports whether b says no wherever x does. It looks at values, bounds and patterns, which
// are what a negation takes.
func refuses(x, b matcher) bool {
	switch b := b.(type) {
	case oneOf:
		return every(b, func(one matcher) bool { return refuses(x, one) })
	case *literals:
		return every(b.list, func(one matcher) bool { return refuses(x, one) })
	case allOf:
		return slices.ContainsFunc(b, func(one matcher) bool { return refuses(x, one) })
	}
	if sameTest(x, b) {
		return true
	}
	switch x := x.(type) {
	case oneOf:
		return slices.ContainsFunc(x, func(one matcher) bool { return refuses(one, b) })
	case *literals:
		one, ok := b.(equals)
		return ok && one.kind == isText && x.texts[one.text]
	case bound:
		one, ok := b.(bound)
		return ok && one.upper == x.upper && x.check(new(scope), one.limit) == yes
	}
	return false
}

// takesWhatBegins reports whether a glob of the form "begin*" takes all that a pattern takes.
func takesWhatBegins(a matcher, b pattern) bool {
	begin, ok := strings.CutSuffix(b.source, "*")
	one, isPattern := a.(pattern)
	return ok && isPattern && b.glob && !strings.ContainsAny(begin, "*?") && strings.HasPrefix(one.begins(), begin)
}

// onlyText returns the one text that the pattern takes, if it takes no other.
func (m pattern) onlyText() (string, bool) {
	text := m.source
	if !m.glob {
		re := m.parsed()
		if re == nil || re.Op != syntax.OpLiteral {
			return "", false
		}
		text = string(re.Rune)
	}
	return text, m.oneText() && m.MatchString(text)
}

// begins returns what every text begins with that the pattern takes.
func (m pattern) begins() string {
	if m.glob {
		if i := strings.IndexAny(m.source, "*?"); i >= 0 {
			return m.source[:i]
		}
		return m.source
	}
	re, err := regexp.Compile(`(?s:` + m.source + `)`)
	if err != nil {
		return ""
	}
	begin, _ := re.LiteralPrefix()
	return begin
}

// has reports whether all members of another list are in this one.
func (m onlyMembers) has(other onlyMembers) bool {
	for name := range other {
		if !m[name] {
			return false
		}
	}
	return true
}

// takesAbsent reports whether the test may say yes to what is absent.
func takesAbsent(m matcher) bool { return !ofValue(m) || m.check(new(scope), value{}) == yes }

// refusesAbsent reports whether the test says no to what is absent.
func refusesAbsent(m matcher) bool { return ofValue(m) && m.check(new(scope), value{}) == no }

// independent reports whether the answer of a test depends on the value alone, and neither on
// anything else of the request nor on the clock.
func independent(m matcher) bool {
	return everyPiece(m, func(one matcher) bool {
		switch one.(type) {
		case isAccount, isActor, filled, sameAs, aroundNow:
			return false
		}
		return true
	})
}

// ofValue reports whether the answer of a test depends on nothing of the request but the value. On
// the clock it may depend: to what is absent, each time is the same.
func ofValue(m matcher) bool {
	return everyPiece(m, func(one matcher) bool {
		switch one.(type) {
		case isAccount, isActor, filled, sameAs:
			return false
		}
		return true
	})
}

// everyPiece reports whether all that a test is made of, at whatever depth, is of a kind.
func everyPiece(m matcher, is func(matcher) bool) bool {
	all := func(one matcher) bool { return everyPiece(one, is) }
	switch m := m.(type) {
	case noneOf:
		return all(m.matcher)
	case inside:
		return all(m.matcher)
	case each:
		return all(m.matcher)
	case some:
		return all(m.matcher)
	case size:
		return all(m.matcher)
	case allOf:
		return every(m, all)
	case oneOf:
		return every(m, all)
	case exactly:
		return every(m, all)
	}
	return is(m)
}

// along compares what two paths lead to, if one is the beginning of the other.
func along(a, b inside, compare func(a, b matcher) bool) bool {
	n := min(len(a.path), len(b.path))
	for i := range n {
		if a.path[i] != b.path[i] {
			return false
		}
	}
	return compare(rest(a, n), rest(b, n))
}

// rest returns what is tested behind the first n names of the path.
func rest(m inside, n int) matcher {
	if len(m.path) == n {
		return m.matcher
	}
	return inside{m.path[n:], m.matcher}
}

func pairs(a, b exactly, compare func(a, b matcher) bool) (n int) {
	for i := range a {
		if compare(a[i], b[i]) {
			n++
		}
	}
	return n
}

func every[S ~[]matcher](list S, is func(matcher) bool) bool {
	return !slices.ContainsFunc(list, func(one matcher) bool { return !is(one) })
}
