package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// What other tools read as something more than a text, and is a text here.

// wordsForSelf are words by which people mean the account of the request.
var wordsForSelf = []string{"self", "me", "myself", "mine", "own", "owner", "account", "user", "username", "sender",
	"signer", "principal", "caller"}

// textOf returns the text that the test compares with as it stands, "" if it is no such test.
func (p *place) textOf() string {
	e, ok := p.matcher.(equals)
	// $$ begins a text on purpose.
	if !ok || e.kind != isText || strings.HasPrefix(p.node.Text, "$$") {
		return ""
	}
	return e.text
}

// wordsForOthers are words by which people mean others than those they name, or what stands there.
var wordsForOthers = []string{"other", "others", "each", "every", "some", "someone", "somebody", "present", "missing",
	"absent", "exists", "unknown", "unlimited", "author", "voter", "recipient", "receiver", "friends", "followers",
	"stranger", "strangers", "exchange", "exchanges", "scammer", "scammers", "hacker", "hackers", "thief", "thieves"}

// wordForOthers finds a word that seems to mean accounts of some kind.
func wordForOthers(p *place) string {
	word := p.textOf()
	if p.shape.kind != anAccount || p.node.Quoted || !isWord(word, wordsForOthers) || p.namesList(word) {
		return ""
	}
	return fmt.Sprintf("%s: %q is the account of that name; name those whom you mean, or put it in quotes if that "+
		"account is meant", p.name, word)
}

// nameOfList finds the name of a list without the dollar sign.
func nameOfList(p *place) string {
	name := p.textOf()
	if !p.namesList(name) || p.node.Quoted && p.shape.kind != anAccount {
		return ""
	}
	return fmt.Sprintf("%s: %q is %s, and not the list; write $%s", p.name, name, p.whatItIs(), name)
}

// namesList reports whether there is a list of that name. One that holds its own name may mean
// that.
func (p *place) namesList(name string) bool { return namesList(p.lists, name) }

func namesList(lists map[string][]*yamlnode.Node, name string) bool {
	items, ok := lists[name]
	return ok && !slices.ContainsFunc(items, func(item *yamlnode.Node) bool { return item.Text == name })
}

// whatItIs returns what a text is that seems to be a word of the language.
func (p *place) whatItIs() string {
	if p.shape.kind == anAccount {
		return "the account of that name"
	}
	return "that text"
}

// wordForSelf finds a word that seems to mean the account of the request.
func wordForSelf(p *place) string {
	word := p.textOf()
	if p.shape.kind != anAccount || !isWord(word, wordsForSelf) && !contextForm.MatchString(word) || p.namesList(word) {
		return ""
	}
	return fmt.Sprintf("%s: %q is the account of that name; the account of the request is $account", p.name, word)
}

// contextForm matches what other tools call a part of the request.
var contextForm = regexp.MustCompile(`^(?:input|request|req|context|ctx|github|principal|resource|event|env)\.`)

var (
	severalForm = regexp.MustCompile(`^[\w.$*-]+(?:[|,;][\w.$*-]+)+$`)
	commaNumber = regexp.MustCompile(`^-?[0-9]+(?:\.[0-9]+)*,[0-9]+$`)
	betweenThem = regexp.MustCompile(`[|,;]`)
)

// severalInOne finds several values in one text.
func severalInOne(p *place) string {
	text := p.textOf()
	if !strings.ContainsAny(text, "|,;") || !severalForm.MatchString(text) || p.shape.kind == aDocument ||
		p.shape.kind == aJSONText {
		return ""
	}
	point := ""
	if p.shape.kind == aJSON && commaNumber.MatchString(text) {
		point = ", and a number with a point and without quotes"
	}
	return fmt.Sprintf("%s: %s is one text; several are written [%s]%s", p.name, quote(text),
		betweenThem.ReplaceAllString(text, ", "), point)
}

// filledForm matches what other tools put a value in the place of.
var filledForm = regexp.MustCompile(`\{\{.*\}\}|\$\{[^}]+\}|\$\([^)]+\)|<%|(?:^|[^0-9%])%[sdv](?:\W|$)`)

