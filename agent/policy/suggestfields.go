package policy

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// Caps of a suggestion: what is above them is left free, and said.
const (
	mostTexts    = 3   // different texts of a field
	mostAccounts = 20  // different accounts
	longestText  = 120 // of a text that is pinned, in bytes
	deepestDraft = 4   // how far JSON is followed

	mostRules        = 500  // rules
	mostLeft         = 100  // different lines about what is left out
	mostChallenges   = 20   // different texts of challenges
	longestChallenge = 2048 // bytes of each
)

// fields returns lines with a test for each field of one operation that was seen, or with a comment
// where the field is left free.
func (g *seenGroup) fields(seen []*part) (lines []string) {
	d := seen[0].op.Definition()
	known := fieldsOf(d.Name)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if name == payeeField || g.signs(d, name, seen) {
			continue
		}
		var values []value
		for _, p := range seen {
			values = append(values, p.field(name))
		}
		switch test, ok := g.test(known[name], values, 0); {
		case ok:
			lines = append(lines, name+": "+test)
		case test != "":
			lines = append(lines, fmt.Sprintf("# %s: %s", name, test))
		}
	}
	return lines
}

// signs reports whether a field names only those whose authority is needed: account and
// on_behalf_of of the rule name them already.
func (g *seenGroup) signs(d *hive.Definition, field string, seen []*part) bool {
	return slices.ContainsFunc(d.Signers, func(s hive.Signer) bool { return s.Field == field && s.When == "" }) ||
		strings.HasPrefix(field, "required_")
}

// test returns a test that fits all values, or the reason why the field is left free.
func (g *seenGroup) test(sh *shape, values []value, depth int) (string, bool) {
	absent := 0
	for _, v := range values {
		if v.kind == isAbsent {
			absent++
		}
	}
	switch {
	case absent == len(values):
		return "{present: false}", true
	// A test of a field that is not always there would refuse some of what was seen.
	case absent > 0:
		return "sometimes absent, left free", false
	}
	switch sh.kind {
	case anAccount:
		return g.accounts(values)
	case aKey, aText:
		return texts(values, false)
	case aBool:
		if words := distinctTexts(values); len(words) == 1 {
			return words[0], true
		}
		return "", false
	case aNumber:
		return numbers(sh, values), true
	case aRatio:
		return ratios(values)
	case anAsset:
		return assets(values), true
	case aTime:
		return "left free", false
	case aJSONText:
		if words := distinctTexts(values); len(words) == 1 && words[0] == "" {
			return `""`, true
		}
		test, ok := g.insides(values, depth)
		if ok && (!strings.HasPrefix(test, "{") || strings.HasPrefix(test, "{min")) {
			test = fmt.Sprintf("{each: %s}", test) // a single value in JSON is a list of one
		}
		return test, ok
	case aJSON:
		return g.insides(values, depth)
	case aList:
		return g.lists(sh, values, depth)
	}
	return "left free", false
}

