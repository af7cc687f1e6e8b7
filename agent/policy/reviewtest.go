package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// testTraps are the ways to write a test that says something else than it seems to. Each returns
// what the test really does and what to write, "" if it is no trap here.
var testTraps = []func(*place) string{
	wordForAll, wordForNothing, textLikePattern, otherAssets, otherTexts, otherKeys, evadedByMore, besideAnother,
	firstOnly, wholeText, globInRegexp, regexpInGlob, wildFront, freeMembers,
	impossible, nameOfList, wordForSelf, severalInOne, filledIn, jsonInOneText, comparisonInText, globOfShells,
	slashesAround, halfAnchored, blanksAround, bentQuotes, noAccount, scalarOfList, oneAmount,
	oneIsEnough, plainMemo, percentInJSON,
	comparedWithItself, comparedWithFree, widelyNamed, someNamesOnly, everyLine,
	inCapitals, fewTexts, shorterTexts, besideText, oneWeight, fewTokens,
	everyTextTogether, smallSymbol, hostsOfOthers, freeMeaning, oneTitle, ownWord,
	encryptedInstead, refusedByChain, phraseInText, negationForgotten, idInOtherLetters, backslashTwice,
	versionAsNumber, tagInCapitals, wordForOthers, misspelt, withoutSite, payeesOfKeys,
}

// reviewTests warns about tests of fields and texts that are no errors and say something else than
// they seem to.
func (c *compiler) reviewTests(r *rule, rules []*rule) {
	evadable := r.evadable(rules)
	c.places(r, func(p *place) {
		p.rules, p.evadable = rules, evadable || p.countsLess(rules)
		c.reviewTest(p)
	})
}

func (c *compiler) reviewTest(p *place) {
	at := p
	if p.fills = c.version == version2; c.fillsIn {
		p = p.sampled()
	}
	for _, trap := range testTraps {
		if says := trap(p); says != "" {
			c.Warn(at.node, "%s", withoutSamples.Replace(says))
		}
	}
}

// reviewWhere warns about the tests by which a sum chooses what it counts.
func (c *compiler) reviewWhere(l *limit) {
	if l.of == nil || l.of.where == nil {
		return
	}
	for _, e := range c.valueOfKey(&l.rule, "of").Entries {
		if e.Key.Text == "where" {
			p := &place{rule: &l.rule, field: "where", name: "where", node: e.Value, shape: jsonShape,
				matcher: l.of.where,
				whole:   l.of.where, lists: c.lists, steps: &c.steps}
			p.walk(c.reviewTest)
		}
	}
}

// otherAssets finds a negation by which an amount of another asset passes.
func otherAssets(p *place) string {
	not, ok := p.matcher.(noneOf)
	if !ok || !p.allows() && p.rule.section != denySection || p.shape.kind != anAsset {
		return ""
	}
	var said value
	bounded := has(not.matcher, func(m matcher) bool {
		b, ok := m.(bound)
		if ok {
			said = b.limit
		}
		return ok
	})
	if !bounded {
		return ""
	}
	for _, symbol := range p.symbols() {
		huge := assetValue(hive.Asset{Amount: 1e15, Symbol: symbol})
		little := assetValue(hive.Asset{Amount: 1, Symbol: symbol})
		switch {
		case symbol == said.asset.Symbol || !takes(p.whole, huge):
		case p.rule.section == denySection && takes(p.whole, little) && p.permitted(symbol):
			return fmt.Sprintf("%s: with not, every amount of %s is denied, however little it is: for another asset "+
				"min and max say no, and not makes it yes; write %s", p.name, symbol, withoutNot(not.matcher))
		case p.allows():
			return fmt.Sprintf("%s: with not, every amount of %s passes: for another asset min and max say no, "+
				"and not "+
				"makes it yes; write %s", p.name, symbol, withoutNot(not.matcher))
		}
	}
	return ""
}

// permitted reports whether a rule seems to let the operation go with an amount of an asset: one
// that the deny rule may be about.
func (p *place) permitted(symbol hive.Symbol) bool {
	return slices.ContainsFunc(p.rules, func(r *rule) bool {
		return r.section.permits() && !r.observe && r.mayMeet(p.rule) && slices.ContainsFunc(r.entries,
			func(e opEntry) bool { return e.name == p.entry.name && e.maySell(p.field, symbol) })
	})
}

// symbols returns the assets that the value can be of.
func (p *place) symbols() (symbols []hive.Symbol) {
	for _, symbol := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		if p.name != p.field || p.entry.fits(p.field, hive.Asset{Amount: 1, Symbol: symbol}) == nil {
			symbols = append(symbols, symbol)
		}
	}
	return symbols
}

