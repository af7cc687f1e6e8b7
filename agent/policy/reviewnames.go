package policy

import (
	"fmt"
	"regexp/syntax"
	"slices"
)

// nameSamples are names as accounts have them, by what they look like: of each length, with digits,
// with dashes, with dots. In each class one name begins with each letter.
var nameSamples = makeNames()

// longestName is how many characters the name of an account has at most, and shortestName at
// least.
const shortestName, longestName = 3, 16

func makeNames() (classes [][]string) {
	const others = "aeioubcdfghjklmnpqrstvwxyz"
	name := func(first, length int) string {
		text := []byte{letters[first]}
		for i := 1; i < length; i++ {
			text = append(text, others[(first*7+i*11+length*3)%len(others)])
		}
		return string(text)
	}
	for length := shortestName; length <= longestName; length++ {
		var plain []string
		for first := range letters {
			plain = append(plain, name(first, length))
		}
		classes = append(classes, plain)
	}
	var digits, dashes, dots []string
	for first := range letters {
		begin, end := name(first, 3+first%5), name(first, 3+first%3)
		digits = append(digits, fmt.Sprintf("%s%d", begin, first*37%1000))
		dashes = append(dashes, begin+"-"+end)
		dots = append(dots, begin+"."+end)
	}
	return append(classes, digits, dashes, dots)
}

// taken returns how many names of a class a test takes.
func taken(m matcher, names []string) (n int) {
	for _, name := range names {
		if takes(m, textValue(name)) {
			n++
		}
	}
	return n
}

// fewByChance is how many names of a class a test may take that is about certain names.
const fewByChance = 1

// widelyNamed finds a test of an account that takes most names of some form: it keeps nobody out
// who can choose a name.
func widelyNamed(p *place) string {
	receives := p.receives()
	// Who makes accounts says by a pattern how they are called.
	if !p.first || p.shape.kind != anAccount && !receives || p.entry == nil || !p.allows() || !p.patterned() ||
		p.field == newAccount[0] {
		return ""
	}
	most := 0
	for _, names := range nameSamples {
		most = max(most, taken(p.whole, names))
	}
	switch {
	case (p.getsPaid() || receives) && (most > fewByChance || p.manyNames()):
		return fmt.Sprintf("%s: this takes every account with a name of such a form, and anybody can create "+
			"one; name the accounts", p.name)
	case most >= len(letters)/2:
		return fmt.Sprintf("%s: this takes nearly every account with a name of such a form, so it keeps nobody out; "+
			"name the accounts, or leave %s out if it may be anybody", p.name, p.field)
	}
	return ""
}

// fewNames is how many names somebody may have looked at, one by one.
const fewNames = 40

// manyNames reports whether a pattern takes more names than that.
func (p *place) manyNames() bool {
	return slices.ContainsFunc(wantedPatterns(p.whole), func(m pattern) bool {
		re := m.written()
		return re != nil && howMany(re) > fewNames
	})
}

// howMany returns how many texts an expression takes, and no more than fewNames+1.
func howMany(re *syntax.Regexp) (n int) {
	n = 1
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return fewNames + 1
	case syntax.OpCharClass:
		n = 0
		for i := 0; i < len(re.Rune); i += 2 {
			n += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
	case syntax.OpQuest:
		n = 1 + howMany(re.Sub[0])
	case syntax.OpRepeat:
		for range re.Max {
			n = min(n*howMany(re.Sub[0]), fewNames+1)
		}
		if re.Max < 0 {
			n = fewNames + 1
		}
	case syntax.OpAlternate:
		n = 0
		for _, one := range re.Sub {
			n += howMany(one)
		}
	default:
		for _, one := range re.Sub {
			n = min(n*howMany(one), fewNames+1)
		}
	}
	return min(n, fewNames+1)
}

// patterned reports whether the test wants a pattern, of which nothing else is said.
func (p *place) patterned() bool {
	wanted := wantedPatterns(p.whole)
	return len(wanted) > 0 && !slices.ContainsFunc(wanted, func(m pattern) bool {
		return m.takesAll() || m.takesLines() || wildFront(p.part(p.node, m)) != ""
	})
}

// wantedPatterns returns the patterns that a value has to fit, one of them at least: not those that
// stand under not, or inside of the value.
func wantedPatterns(m matcher) (wanted []pattern) {
	switch m := m.(type) {
	case pattern:
		return []pattern{m}
	case filled:
		return wantedPatterns(m.sample)
	case allOf:
		for _, one := range m {
			wanted = append(wanted, wantedPatterns(one)...)
		}
	case oneOf:
		for _, one := range m {
			wanted = append(wanted, wantedPatterns(one)...)
		}
	}
	return wanted
}

// someNamesOnly finds a pattern of a rule that forbids which takes the names of some form, and not
// those of another that anybody can have.
func someNamesOnly(p *place) string {
	if !p.first || p.shape.kind != anAccount || p.entry == nil || !p.evadable || has(p.whole, isNegation) ||
		len(wantedPatterns(p.whole)) == 0 {
		return ""
	}
	free, most := "", 0
	for _, names := range nameSamples {
		n := taken(p.whole, names)
		if most = max(most, n); n == 0 {
			free = names[0]
		}
	}
	if free == "" || most < len(letters)/2 {
		return ""
	}
	return fmt.Sprintf("%s: in %s, this takes most names and not such as %s: names have 3 to 16 small letters, "+
		"digits, - and dots; leave %s out for all of them", p.name, p.rule.section, quote(free), p.field)
}
