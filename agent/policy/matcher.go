package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// matcher is a compiled condition on one value. It keeps nothing between calls.
type matcher interface {
	check(s *scope, v value) outcome
}

// scope is one judgement: what rules and matchers may look at besides their part or value.
type scope struct {
	request      *Request
	now          time.Time
	clock        steady             // how long what tests said of the clock stays so; known if one was asked
	operations   []*part            // for $1.permlink and transactions
	actors       []hive.AccountName // of the part at hand, for $actor
	others       int                // in the name of how many accounts beside its own the request acts
	patterns     map[string]pattern // that were made of names of the request; nil once it is judged
	transactions map[*rule]transactionMatch
}

// anything matches every value.
type anything struct{}

func (anything) check(*scope, value) outcome { return yes }

// allOf is a map of conditions, all of which have to match: no before unclear before yes.
type allOf []matcher

func (m allOf) check(s *scope, v value) outcome {
	worst := yes
	for _, one := range m {
		worst = min(worst, one.check(s, v))
		if worst == no {
			break
		}
	}
	return worst
}

// oneOf is a list of conditions, one of which has to match: yes before unclear before no.
type oneOf []matcher

func (m oneOf) check(s *scope, v value) outcome {
	best := no
	for _, one := range m {
		best = max(best, one.check(s, v))
		if best == yes {
			break
		}
	}
	return best
}

// fewLiterals is how many plain values are compared one by one: for so few, that is as fast as
// looking them up.
const fewLiterals = 8

// literals is oneOf for many texts and numbers. It finds what oneOf finds, and takes the same time
// for a hundred thousand names as for ten.
type literals struct {
	list        oneOf // as they stand in the file
	texts       map[string]bool
	textNumbers map[decimal]bool // texts that are numbers, too
	numbers     map[decimal]bool
}

// anyOf returns a matcher for a list of conditions, one of which has to match.
func anyOf(list oneOf) matcher {
	if len(list) <= fewLiterals {
		return list
	}
	m := &literals{list, map[string]bool{}, map[decimal]bool{}, map[decimal]bool{}}
	for _, one := range list {
		e, plain := one.(equals)
		switch {
		case plain && e.kind == isText:
			m.texts[e.text] = true
			if d, ok := parseDecimal(e.text); ok {
				m.textNumbers[d] = true
			}
		case plain && e.kind == isNumber:
			m.numbers[e.number] = true
		default:
			return list
		}
	}
	return m
}

// check compares with all values at once, as compareEqual does with one.
func (m *literals) check(s *scope, v value) outcome {
	switch v.kind {
	case isAbsent:
		return no
	case isUnreadable, isList, isMap:
		return unclear
	case isText:
		if m.texts[v.text] {
			return yes
		}
		if len(m.numbers) == 0 {
			return no
		}
		d, ok := parseDecimal(v.text)
		return outcomeOf(ok && m.numbers[d])
	case isNumber:
		switch {
		case !v.odd && m.numbers[v.number]:
			return yes
		case v.odd && len(m.numbers)+len(m.textNumbers) > 0, m.textNumbers[v.number], m.texts[v.text]:
			return unclear
		}
		return no
	case isBool, isNull:
		return min(unclear, outcomeOf(m.texts[v.text]))
	}
	// What is left stands in fields of which an operation has few.
	return m.list.check(s, v)
}

// noneOf turns its matcher around.
type noneOf struct{ matcher }

func (m noneOf) check(s *scope, v value) outcome {
	// What is absent is neither equal nor different. A yes would let "not: bob" allow an operation
	// that names nobody; a no would let it pass a deny rule.
	if v.kind == isAbsent {
		return unclear
	}
	return m.matcher.check(s, v).not()
}

// isPresent wants a value to be there, or not to be there.
type isPresent bool

func (m isPresent) check(_ *scope, v value) outcome {
	if v.kind == isUnreadable {
		return unclear
	}
	return outcomeOf((v.kind != isAbsent) == bool(m))
}

// equals compares with a value of the file. Its kind is fixed when the file is compiled.
type equals struct{ value }

func (m equals) check(_ *scope, v value) outcome { return compareEqual(m.value, v) }

// isAccount compares with the account of the request.
type isAccount struct{}