// filledIn finds a text or pattern that seems to be filled in.
func filledIn(p *place) string {
	text := p.textOf()
	m, isPattern := p.matcher.(pattern)
	if isPattern {
		text = m.source
	}
	if !strings.ContainsAny(text, "{$<%") {
		return ""
	}
	// In a regexp these signs have a meaning of their own.
	says := ""
	if !isPattern || m.glob {
		says = filledForm.FindString(text)
	}
	names := p.listNames()
	// An expression says that it means the sign itself.
	if !p.filledIn && !(p.fills && isPattern && strings.Contains(text, `\$account`)) {
		names = append([]string{accountName}, names...)
	}
	for _, name := range names {
		if mark := "$" + name; strings.Contains(text, mark) && (isPattern || text != mark) {
			says = mark
		}
	}
	if says == "" {
		return ""
	}
	return fmt.Sprintf("%s: inside a text or a pattern nothing is filled in, but for $account and $actor in "+
		"version 2, and %s stands for itself; a value can be $account or the name of a list as a whole, and glob: "+
		"'x*' is for what changes", p.name, quote(strings.TrimSpace(says)))
}

func (p *place) listNames() (names []string) {
	for name := range p.lists {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// jsonInOneText finds JSON that is compared by its spelling.
func jsonInOneText(p *place) string {
	text := strings.TrimSpace(p.textOf())
	// A word for nothing is said to be none.
	if p.shape.kind != aJSONText || text == "" || isWord(text, wordsForNothing) {
		return ""
	}
	const members = "test what is inside, such as {.name: value, members: [name]}"
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return fmt.Sprintf("%s: this is no JSON with members, and is compared as it stands; %s", p.name, members)
	}
	if len(text) == 2 && p.allows() {
		return "" // nothing in it that could be written otherwise
	}
	return fmt.Sprintf("%s: JSON as a text is compared letter by letter, so the same with a blank or in another order "+
		"does not fit; %s", p.name, members)
}

// callForm matches what looks like a function that is called.
var callForm = regexp.MustCompile(`(?i)^(starts_?with|ends_?with|contains|regexp?|glob|match(?:es)?|in|not|any|` +
	`eq|min|max|lower|len)\s*\(.*\)$`)

var (
	compareForm = regexp.MustCompile(`^(<=|>=|==?|!=|<>|<|>)\s*(-?[0-9][0-9.]*%?)$`)
	rangeForm   = regexp.MustCompile(`^(-?[0-9][0-9.]*)\s*\.\.\.?\s*(-?[0-9][0-9.]*)$`)
)

// comparison returns the test that a text such as <=5 or 1..5 seems to be, "" if it seems none.
func comparison(text string) string {
	if !strings.Contains(text, "..") && strings.IndexAny(text, "<>=!") != 0 {
		return ""
	}
	if m := rangeForm.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("{min: %s, max: %s}", m[1], m[2])
	}
	m := compareForm.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	switch m[1] {
	case "<", "<=":
		return fmt.Sprintf("{max: %s}", m[2])
	case ">", ">=":
		return fmt.Sprintf("{min: %s}", m[2])
	case "!=", "<>":
		return fmt.Sprintf("{not: %s}", m[2])
	}
	return m[2]
}

// comparisonInText finds a comparison that is written as a text.
func comparisonInText(p *place) string {
	text := p.textOf()
	write := comparison(text)
	if callForm.MatchString(text) {
		write = "a test, such as {glob: 'x*'}, {not: x} or {max: 5}"
	}
	if write == "" || strings.Contains(write, "%") {
		return ""
	}
	return fmt.Sprintf("%s: %s is that text and compares nothing; write %s", p.name, quote(text), write)
}

// percentInJSON finds a percentage in the JSON of an application, where it is a text.
func percentInJSON(p *place) string {
	text := p.textOf()
	if p.shape.kind != aJSON || p.node.Quoted || !strings.HasSuffix(text, "%") || !shareForm.MatchString(text) {
		return ""
	}
	return fmt.Sprintf("%s: %s is that text, since in JSON a share is what the app writes; write the number, or put "+
		"it in quotes if that text is meant", p.name, quote(text))
}