func distinct(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

func distinctTexts(values []value) (words []string) {
	for _, v := range values {
		words = append(words, v.text)
	}
	return distinct(words)
}

func (g *seenGroup) accounts(values []value) (string, bool) {
	names := distinctTexts(values)
	if len(names) > mostAccounts {
		return fmt.Sprintf("%d different accounts, left free", len(names)), false
	}
	for i, name := range names {
		names[i] = yamlText(name)
		// The rule goes on to mean this account if somebody adds others to it.
		if name == g.account {
			names[i] = "$account"
		}
	}
	return oneOrList(names), true
}

func oneOrList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func texts(values []value, inJSON bool) (string, bool) {
	words := distinctTexts(values)
	if len(words) > mostTexts {
		return fmt.Sprintf("%d different texts, left free", len(words)), false
	}
	for i, word := range words {
		if len(word) > longestText {
			return fmt.Sprintf("a text of %d bytes, left free", len(word)), false
		}
		words[i] = yamlText(reference(word))
		// In JSON the text "5" and the number 5 differ, and quotes say which of them is meant.
		if inJSON {
			words[i] = quotedText(reference(word))
		}
	}
	return oneOrList(words), true
}

// numbers returns the bounds of what was seen. What the chain counts in hundredths of a percent is
// written as percent.
func numbers(sh *shape, values []value) string {
	text := func(v value) string {
		n, ok := v.number.rat()
		if !sh.percent || !ok {
			return v.number.String()
		}
		d, _ := parseDecimal(new(big.Rat).Mul(n, big.NewRat(1, 100)).FloatString(2))
		return d.String() + "%"
	}

	low, high := values[0], values[0]
	for _, v := range values[1:] {
		if v.number.compare(low.number) < 0 {
			low = v
		}
		if v.number.compare(high.number) > 0 {
			high = v
		}
	}
	if low.number == high.number {
		return text(low)
	}
	return fmt.Sprintf("{min: %s, max: %s}", text(low), text(high))
}

// ratios rounds outwards: a price has no last digit.
func ratios(values []value) (string, bool) {
	var low, high *big.Rat
	for _, v := range values {
		if v.kind != isRatio {
			return "a price that cannot be read, left free", false
		}
		if low == nil || v.ratio.Cmp(low) < 0 {
			low = v.ratio
		}
		if high == nil || v.ratio.Cmp(high) > 0 {
			high = v.ratio
		}
	}
	return fmt.Sprintf("{min: %s, max: %s}", roundedTo6(low, false), roundedTo6(high, true)), true
}

func roundedTo6(r *big.Rat, up bool) string {
	millionths := new(big.Int).Mul(r.Num(), big.NewInt(1e6))
	quotient, rest := new(big.Int).QuoRem(millionths, r.Denom(), new(big.Int))
	if up && rest.Sign() > 0 {
		quotient.Add(quotient, big.NewInt(1))
	}
	d, _ := parseDecimal(new(big.Rat).SetFrac(quotient, big.NewInt(1e6)).FloatString(6))
	return d.String()
}

func assets(values []value) string {
	highest := map[hive.Symbol]hive.Asset{}
	for _, v := range values {
		if a, known := highest[v.asset.Symbol]; !known || v.asset.Amount > a.Amount {
			highest[v.asset.Symbol] = v.asset
		}
	}
	var words []string
	for _, symbol := range slices.Sorted(maps.Keys(highest)) {
		words = append(words, fmt.Sprintf("{max: %s}", highest[symbol]))
	}
	return oneOrList(words)
}

// lists writes a test that holds every element to what some element was seen to be.
func (g *seenGroup) lists(sh *shape, values []value, depth int) (string, bool) {
	var items []value
	empty := 0
	for _, v := range values {
		items = append(items, v.items...)
		if len(v.items) == 0 {
			empty++
		}
	}
	switch {
	case empty == len(values):
		return "{size: 0}", true
	case empty > 0:
		return "sometimes empty, left free", false
	}
	if sh.element == nil || sh.element.kind == aMap {
		return g.maps(sh.element, items, depth)
	}
	if sh.element.kind == aNumber && len(distinctTexts(items)) <= mostAccounts {
		return fmt.Sprintf("{each: %s}", oneOrList(distinctTexts(items))), true
	}
	test, ok := g.test(sh.element, items, depth)
	if !ok {
		return test, false
	}
	return fmt.Sprintf("{each: %s}", test), true
}

// maps writes a test of beneficiaries: each member is held to what it was.
func (g *seenGroup) maps(sh *shape, items []value, depth int) (string, bool) {
	if sh == nil {
		return "left free", false
	}
	var tests []string
	for _, name := range slices.Sorted(maps.Keys(sh.members)) {
		var inner []value
		for _, item := range items {
			inner = append(inner, item.members[name])
		}
		if test, ok := g.test(sh.members[name], inner, depth); ok {
			tests = append(tests, fmt.Sprintf(".%s: %s", name, test))
		}
	}
	return fmt.Sprintf("{each: {%s}}", strings.Join(tests, ", ")), true
}

// insides holds JSON to what was seen in it.
func (g *seenGroup) insides(values []value, depth int) (string, bool) {
	var opened []value
	for _, v := range values {
		v = v.open()
		if v.kind == isUnreadable {
			return "not JSON, left free", false
		}
		opened = append(opened, v)
	}
	if depth > deepestDraft {
		return "left free", false
	}
	kinds := map[valueKind]bool{}
	for _, v := range opened {
		kinds[v.kind] = true
	}
	switch {
	case len(kinds) == 1 && kinds[isMap]:
		return g.members(opened, depth)
	// Also beside single values, which count as lists of one.
	case kinds[isList]:
		return g.elements(opened, depth)
	case len(kinds) > 1:
		return "of several kinds, left free", false
	}
	return scalars(opened)
}

func scalars(values []value) (string, bool) {
	switch values[0].kind {
	case isNumber:
		if slices.ContainsFunc(values, func(v value) bool { return v.odd }) {
			return "a number with an exponent, left free", false
		}
		return numbers(jsonShape, values), true
	case isText:
		return texts(values, true)
	}
	if words := distinctTexts(values); len(words) == 1 {
		return words[0], true
	}
	return "", false
}

// members tests those that are always there, and shuts out names that were not seen.
func (g *seenGroup) members(values []value, depth int) (string, bool) {
	names := map[string]int{}
	for _, v := range values {
		for name := range v.members {
			names[name]++
		}
	}
	if len(names) == 0 {
		return "an empty map, left free", false
	}
	if len(names) > mostAccounts {
		return fmt.Sprintf("%d different members, left free", len(names)), false
	}
	var tests, all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name == "" || strings.HasPrefix(name, ".") {
			return "a member of an odd name, left free", false
		}
		all = append(all, yamlText(name))
		// A member that is not always there has no test that fits all, and no path names one with a
		// point in its name.
		if names[name] < len(values) || strings.Contains(name, ".") {
			continue
		}
		var inner []value
		for _, v := range values {
			inner = append(inner, v.members[name])
		}
		if test, ok := g.test(jsonShape, inner, depth+1); ok {
			tests = append(tests, fmt.Sprintf("%s: %s", yamlText("."+name), test))
		}
	}
	tests = append(tests, fmt.Sprintf("members: [%s]", strings.Join(all, ", ")))
	return "{" + strings.Join(tests, ", ") + "}", true
}