func (isAccount) check(s *scope, v value) outcome {
	return compareEqual(textValue(string(s.request.Account)), v)
}

// sameAs compares with a field of another operation of the transaction.
type sameAs struct {
	operation int // from 0
	field     string
}

func (m sameAs) check(s *scope, v value) outcome {
	if m.operation >= len(s.operations) {
		return no
	}
	other := s.operations[m.operation].field(m.field)
	if other.kind == isAbsent || other.kind == isUnreadable {
		return unclear
	}
	return compareEqual(other, v)
}

// compareEqual reports whether v is the wanted value.
func compareEqual(want, v value) outcome {
	switch v.kind {
	case isAbsent:
		return no
	// Not no, since a game may unpack a list of one element, or read what we do not.
	case isUnreadable, isList, isMap:
		return unclear
	}
	if want.kind == v.kind {
		return compareSameKind(want, v)
	}
	switch {
	// A number without quotes in the file means the number, however the application writes it.
	case want.kind == isNumber && v.kind == isText:
		d, ok := parseDecimal(v.text)
		return outcomeOf(ok && d.compare(want.number) == 0)
	case want.kind == isNumber && v.kind == isRatio:
		order, known := compareBound(want, v)
		return min(known, outcomeOf(order == 0))
	// A number in quotes means that text. To some readers the JSON number is the same, to others
	// not.
	case want.kind == isText && v.kind == isNumber:
		d, ok := parseDecimal(want.text)
		if ok && (v.odd || d.compare(v.number) == 0) || want.text == v.text {
			return unclear
		}
	case want.text == v.text:
		return unclear // true and "true", null and "null"
	}
	return no
}

func compareSameKind(want, v value) outcome {
	switch v.kind {
	case isNumber:
		// 1e3 is a number to JSON and none in this language; whoever executes it may think
		// otherwise.
		if v.odd {
			return unclear
		}
		return outcomeOf(want.number.compare(v.number) == 0)
	case isAsset:
		return outcomeOf(want.asset == v.asset)
	case isTime:
		return outcomeOf(want.seconds == v.seconds)
	}
	return outcomeOf(want.text == v.text)
}

// bound is min or max.
type bound struct {
	limit value
	upper bool
}

func (m bound) check(_ *scope, v value) outcome {
	order, known := compareBound(m.limit, v)
	if known != yes {
		return known
	}
	if m.upper {
		return outcomeOf(order <= 0)
	}
	return outcomeOf(order >= 0)
}