// globOfShells finds a glob with signs that stand for something else in other tools.
func globOfShells(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || !m.glob || looksLikeRegexp(m.source) {
		return ""
	}
	// A command of those who answer memos and comments has large letters: !PIZZA.
	if inner, ok := strings.CutPrefix(m.source, "!"); ok && !(p.isOfPeople() && hivebotForm.MatchString(inner)) {
		return fmt.Sprintf("%s: in a glob ! stands for itself; all but these is {not: {glob: '%s'}}", p.name, inner)
	}
	var parts []string
	for _, mark := range []struct{ begin, within, end string }{{"{", ",", "}"}, {"[", "", "]"}, {"", "|", ""}} {
		from := strings.Index(m.source, mark.begin)
		if from < 0 {
			continue
		}
		inner := m.source[from+len(mark.begin):]
		if to := strings.Index(inner, mark.end); mark.end != "" && to >= 0 {
			inner = inner[:to]
		} else if mark.end != "" {
			continue
		}
		if strings.Contains(inner, mark.within) {
			parts = append(parts, mark.begin+cmp.Or(mark.within, "…")+mark.end)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: in a glob only * and ? stand for something else, and %s for itself; several are a list: "+
		"[{glob: 'a*'}, {glob: 'b*'}]", p.name, parts[0])
}

// hivebotForm matches how a command begins behind its !.
var hivebotForm = regexp.MustCompile(`^[A-Z]{2}`)

// isOfPeople reports whether the test is of a text that people write.
func (p *place) isOfPeople() bool {
	return p.purpose() == "memo" || p.name == p.field && slices.Contains(prose, p.field)
}

// slashesAround finds a regular expression between slashes, as some languages write it.
func slashesAround(p *place) string {
	text := p.textOf()
	m, isPattern := p.matcher.(pattern)
	if isPattern {
		text = m.source
	}
	inner, ok := betweenSlashes(text)
	if !ok || !isPattern && !strings.ContainsAny(inner, `^$.*+[(\|`) && !withFlags.MatchString(text) {
		return ""
	}
	whole := strings.TrimPrefix(inner, "^")
	re := (pattern{source: inner}).parsed()
	if !strings.HasSuffix(inner, "$") && re != nil && !wild(re, -1) {
		whole += ".*"
	}
	// In other tools it is searched for. Where a rule allows, nothing free stands before it.
	if !strings.HasPrefix(inner, "^") && re != nil && !wild(re, 0) && !p.rule.section.permits() {
		whole = ".*" + whole
	}
	return fmt.Sprintf("%s: the slashes count as they stand; a regular expression is written {regexp: '%s'}, and is "+
		"compared with the whole text", p.name, strings.TrimSuffix(whole, "$"))
}

// withFlags matches what other tools take for a regular expression by the letters at its end.
var withFlags = regexp.MustCompile(`^/[^/ ]+/[gimsu]{1,3}$`)

var slashed = regexp.MustCompile(`^/(.+)/[a-z]*$`)

// betweenSlashes returns what stands between slashes.
func betweenSlashes(text string) (string, bool) {
	m := slashed.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// halfAnchored finds a regular expression that is anchored on one side, as if the other were free.
func halfAnchored(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || m.glob || wholeText(p) != "" {
		return ""
	}
	begins := strings.HasPrefix(m.source, "^")
	ends := strings.HasSuffix(m.source, "$") && !strings.HasSuffix(m.source, `\$`)
	re := m.parsed()
	switch {
	case begins == ends || re == nil:
		return ""
	case begins && !wild(re, -1):
		return fmt.Sprintf("%s: a pattern is compared with the whole text, so nothing may follow what this one "+
			"takes; leave ^ out if that is meant, or end it with .* if anything may follow", p.name)
	case ends && !wild(re, 0):
		return fmt.Sprintf("%s: a pattern is compared with the whole text, so nothing may stand before what this one "+
			"takes; leave $ out if that is meant, or begin it with .* if anything may", p.name)
	}
	return ""
}

// blanksAround finds a text with a blank where nobody sees it.
func blanksAround(p *place) string {
	text := p.textOf()
	if p.shape.kind == aDocument || strings.Trim(text, " \t\n") == text || strings.TrimSpace(text) == "" {
		return ""
	}
	return fmt.Sprintf("%s: %s begins or ends with a blank or a new line, which is compared, too; leave that out",
		p.name, quote(text))
}

// bentQuotes finds quotes that a word processor has written.
func bentQuotes(p *place) string {
	text := p.textOf()
	if p.shape.kind == aDocument || utf8.RuneCountInString(text) < 2 {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	if !strings.ContainsRune("“”„«»‘’‚", first) || !strings.ContainsRune("“”„«»‘’‚", last) {
		return ""
	}
	return fmt.Sprintf("%s: %s has quotes that count as they stand; YAML knows the straight ones only, \" and '",
		p.name, quote(text))
}

// listsOfMetadata are members of a post's metadata that are lists.
var listsOfMetadata = []string{"tags", "image", "links", "users"}

// scalarOfList finds a test of a single value where there is a list.
func scalarOfList(p *place) string {
	m, ok := p.matcher.(inside)
	if !ok || p.field != "json_metadata" || len(m.path) != 1 || !slices.Contains(listsOfMetadata, m.path[0]) ||
		!has(m.matcher, comparesText) {
		return ""
	}
	if has(m.matcher, isNegation) {
		return fmt.Sprintf(".%s is a list, and a test of one text never says yes to it; write {each: {not: art}} for "+
			"a list without it", m.path[0])
	}
	return fmt.Sprintf(".%s is a list, and a test of one text never says yes to it; write {any: art}, "+
		"{each: [art, music]} or {exactly: [art, music]}", m.path[0])
}

// oneAmount finds a rule that forbids a single amount.
func oneAmount(p *place) string {
	e, ok := p.matcher.(equals)
	if !ok || !p.evadable || e.kind != isAsset || e.asset.Amount == 0 || has(p.whole, isNegation) {
		return ""
	}
	return fmt.Sprintf("%s: in %s, one amount is evaded by a little more or less; write {min: %s}", p.name,
		p.rule.section, e.asset)
}

// anotherSigner finds an operation that another account signs than those that the rule is for.
func anotherSigner(r *rule, e *opEntry) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || !r.section.permits() || r.behalf == nil || len(r.behalf) > 0 || len(r.accounts) == 0 {
		return ""
	}
	for _, s := range d.Signers {
		m := e.test(s.Field)
		if sh := fieldsOf(e.name)[s.Field]; m == nil || sh == nil || sh.kind != anAccount {
			continue
		}
		if !r.signsFor(m) {
			return fmt.Sprintf("%s: %s is the account that signs, and this test takes none of the rule's accounts, so "+
				"it never matches; leave %s out, or say under on_behalf_of whose authority is used", e.name, s.Field,
				s.Field)
		}
	}
	return ""
}

// signsFor reports whether a test may take one of the accounts of the rule.
func (r *rule) signsFor(m matcher) bool {
	if has(m, isSameAs) {
		return true // the other operation is signed by somebody, too
	}
	for name := range r.accounts {
		s := &scope{request: &Request{Account: hive.AccountName(name)}}
		if m.check(s, textValue(name)) != no {
			return true
		}
	}
	return false
}

func isSameAs(m matcher) bool {
	_, is := m.(sameAs)
	return is
}

// leastOnly finds a payment that is bounded from below alone.
func leastOnly(r *rule, e *opEntry) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok || r.section != allowSection {
		return ""
	}
	for _, cost := range d.Spends {
		m := e.test(cost.Field)
		if b, ok := m.(allOf); ok && len(b) == 1 {
			if least, ok := b[0].(bound); ok && !least.upper && least.limit.kind == isAsset && cost.Field == "amount" {
				return fmt.Sprintf("%s: min alone lets every larger amount through; write max for at most %s, or both",
					e.name, least.limit.asset)
			}
		}
	}
	return ""
}
