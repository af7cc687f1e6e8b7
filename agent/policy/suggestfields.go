package policy

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Caps of a suggestion: what is above them is left free, and said.
const (
	mostTexts    = 3   // different texts of a field
	mostAccounts = 20  // different accounts
	longestText  = 120 // of a text that is pinned, in bytes
	deepestDraft = 4   // how far JSON is followed
	mostForms    = 12  // forms of JSON in one place, and of an operation in a rule

	mostRules        = 500  // rules
	mostLeft         = 100  // different lines about what is left out
	mostChallenges   = 20   // different texts of challenges
	longestChallenge = 2048 // bytes of each
)

// draft writes the tests of one entry.
type draft struct {
	account string
	once    bool     // JSON of texts to sign: times and the like in it do not come again
	room    headroom // beyond what was seen
	notes   []string // about what is left free inside of a field, and what was seen of what has room
	err     error    // why nobody can write it narrowly
}

// newEachTime are fields whose value does not come again: a test of what was seen would be a rule
// that never matches.
var newEachTime = map[string]bool{"comment.permlink": true, "comment.title": true, "comment.body": true,
	"comment_options.permlink": true, "limit_order_create.orderid": true, "limit_order_create2.orderid": true,
	"limit_order_cancel.orderid": true, "convert.requestid": true, "collateralized_convert.requestid": true,
	"transfer_from_savings.request_id": true, "cancel_transfer_from_savings.request_id": true,
	"escrow_transfer.escrow_id": true, "escrow_approve.escrow_id": true, "escrow_dispute.escrow_id": true,
	"escrow_release.escrow_id": true, "vote.permlink": true}

// fields returns lines with a test for each field of one operation that was seen, or with a comment
// where the field, or something in it, is left free. Post is the place of the comment that options
// are for, or zero.
func (w *draft) fields(seen []*part, post int) (lines []string) {
	d := seen[0].op.Definition()
	known := fieldsOf(d.Name)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if name == payeeField || signsAlways(d, name) {
			continue
		}
		if post > 0 && name == "permlink" {
			lines = append(lines, fmt.Sprintf("permlink: $%d.permlink", post))
			continue
		}
		if newEachTime[d.Name+"."+name] {
			lines = append(lines, fmt.Sprintf("# %s: new each time, left free", name))
			continue
		}
		var values []value
		for _, p := range seen {
			values = append(values, p.field(name))
		}
		w.notes = nil
		test, ok := w.test(known[name], values, []string{name})
		if room, least := leastCounts[d.Name+"."+name]; least {
			w.notes = nil
			test = w.amounts(values, []string{name}, false, min(room, w.room))
		}
		switch {
		case ok:
			lines = append(lines, strings.Split(name+":"+beside(test), "\n")...)
			for _, note := range w.notes {
				lines = append(lines, "# "+note)
			}
		case test != "":
			lines = append(lines, fmt.Sprintf("# %s: %s", name, test))
		}
	}
	return lines
}

// beside puts a test behind the name of a field: on its line, or below it.
func beside(test string) string {
	if strings.HasPrefix(test, "\n") {
		return test
	}
	return " " + test
}

// leastCounts are amounts of which less is worse, with the most room below what was seen: what a
// post may earn is said once, and not by the market.
var leastCounts = map[string]headroom{"comment_options.max_accepted_payout": 0,
	"limit_order_create.min_to_receive": 100}

// signsAlways reports whether a field names only those whose authority is needed: account and
// on_behalf_of of the rule name them already.
func signsAlways(d *hive.Definition, field string) bool {
	return slices.ContainsFunc(d.Signers, func(s hive.Signer) bool { return s.Field == field && s.When == "" }) ||
		strings.HasPrefix(field, "required_")
}