// compareBound returns how v stands to the bound, if that can be known: no for what is absent and
// for another asset, unclear for what has no size.
func compareBound(limit, v value) (order int, known outcome) {
	switch {
	case v.kind == isAbsent:
		return 0, no
	// Amounts of two assets have no order. Without the comparison of symbols, max: 1.000 HBD would
	// take 1.000 HIVE.
	case limit.kind == isAsset && v.kind == isAsset:
		return compareInt(v.asset.Amount, limit.asset.Amount), outcomeOf(v.asset.Symbol == limit.asset.Symbol)
	case limit.kind == isTime && v.kind == isTime:
		return compareInt(v.seconds, limit.seconds), yes
	case limit.kind != isNumber:
		return 0, unclear
	case v.kind == isNumber && !v.odd:
		return v.number.compare(limit.number), yes
	case v.kind == isText:
		if d, ok := parseDecimal(v.text); ok {
			return d.compare(limit.number), yes
		}
	case v.kind == isRatio:
		if r, ok := limit.number.rat(); ok {
			return v.ratio.Cmp(r), yes
		}
	}
	return 0, unclear
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// pattern is glob or regexp, of a whole text.
type pattern struct {
	*regexp.Regexp
	source string
	glob   bool
	tree   *patternTree // of source; nil for one that is made for a moment
}

// newRegexp compiles a pattern for a whole text.
func newRegexp(source string) (pattern, error) {
	// By itself first: "a)|(b" is no pattern, and would escape from the brackets that anchor it.
	if _, err := regexp.Compile(source); err != nil {
		return pattern{}, err
	}
	// \A and \z are the ends of the text, where ^ and $ may be those of a line. With (?s) a dot
	// takes a line break, too: otherwise one in the text would evade a rule that denies.
	re, err := regexp.Compile(`\A(?s:` + source + `)\z`)
	return pattern{re, source, false, new(patternTree)}, err
}

// newGlob compiles * and ? by way of a regular expression, which has no pattern that takes more
// than linear time.
func newGlob(source string) (pattern, error) {
	var b strings.Builder
	for _, c := range source {
		switch c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	p, err := newRegexp(b.String())
	p.source, p.glob, p.tree = source, true, new(patternTree)
	return p, err
}

func (m pattern) check(_ *scope, v value) outcome {
	switch v.kind {
	case isAbsent:
		return no
	case isText:
		return outcomeOf(m.MatchString(v.text))
	}
	return unclear
}

// oddTexts are texts that no pattern takes by chance, short, long, of several lines and of none.
// The last one is longer than what bounds the length, such as ".{1,1000}", and is looked at last.
var oddTexts = []string{"\x00", "7", "zQ \U0001F980\n\t\"{'[", strings.Repeat("-\n", 300), " \u202e\u00e9\r",
	strings.Repeat("long ", 14_000)}

// takesAll reports whether the pattern takes every text.
func (m pattern) takesAll() bool {
	// What most people write is known without a match of a long text.
	if m.glob {
		return strings.Trim(m.source, "*?") == "" && strings.Contains(m.source, "*") &&
			strings.Count(m.source, "?") <= 1
	}
	if re := m.parsed(); re != nil && (re.Op == syntax.OpStar || re.Op == syntax.OpPlus) &&
		re.Sub[0].Op == syntax.OpAnyChar {
		return true
	}
	return m.takesOddTexts()
}

// takesOddTexts reports whether the pattern takes what no pattern takes by chance, with each
// character of a keyboard in front and at the end: "[^#].*" says something.
func (m pattern) takesOddTexts() bool {
	if slices.ContainsFunc(oddTexts, func(text string) bool { return !m.MatchString(text) }) {
		return false
	}
	return m.takesCharacters()
}

// takesCharacters reports whether the pattern takes each character of a keyboard, in front and at
// the end.
func (m pattern) takesCharacters() bool {
	for ch := ' '; ch <= '~'; ch++ {
		if one := string(ch); !m.MatchString(one+"7") || !m.MatchString("7"+one) {
			return false
		}
	}
	return true
}

// inside matches what a path of names leads to.
type inside struct {
	path    []string
	matcher matcher
}

func (m inside) check(s *scope, v value) outcome { return m.matcher.check(s, m.reach(v)) }

func (m inside) reach(v value) value {
	for _, name := range m.path {
		v = v.member(name)
	}
	return v
}

// onlyMembers wants an object to have no members with other names.
type onlyMembers map[string]bool

func (m onlyMembers) check(_ *scope, v value) outcome {
	v = v.open()
	switch v.kind {
	case isAbsent:
		return no
	case isMap:
		for name := range v.members {
			if !m[name] {
				return no
			}
		}
		return yes
	}
	return unclear
}

// each wants every element of a list to match; no for an empty list.
type each struct{ matcher }

func (m each) check(s *scope, v value) outcome {
	items, known := v.list()
	if known != yes {
		return known
	}
	// Logic would say yes. But who writes "each recipient is bob" wants bob to be there.
	if len(items) == 0 {
		return no
	}
	worst := yes
	for _, item := range items {
		worst = min(worst, m.matcher.check(s, item))
	}
	return worst
}

// some is `any`: one element at least has to match; no for an empty list.
type some struct{ matcher }

func (m some) check(s *scope, v value) outcome {
	items, known := v.list()
	if known != yes {
		return known
	}
	best := no
	for _, item := range items {
		best = max(best, m.matcher.check(s, item))
	}
	return best
}

// exactly matches the elements one by one, and how many there are.
type exactly []matcher

func (m exactly) check(s *scope, v value) outcome {
	items, known := v.list()
	if known != yes {
		return known
	}
	if len(items) != len(m) {
		return no
	}
	worst := yes
	for i, item := range items {
		worst = min(worst, m[i].check(s, item))
	}
	return worst
}

// size matches how many elements a list has.
type size struct{ matcher }

func (m size) check(s *scope, v value) outcome {
	items, known := v.list()
	if known != yes {
		return known
	}
	return m.matcher.check(s, countValue(len(items)))
}