// fits returns why no operation of the entry can have the value in the field, nil if one can.
func (e *opEntry) fits(field string, v hive.Value) error {
	d, ok := hive.DefinitionOf(e.name)
	if !ok {
		return nil
	}
	return d.Fits(field, v)
}

// withoutNot returns the bounds that are the opposite of those in a negation.
func withoutNot(m matcher) string {
	var says []string
	has(m, func(m matcher) bool {
		b, ok := m.(bound)
		if !ok {
			return false
		}
		opposite, key := b.limit.asset, "min"
		opposite.Amount++
		if !b.upper {
			opposite.Amount -= 2
			key = "max"
		}
		says = append(says, fmt.Sprintf("{%s: %s}", key, opposite))
		return false
	})
	return strings.Join(says, " or ")
}

// otherTexts finds a negation in the JSON of a game or side chain, or of a text to sign, where a
// rule allows all that it does not know.
func otherTexts(p *place) string {
	not, ok := p.matcher.(noneOf)
	if !ok || !p.allows() || p.shape.kind != aJSON || p.entry != nil && p.entry.name != "custom_json" {
		return ""
	}
	if !takes(p.whole, textValue(unknownText)) || !has(not.matcher, comparesText) {
		return ""
	}
	return fmt.Sprintf("%s: with not, every other text passes, also what is added next year and another spelling of "+
		"the same; name those that are allowed", p.name)
}

// unknownText is a text that nobody has named.
const unknownText = "zq7-unknown"

// strangers are such texts of several forms, for patterns that take names of one form alone.
var strangers = []string{unknownText, "zqxyk", "zq_unknown", "zq7", "zqxyk.unknown"}

func comparesText(m matcher) bool {
	e, isValue := m.(equals)
	_, isPattern := m.(pattern)
	return isPattern || isValue && e.kind == isText
}

// otherKeys finds a negation of public keys: whoever has another one gets in.
func otherKeys(p *place) string {
	if _, ok := p.matcher.(noneOf); !ok || !p.allows() || p.shape.kind != aKey {
		return ""
	}
	return fmt.Sprintf("%s: with not, every other key passes, and whoever holds it; name those that are allowed",
		p.name)
}

// evadedByMore finds tests of a whole list or map in a rule that forbids: one more element, and the
// rule does not match.
func evadedByMore(p *place) string {
	if !p.evadable {
		return ""
	}
	const evaded = "%s: in %s, %s is evaded by one more %s; write %s"
	switch m := p.matcher.(type) {
	case each:
		return fmt.Sprintf(evaded, p.name, p.rule.section, "each", "element that does not fit", "any")
	case exactly:
		return fmt.Sprintf(evaded, p.name, p.rule.section, "exactly", "element", "any: and what one of them is")
	case onlyMembers:
		return fmt.Sprintf(evaded, p.name, p.rule.section, "members", "member", "what the members are, without it")
	case size:
		return sizeEvaded(p, m)
	}
	return ""
}

// wholeList reports whether a test looks at all elements or members of a value, or at one by its
// number: what stands beside them decides about it, too.
func wholeList(m matcher) bool {
	switch m := m.(type) {
	case each, exactly, onlyMembers, size:
		return true
	case inside:
		return slices.ContainsFunc(m.path, allDigits)
	}
	return false
}

// isKind reports whether a test compares an element with a word that says what the list is, such as
// .0: follow. No reader takes the words in another order.
func isKind(m matcher) bool {
	in, ok := m.(inside)
	return ok && !slices.ContainsFunc(in.path[:len(in.path)-1], allDigits) && listed(in.matcher)
}

// countsLess reports whether a limit counts only a part of the custom_json that some rule allows,
// by a test of a whole list. For other operations this is known from what no limit counts.
func (p *place) countsLess(rules []*rule) bool {
	if p.rule.section != limitSection || p.rule.observe || p.entry == nil || p.entry.name != "custom_json" ||
		!wholeList(p.matcher) || isKind(p.matcher) {
		return false
	}
	counted := p.entry.test(p.field)
	return slices.ContainsFunc(rules, func(r *rule) bool {
		return r.section == allowSection && !r.observe && r.mayMeet(p.rule) &&
			slices.ContainsFunc(r.asked(), func(e *opEntry) bool {
				return e != nil && e.leftOut(r, p.entry, p.field,
					counted)
			})
	})
}

// leftOut reports whether a test of a field, in an entry of a limit, refuses some of what this
// entry of a rule takes, and not all.
func (e *opEntry) leftOut(r *rule, by *opEntry, field string, counted matcher) bool {
	if e.name != by.name {
		return e.group && !e.apart(r, by)
	}
	return slices.ContainsFunc((binding{rule: r, entry: e}).pieces(), func(piece *rule) bool {
		one := &piece.entries[0]
		return !one.apart(r, by) && !one.testsWithin(field, counted)
	})
}