// test returns a test that fits all values, or the reason why the field is left free.
func (w *draft) test(sh *shape, values []value, path []string) (string, bool) {
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
		return w.accounts(values)
	case aKey, aText, aMemo:
		return texts(values, false)
	case aBool:
		if words := distinctTexts(values); len(words) == 1 {
			return words[0], true
		}
		return "", false
	case aNumber:
		return w.numbers(sh, values, path), true
	case aRatio:
		return w.ratios(values, path)
	case anAsset:
		return w.amounts(values, path, true, w.room), true
	case aTime:
		return "left free", false
	case aJSONText:
		if words := distinctTexts(values); len(words) == 1 && words[0] == "" {
			return `""`, true
		}
		test, ok := w.insides(values, path)
		if ok && (!strings.HasPrefix(test, "{") && !strings.HasPrefix(test, "\n") || strings.HasPrefix(test, "{min")) {
			test = fmt.Sprintf("{each: %s}", test) // a single value in JSON is a list of one
		}
		return test, ok
	case aJSON:
		return w.insides(values, path)
	case aList:
		return w.lists(sh, values, path)
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

func (w *draft) accounts(values []value) (string, bool) {
	names := distinctTexts(values)
	if len(names) > mostAccounts {
		return fmt.Sprintf("%d different accounts, left free", len(names)), false
	}
	for i, name := range names {
		names[i] = yamlText(name)
		// The rule goes on to mean this account if somebody adds others to it.
		if name == w.account {
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

// numbers returns the bounds of what was seen, and some room beyond. What the chain counts in
// hundredths of a percent is written as percent.
func (w *draft) numbers(sh *shape, values []value, path []string) string {
	low, high := values[0], values[0]
	for _, v := range values[1:] {
		if v.number.compare(low.number) < 0 {
			low = v
		}
		if v.number.compare(high.number) > 0 {
			high = v
		}
	}
	same, moves := low.number == high.number, !sh.percent && movesByItself[path[len(path)-1]]
	if same && !moves {
		return numberText(sh, low.number)
	}
	from, to := w.room.outwards(sh, low.number, false, moves), w.room.outwards(sh, high.number, true, moves)
	if from == to {
		return numberText(sh, from)
	}
	if from != low.number || to != high.number {
		seen := numberText(sh, low.number)
		if !same {
			seen += " to " + numberText(sh, high.number)
		}
		w.note(path, "seen "+seen)
	}
	return fmt.Sprintf("{min: %s, max: %s}", numberText(sh, from), numberText(sh, to))
}

// movesByItself are numbers inside JSON, of tokens mostly, that will hardly come again as they
// were: a test of the value alone, of which there was one, would be a rule for one request.
var movesByItself = map[string]bool{"price": true, "quantity": true, "qty": true, "amount": true}

func numberText(sh *shape, d decimal) string {
	n, ok := d.rat()
	if !sh.percent || !ok {
		return d.String()
	}
	d, _ = parseDecimal(new(big.Rat).Mul(n, big.NewRat(1, 100)).FloatString(2))
	return d.String() + "%"
}

// ratios rounds outwards: a price has no last digit.
func (w *draft) ratios(values []value, path []string) (string, bool) {
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
	if w.room > 0 {
		w.note(path, fmt.Sprintf("seen %s to %s", rounded(low, 6, false), rounded(high, 6, true)))
	}
	return fmt.Sprintf("{min: %s, max: %s}", rounded(w.room.beyond(low, false), 6, false),
		rounded(w.room.beyond(high, true), 6, true)), true
}

// amounts writes a test of the outermost amount that was seen, for each asset, with some room
// beyond: of the most that was seen, or of the least.
func (w *draft) amounts(values []value, path []string, most bool, room headroom) string {
	outermost := map[hive.Symbol]hive.Asset{}
	for _, v := range values {
		a, known := outermost[v.asset.Symbol]
		if !known || most && v.asset.Amount > a.Amount || !most && v.asset.Amount < a.Amount {
			outermost[v.asset.Symbol] = v.asset
		}
	}
	word, from := "max", "up to"
	if !most {
		word, from = "min", "from"
	}
	var words, seen []string
	for _, symbol := range slices.Sorted(maps.Keys(outermost)) {
		a := outermost[symbol]
		seen = append(seen, a.String())
		a.Amount = room.amount(a.Amount, most)
		words = append(words, fmt.Sprintf("{%s: %s}", word, a))
	}
	if room > 0 {
		w.note(path, fmt.Sprintf("seen %s %s", from, strings.Join(seen, ", ")))
	}
	return oneOrList(words)
}

// lists writes a test that holds every element to what some element was seen to be.
func (w *draft) lists(sh *shape, values []value, path []string) (string, bool) {
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
		return w.maps(sh.element, items, path)
	}
	if sh.element.kind == aNumber && len(distinctTexts(items)) <= mostAccounts {
		return fmt.Sprintf("{each: %s}", oneOrList(distinctTexts(items))), true
	}
	test, ok := w.test(sh.element, items, path)
	if !ok {
		return test, false
	}
	return fmt.Sprintf("{each: %s}", test), true
}

// maps writes a test of beneficiaries: each member is held to what it was.
func (w *draft) maps(sh *shape, items []value, path []string) (string, bool) {
	if sh == nil {
		return "left free", false
	}
	var tests []string
	for _, name := range slices.Sorted(maps.Keys(sh.members)) {
		var inner []value
		for _, item := range items {
			inner = append(inner, item.members[name])
		}
		test, ok := w.test(sh.members[name], inner, append(slices.Clone(path), name))
		if !ok {
			w.note(append(slices.Clone(path), name), test)
			continue
		}
		tests = append(tests, fmt.Sprintf(".%s: %s", name, test))
	}
	return fmt.Sprintf("{each: {%s}}", strings.Join(tests, ", ")), true
}

// insides holds JSON to what was seen in it.
func (w *draft) insides(values []value, path []string) (string, bool) {
	var opened []value
	for _, v := range values {
		v = v.open()
		if v.kind == isUnreadable {
			return "not JSON, left free", false
		}
		opened = append(opened, v)
	}
	if len(path) > deepestDraft {
		return "left free", false
	}
	kinds := map[valueKind]bool{}
	for _, v := range opened {
		kinds[v.kind] = true
	}
	switch {
	case len(kinds) == 1 && kinds[isMap]:
		return w.forms(opened, path)
	case len(kinds) == 1 && kinds[isList] && !slices.ContainsFunc(opened, ofOneKind):
		return w.rows(opened, path)
	// Also beside single values, which count as lists of one.
	case kinds[isList]:
		return w.elements(opened, path)
	case len(kinds) > 1:
		return "of several kinds, left free", false
	}
	if w.once && slices.ContainsFunc(opened, func(v value) bool {
		return comesOnce.MatchString(v.text) ||
			v.kind == isNumber && comesOnce.MatchString(v.number.String())
	}) {
		return "new each time, left free", false
	}
	return w.scalars(opened, path)
}

func (w *draft) scalars(values []value, path []string) (string, bool) {
	switch amounts, ok := textAmounts(values); {
	case ok && (len(distinctTexts(values)) > 1 || w.room > 0 && movesByItself[path[len(path)-1]]):
		return w.numbers(jsonShape, amounts, path), true
	}
	switch values[0].kind {
	case isNumber:
		if slices.ContainsFunc(values, func(v value) bool { return v.odd }) {
			return "a number with an exponent, left free", false
		}
		return w.numbers(jsonShape, values, path), true
	case isText:
		return texts(values, true)
	}
	if words := distinctTexts(values); len(words) == 1 {
		return words[0], true
	}
	return "", false
}

// textAmounts reads texts that are numbers, as amounts of tokens are written.
func textAmounts(values []value) (numbers []value, ok bool) {
	for _, v := range values {
		d, ok := parseDecimal(v.text)
		if v.kind != isText || !ok || d.String() != v.text {
			return nil, false
		}
		numbers = append(numbers, value{kind: isNumber, json: true, number: d, text: v.text})
	}
	return numbers, true
}

// sayWhat are the members of JSON whose values say what it does: others mean one thing only beside
// the same values of these. They stand in the order in which they are given up where there would be
// too many forms.
var sayWhat = []string{"symbol", "tokenPair", "type", "app", "operation", "action", "contractAction", "contractName"}

// jsonForm returns the names of the members of a value, also of maps inside of it, with the values
// of those that say what it does.
func jsonForm(v value, by []string, depth int) string {
	var b strings.Builder
	b.WriteString("{")
	for _, name := range slices.Sorted(maps.Keys(v.members)) {
		fmt.Fprintf(&b, "%q", name)
		switch inner := v.members[name]; {
		case inner.kind == isMap && depth < deepestDraft:
			b.WriteString(jsonForm(inner, by, depth+1))
		case inner.kind == isText && slices.Contains(by, name):
			fmt.Fprintf(&b, "=%q", inner.text)
		}
	}
	b.WriteString("}")
	return b.String()
}

// forms tests maps by the forms that they had. Where even
// the names of their members differ too much, there is no draft: what would be free could be
// anything.
func (w *draft) forms(values []value, path []string) (string, bool) {
	var forms map[string][]value
	for by := sayWhat; ; by = by[1:] {
		forms = map[string][]value{}
		for _, v := range values {
			form := jsonForm(v, by, len(path))
			forms[form] = append(forms[form], v)
		}
		if len(forms) <= mostForms || len(by) == 0 {
			break
		}
	}
	return w.alternatives(forms, path, func(values []value) (string, bool) { return w.members(values, path) })
}

// alternatives tests values by their forms: in one test, or in a list of one for each form.
func (w *draft) alternatives(forms map[string][]value, path []string,
	test func([]value) (string, bool)) (string, bool) {
	if len(forms) > mostForms {
		w.err = fmt.Errorf("%d forms of JSON in %s; write rules for them yourself", len(forms), strings.Join(path, "."))
		return "left free", false
	}
	var tests []string
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		text, ok := test(forms[form])
		if !ok {
			return text, false
		}
		tests = append(tests, text)
	}
	// Each on a line of its own, where lines can be.
	if tests = slices.Compact(tests); len(tests) > 1 && (len(path) == 1 || len(path) == 2 && path[1] == "each") {
		return "\n  - " + strings.Join(tests, "\n  - "), true
	}
	return oneOrList(tests), true
}

// members tests the members of maps that have the same names, and shuts out other names.
func (w *draft) members(values []value, path []string) (string, bool) {
	names := slices.Sorted(maps.Keys(values[0].members))
	if len(names) == 0 {
		return "an empty map, left free", false
	}
	if len(names) > mostAccounts {
		return fmt.Sprintf("%d different members, left free", len(names)), false
	}
	var tests, all []string
	for _, name := range names {
		if name == "" || strings.HasPrefix(name, ".") {
			return "a member of an odd name, left free", false
		}
		all = append(all, yamlText(name))
		// No path names a member with a point in its name.
		test, ok := "left free", false
		if inner := append(slices.Clone(path), name); !strings.Contains(name, ".") {
			var seen []value
			for _, v := range values {
				seen = append(seen, v.members[name])
			}
			test, ok = w.test(jsonShape, seen, inner)
		}
		if !ok {
			w.note(append(slices.Clone(path), name), test)
			continue
		}
		tests = append(tests, fmt.Sprintf("%s: %s", yamlText("."+name), test))
	}
	tests = append(tests, fmt.Sprintf("members: [%s]", strings.Join(all, ", ")))
	return "{" + strings.Join(tests, ", ") + "}", true
}

// note records what is left free inside of a field.
func (w *draft) note(path []string, why string) {
	note := fmt.Sprintf("%s: %s", plain.CutRunes(yamlText(strings.Join(path, ".")), 100), cmp.Or(why, "left free"))
	if !slices.Contains(w.notes, note) {
		w.notes = append(w.notes, note)
	}
}

// ofOneKind reports whether the elements of a list are of one kind, so that one test can be for
// each.
func ofOneKind(list value) bool {
	return !slices.ContainsFunc(list.items, func(v value) bool { return v.kind != list.items[0].kind })
}

// rows tests lists whose elements differ by their place, such as the name of a command and what
// belongs to it: each form by its elements in order.
func (w *draft) rows(values []value, path []string) (string, bool) {
	forms := map[string][]value{}
	for _, v := range values {
		form := fmt.Sprint(len(v.items))
		for i, item := range v.items {
			form += fmt.Sprintf(" %d", item.kind)
			if i == 0 && item.kind == isText {
				form += fmt.Sprintf("=%q", item.text)
			}
		}
		forms[form] = append(forms[form], v)
	}
	return w.alternatives(forms, path, func(values []value) (string, bool) { return w.row(values, path), true })
}

// row tests lists of one form by their elements in order.
func (w *draft) row(values []value, path []string) string {
	var tests []string
	for i := range values[0].items {
		var seen []value
		for _, v := range values {
			seen = append(seen, v.items[i])
		}
		at := append(slices.Clone(path), fmt.Sprint(i))
		test, ok := w.test(jsonShape, seen, at)
		if !ok {
			w.note(at, test)
			test = "{present: true}"
		}
		tests = append(tests, test)
	}
	return fmt.Sprintf("{exactly: [%s]}", strings.Join(tests, ", "))
}

// elements tests what all elements have in common; a value that is no list is a list of one.
func (w *draft) elements(values []value, path []string) (string, bool) {
	path = append(slices.Clone(path), "each")
	var items []value
	for _, v := range values {
		list, _ := v.list()
		if len(list) == 0 {
			return "sometimes an empty list, left free", false
		}
		items = append(items, list...)
	}
	test, ok := w.test(jsonShape, items, path)
	switch {
	case !ok:
		return test, false
	case strings.HasPrefix(test, "\n"):
		return "\n  each:" + strings.ReplaceAll(test, "\n", "\n  "), true
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
