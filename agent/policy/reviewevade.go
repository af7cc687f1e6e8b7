package policy

import (
	"fmt"
	"math/big"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// prose are the fields in which an application writes for people: the same can be said in many
// ways.
var prose = []string{"memo", "title", "body", "text"}

// isProse reports whether a test that forbids is of a text for people.
func (p *place) isProse() bool {
	return p.evadable && !p.negated && !p.memoBeside() && !has(p.whole, isNegation) &&
		(p.name == p.field && slices.Contains(prose, p.field) || p.purpose() == "memo")
}

// inCapitals finds a pattern of a rule that forbids which the same words in large letters evade.
func inCapitals(p *place) string {
	m, ok := p.matcher.(pattern)
	// What is encrypted begins with #, and has no words.
	if !ok || strings.HasPrefix(m.source, "#") || !p.isProse() || wholeText(p) != "" ||
		fewTexts(p) != "" || wordForAll(p) != "" || slashesAround(p) != "" {
		return ""
	}
	re := m.written()
	if re == nil || !plainWords(re) {
		return ""
	}
	if !p.lets(func(test matcher) bool { return m.letsCapitals(test) }) {
		return ""
	}
	source := m.source
	if m.glob {
		source = strings.NewReplacer("*", ".*", "?", ".").Replace(m.source)
	}
	return fmt.Sprintf("%s: in %s, this is evaded by large letters; write regexp: '(?i)%s'", p.name, p.rule.section,
		source)
}

// letsCapitals reports whether another test takes in large letters what the pattern takes in small
// ones alone; nil takes all.
func (m pattern) letsCapitals(test matcher) bool {
	others := []*syntax.Prog{program(".*")}
	if test != nil {
		others = nil
		for _, other := range wantedPatterns(test) {
			others = append(others, program(other.String()))
		}
	}
	return slices.ContainsFunc(others, func(other *syntax.Prog) bool {
		text, _ := meet(program(m.String()), other, mostOfOneMatch)
		large := text
		for _, word := range literalWords(m.written()) {
			large = strings.ReplaceAll(large, word, strings.ToUpper(word))
		}
		return text != "" && m.MatchString(text) && !m.MatchString(large) &&
			(test == nil || mayTake(test, textValue(large)))
	})
}

// lets reports whether a rule that this one forbids something of has such a test of the same text;
// nil: it has none.
func (p *place) lets(fits func(matcher) bool) bool {
	return slices.ContainsFunc(p.rules, func(r *rule) bool {
		if !p.steps.left(1) || !r.letsPast(p.rule) || r.observe || !r.mayMeet(p.rule) {
			return false
		}
		if p.entry == nil {
			return r.text != nil && p.steps.left(stepsOfMatch) && fits(r.text)
		}
		rest := p.entry.without(p.field)
		return slices.ContainsFunc(r.entries, func(e opEntry) bool {
			if !slices.Contains(e.mayName(r.section), p.entry.name) || e.apart(r, rest) {
				return false
			}
			// What stands inside of JSON is not followed.
			test := e.test(p.field)
			if p.name != p.field {
				test = nil
			}
			// To follow two patterns side by side takes as long as many other comparisons.
			return p.steps.left(stepsOfMatch) && fits(test)
		})
	})
}

// stepsOfMatch is what two patterns that meet count for.
const stepsOfMatch = 500

// plainWords reports whether an expression wants words for people: small letters, and none of the
// signs of names that programs compare.
func plainWords(re *syntax.Regexp) bool {
	words := strings.Join(literalWords(re), "")
	return strings.ToLower(words) == words && strings.ToUpper(words) != words &&
		!strings.ContainsAny(words, `_":{}[]`)
}

// literalWords returns the texts that an expression has in it, but for those in letters of any
// size.
func literalWords(re *syntax.Regexp) (words []string) {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 {
		words = append(words, string(re.Rune))
	}
	for _, sub := range re.Sub {
		words = append(words, literalWords(sub)...)
	}
	return words
}

// fewTexts finds a pattern of a rule that forbids which takes a few whole texts: one letter more,
// and the rule does not match.
func fewTexts(p *place) string {
	if !p.isProse() {
		return ""
	}
	m, ok := p.matcher.(pattern)
	if !ok || m.glob || m.oneText() {
		return ""
	}
	re := m.parsed()
	if re == nil || !finite(re) || !p.lets(func(test matcher) bool { return m.letsMore(test) }) {
		return ""
	}
	return fmt.Sprintf("%s: a pattern is compared with the whole text, so in %s this one is evaded by one letter "+
		"more; write regexp: '(?i).*%s.*' for what has it somewhere", p.name, p.rule.section, grouped(m.source))
}

// A text that the application writes longer, where it says nothing more.
var longText = strings.Repeat(unknownText+" ", 200)

// shorterTexts finds a pattern of a rule that forbids which takes nearly every text, up to some
// length: a longer one passes.
func shorterTexts(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || m.glob || p.rule.section != denySection || p.negated || !slices.Contains(prose, p.field) ||
		p.name != p.field {
		return ""
	}
	for _, text := range append([]string{unknownText}, sentences...) {
		if !m.MatchString(text) {
			return ""
		}
	}
	if m.MatchString(longText) || !p.lets(func(test matcher) bool {
		return test == nil || mayTake(test, textValue(longText))
	}) {
		return ""
	}
	return fmt.Sprintf("%s: in %s, this takes every text up to some length, and is evaded by a longer one; leave "+
		"%[1]s out", p.name, p.rule.section)
}

// letsMore reports whether another test takes a text of the pattern with something behind it.
func (m pattern) letsMore(test matcher) bool {
	text, _ := meet(program(m.String()), program(".*"), mostOfOneMatch)
	more := text + " ..."
	return text != "" && !m.MatchString(more) && (test == nil || mayTake(test, textValue(more)))
}

// grouped returns a regular expression such that others can stand around it.
func grouped(source string) string {
	source = strings.TrimSuffix(strings.TrimPrefix(source, "^"), "$")
	if strings.Contains(inBrackets.ReplaceAllString(source, ""), "|") {
		return "(" + source + ")"
	}
	return source
}

// inBrackets matches a group of a regular expression that has none in it.
var inBrackets = regexp.MustCompile(`\([^()]*\)`)

// finite reports whether an expression takes texts of a few lengths only, of letters that it names.
func finite(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpRepeat:
		if re.Max < 0 {
			return false
		}
	}
	return !slices.ContainsFunc(re.Sub, func(one *syntax.Regexp) bool { return !finite(one) })
}