// elements tests what all elements have in common; a value that is no list is a list of one.
func (g *seenGroup) elements(values []value, depth int) (string, bool) {
	var items []value
	for _, v := range values {
		list, _ := v.list()
		if len(list) == 0 {
			return "sometimes an empty list, left free", false
		}
		items = append(items, list...)
	}
	test, ok := g.test(jsonShape, items, depth+1)
	if !ok {
		return test, false
	}
	return fmt.Sprintf("{each: %s}", test), true
}

var plainYAML = regexp.MustCompile(`^[A-Za-z.][A-Za-z0-9_./-]*( [A-Za-z0-9][A-Za-z0-9_./-]*)*$`)

// notPlain are words that YAML or this language reads as something else.
var notPlain = map[string]bool{"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true,
	"off": true, "any": true, "y": true, "n": true}

// reference doubles a sign $ at the beginning, which would name a list.
func reference(text string) string {
	if strings.HasPrefix(text, "$") {
		return "$" + text
	}
	return text
}

// yamlText writes a text, in quotes where it needs them.
func yamlText(text string) string {
	if plainYAML.MatchString(text) && !notPlain[strings.ToLower(text)] {
		return text
	}
	return quotedText(text)
}

// quotedText returns a text in quotes: in single ones where nothing needs an escape.
func quotedText(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return strconv.QuoteToASCII(text) // its escapes are YAML's, too
}