// sizeEvaded looks for a number of elements that fits, and not when there are more.
func sizeEvaded(p *place, m size) string {
	for n := 1; n <= 64; n++ {
		if takes(m.matcher, countValue(n)) && !takes(m.matcher, countValue(1<<20)) {
			return fmt.Sprintf("%s: in %s, this size is evaded by one more element; write size: {min: %d}", p.name,
				p.rule.section, n)
		}
	}
	return ""
}

// besideAnother finds any in a rule that allows: what stands beside the element that fits is free.
func besideAnother(p *place) string {
	one, ok := p.matcher.(some)
	if !ok || !p.allows() || p.alone(p.beside) || p.onlySays() && !has(one.matcher, isNegation) {
		return ""
	}
	return fmt.Sprintf("%s: in allow, any takes a list of which one element fits, and whatever stands beside it goes "+
		"through too; write each", p.name)
}

// onlySays reports whether the list is one of a post's metadata that does nothing: a tag beside
// another one is no harm.
func (p *place) onlySays() bool {
	return p.field == "json_metadata" && slices.Contains(listsOfMetadata, strings.TrimPrefix(p.name, "."))
}

// alone reports whether each element of a list is tested: by one of the tests of the list, or
// because there can be no more than one.
func (p *place) alone(tests []matcher) bool {
	if p.field == payeeField && p.entry.paysOne() {
		return true
	}
	return slices.ContainsFunc(tests, func(m matcher) bool {
		switch m := m.(type) {
		case each, exactly:
			return true
		case size:
			return !takes(m.matcher, countValue(2)) && !takes(m.matcher, countValue(1<<20))
		}
		return false
	})
}

// paysOne reports whether the operation pays one account and no more.
func (e *opEntry) paysOne() bool {
	d, ok := hive.DefinitionOf(e.name)
	return ok && len(d.Payees) == 1 && fieldsOf(e.name)[d.Payees[0]].kind == anAccount
}

// firstOnly finds a test of an element by its number, while others can stand beside it.
func firstOnly(p *place) string {
	m, ok := p.matcher.(inside)
	if !ok || !slices.ContainsFunc(m.path, allDigits) || p.shape.kind == aMap || p.shape.tuple != nil {
		return ""
	}
	switch where := "." + strings.Join(m.path, "."); {
	case p.evadable:
		return fmt.Sprintf("%s: in %s, %s looks at that element only, and is evaded by another order; write any",
			p.name, p.rule.section, where)
	case p.allows() && !p.othersTested(m):
		return fmt.Sprintf("%s: in allow, %s looks at that element only, and the others may be anything; write "+
			"each or exactly, or test each by its number and add a size that takes no more", p.name, where)
	}
	return ""
}

// othersTested reports whether the other elements are tested of each list that a path goes into by
// a number.
func (p *place) othersTested(m inside) bool {
	for i, part := range m.path {
		if !allDigits(part) {
			continue
		}
		if tests := p.testsAt(m.path[:i]); !p.alone(tests) && !eachByNumber(tests) {
			return false
		}
	}
	return true
}

// testsAt returns what is said beside a test about the value that a path leads to.
func (p *place) testsAt(path []string) (tests []matcher) {
	if len(path) == 0 {
		return p.beside
	}
	for _, m := range p.beside {
		one, ok := m.(inside)
		if !ok || len(one.path) < len(path) || !slices.Equal(one.path[:len(path)], path) {
			continue
		}
		if all, ok := rest(one, len(path)).(allOf); ok {
			tests = append(tests, all...)
		} else {
			tests = append(tests, rest(one, len(path)))
		}
	}
	return tests
}

// eachByNumber reports whether tests of a list look at each element by its number: .0 and .1 beside
// size: 2.
func eachByNumber(tests []matcher) bool {
	tested := map[string]bool{}
	for _, m := range tests {
		if m, ok := m.(inside); ok {
			tested[m.path[0]] = true
		}
	}
	known := 0
	for tested[strconv.Itoa(known)] {
		known++
	}
	return slices.ContainsFunc(tests, func(m matcher) bool {
		s, ok := m.(size)
		return ok && s.atMost(known)
	})
}

// atMost reports whether the test takes no list that is longer. Numbers are compared with the ends
// of tests only, so it is enough to try these and their neighbours.
func (m size) atMost(most int) bool {
	of := place{whole: m.matcher}
	tries := []value{countValue(most + 1), countValue(1 << 20)}
	for _, end := range of.ends() {
		tries = append(tries, neighbours(end)...)
	}
	longest := countValue(most)
	return !slices.ContainsFunc(tries, func(v value) bool {
		order, known := compareBound(longest, v)
		return known == yes && order > 0 && mayTake(m.matcher, v)
	})
}