// besideText finds a rule that forbids by two things of which one is a memo: that is free, so
// another one evades what the rule says of the rest.
func besideText(p *place) string {
	whole, name := p.whole, p.name
	switch m := p.matcher.(type) {
	case inside:
		name = m.path[len(m.path)-1]
		if p.entry == nil || p.field != "json" || name != "memo" || len(p.beside) < 2 {
			return ""
		}
		whole = m.matcher
	default:
		if !p.first || !p.memoBeside() {
			return ""
		}
	}
	if !p.evadable || !narrows(whole) || !p.lets(func(test matcher) bool { return otherTextOf(test, whole) }) {
		return ""
	}
	return fmt.Sprintf("%s: in %s, the app chooses this text and evades the rule by another one; leave %s out, so "+
		"that the rest is about all", name, p.rule.section, name)
}

// otherTextOf reports whether a test, or nil, which takes all, takes a text that another one does
// not.
func otherTextOf(test, not matcher) bool {
	if test == nil {
		return true
	}
	tries := []string{unknownText}
	eachLeaf(test, func(m matcher) bool {
		switch m := m.(type) {
		case equals:
			tries = append(tries, m.text)
		case pattern:
			text, _ := meet(program(m.String()), program(".*"), mostOfOneMatch)
			tries = append(tries, text)
		}
		return len(tries) < mostSamples
	})
	return slices.ContainsFunc(tries, func(text string) bool {
		return mayTake(test, textValue(text)) && !mayTake(not, textValue(text))
	})
}

// memoBeside reports whether the test is of the memo of an operation of which the entry tests
// another field, too.
func (p *place) memoBeside() bool {
	return p.entry != nil && p.field == "memo" && p.name == p.field && len(p.entry.says()) > 1
}

// narrows reports whether a test wants a certain memo. Who forbids a payment without one, or with
// one that is encrypted, keeps it from a mistake.
func narrows(m matcher) bool {
	return !has(m, isNegation) && !mayTake(m, textValue("")) && !mayTake(m, textValue("#x"))
}

// amountsOfTokens are members by which games and side chains say how much.
var amountsOfTokens = []string{"quantity", "amount", "qty"}

// oneWeight finds a rule that forbids a single weight, or a single amount of tokens.
func oneWeight(p *place) string {
	e, ok := p.matcher.(equals)
	tokens := p.entry != nil && p.field == "json" &&
		slices.Contains(amountsOfTokens, p.name[strings.LastIndex(p.name, ".")+1:])
	tokens = tokens || p.entry != nil && (p.field == "executions" || p.field == "beneficiaries" && p.shape.percent)
	if !ok || !p.evadable || !p.shape.percent && !tokens || e.kind != isNumber || e.number.whole == "" ||
		has(p.whole, isNegation) || p.name != p.field && !tokens {
		return ""
	}
	write := "min"
	if e.number.negative {
		write = "max"
	}
	return fmt.Sprintf("%s: in %s, one value is evaded by a little more or less; write {%s: %s}", p.name,
		p.rule.section, write, p.node.Text)
}

// smallSymbol finds a token of Hive-Engine in small letters: all of its symbols are in large ones.
func smallSymbol(p *place) string {
	symbol := p.textOf()
	if symbol == "" || p.entry == nil || p.entry.name != "custom_json" || p.field != "json" ||
		p.name[strings.LastIndex(p.name, ".")+1:] != "symbol" || strings.ToUpper(symbol) == symbol ||
		isWord(symbol, wordsForAll) || isWord(symbol, wordsForNothing) || p.namesList(symbol) {
		return ""
	}
	if id := p.entry.test("id"); id != nil && !takes(id, textValue("ssc-mainnet-hive")) {
		return ""
	}
	return fmt.Sprintf("%s: the symbols of Hive-Engine have large letters, and letters are compared as they are; "+
		"write %s", p.name, strings.ToUpper(symbol))
}

// leastDenied is from where on it is no dust that a rule denies, in thousandths.
const leastDenied = 1000

// leastWeight is the same of weights: 10 %.
var leastWeight = big.NewRat(1000, 1)

// onlyBound returns the bound that is all that the entry says of a field.
func (e *opEntry) onlyBound(field string) (bound, bool) {
	all, _ := e.test(field).(allOf)
	if len(all) != 1 {
		return bound{}, false
	}
	b, ok := all[0].(bound)
	return b, ok
}

// mostDenied finds a rule that denies amounts up to some, where larger ones go through.
func mostDenied(r *rule, e *opEntry) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || r.section != denySection || r.observe {
		return ""
	}
	if most, ok := e.onlyBound("weight"); ok && most.upper && e.name == "vote" && most.limit.kind == isNumber {
		if n, ok := most.limit.number.rat(); ok && n.Cmp(leastWeight) >= 0 {
			share := new(big.Rat).Mul(n, big.NewRat(1, 100))
			return fmt.Sprintf("vote: in deny, max denies up to %[1]s%%, and lets every stronger vote through; write "+
				"min: %[1]s%% to deny that and more", share.RatString())
		}
	}
	for _, cost := range d.Spends {
		if most, ok := e.onlyBound(cost.Field); ok && most.upper && most.limit.kind == isAsset &&
			most.limit.asset.Amount >= leastDenied && most.limit.asset.Symbol != hive.VESTS {
			return fmt.Sprintf("%s: in deny, max denies up to %s, and lets every larger amount through; write min to "+
				"deny more than that", e.name, most.limit.asset)
		}
	}
	return ""
}
