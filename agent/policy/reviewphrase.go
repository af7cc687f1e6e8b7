package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What people write in words where a test belongs, and what the words of a name say.

var (
	phraseForm = regexp.MustCompile(`(?i)^(contains|includes|starts? with|begins? with|ends? with|matches|equals?|` +
		`not) (\S+)$`)
	anyForm      = regexp.MustCompile(`(?i)^any (?:text|value|string|memo|thing|one)$|^[<(\[{](?:any|all|\*)[>)\]}]$`)
	orForm       = regexp.MustCompile(`^(\w+)(?: or (\w+)|(?:, \w+)+)$`)
	wordsForSome = []string{"optional", "required", "present", "exists", "missing", "absent"}
)

// phraseInText finds a test in words where a text for people is compared as it stands.
func phraseInText(p *place) string {
	text := p.textOf()
	if text == "" || !p.isOfPeople() {
		return ""
	}
	write := ""
	switch m := phraseForm.FindStringSubmatch(text); {
	case m != nil:
		write = p.inTests(strings.ToLower(m[1]), m[2])
	case anyForm.MatchString(text):
		return fmt.Sprintf("%s: %s is that text and no word for all%s", p.name, quote(text), p.insteadOfAll())
	case isWord(text, wordsForSome):
		write = `where there is none, it is ""; leave ` + p.name + " out if it may be anything"
	case !p.node.Quoted && orForm.MatchString(text):
		write = "several are a list: [" + strings.ReplaceAll(strings.ReplaceAll(text, ",", ""), " ", ", ") + "]"
		write = strings.ReplaceAll(write, ", or,", ",")
	}
	if write == "" {
		return ""
	}
	return fmt.Sprintf("%s: %s is that text and no test; %s", p.name, quote(text), write)
}

// inTests returns how to write what people say by two words.
func (p *place) inTests(says, word string) string {
	switch {
	case says == "not":
		if strings.EqualFold(word, "empty") {
			return `write {not: ""}`
		}
		return fmt.Sprintf("write {not: %s}", word)
	case says[0] == 's', says[0] == 'b':
		return fmt.Sprintf("write {glob: '%s*'}", word)
	case strings.HasPrefix(says, "equal"):
		return "write " + word
	case p.rule.section.permits():
		return fmt.Sprintf("write what it begins with, such as {glob: '%s*'}", word)
	}
	return fmt.Sprintf("write {regexp: '(?i).*%s.*'}", word)
}

// namedAgainst matches names of lists of those who are to get nothing.
var namedAgainst = regexp.MustCompile(`(?i)^(?:never|not?[-_].*|black-?_?list(?:ed)?|deny-?_?(?:list)?|denied|` +
	`block(?:ed|-?_?list)?|bann?(?:ed)?|spam(?:mers?)?|scam(?:mers?)?|bad(?:[-_].*)?|evil|forbidden|exclude[ds]?|` +
	`muted?|abusers?|plagiarists?)$`)

// negationForgotten finds an allow rule about exactly those whom a list keeps away by its name.
func negationForgotten(p *place) string {
	name, ok := strings.CutPrefix(p.node.Text, "$")
	// Who mutes somebody, by custom_json, or votes against him means just him.
	if !ok || p.entry != nil && p.entry.onlyVotesAgainst() || !p.allows() || p.negated || p.shape.kind != anAccount ||
		!namedAgainst.MatchString(name) {
		return ""
	}
	write := fmt.Sprintf("for all others write {not: $%s}", name)
	if p.getsPaid() {
		write = "name whom you mean"
	}
	return fmt.Sprintf("%s: the rule allows just those of the list %q, which does not sound like it; %s, or call the "+
		"list something else", p.name, name, write)
}

// onlyVotesAgainst reports whether the entry takes no vote for a post.
func (e *opEntry) onlyVotesAgainst() bool {
	m := e.test("weight")
	return e.name == "vote" && m != nil && !mayTake(m, integerValue("1")) && !mayTake(m, integerValue("10000"))
}

// spokenWindow matches a span of time in the name of a limit.
var spokenWindow = regexp.MustCompile(`(?i)(?:\b(?:per|a|an|each|every)[ -]|/)(hour|day|week|month)\b|` +
	`\b(hour|dai|week|month)ly\b`)

var spokenSpans = map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour, "dai": 24 * time.Hour,
	"week": 7 * 24 * time.Hour, "month": 28 * 24 * time.Hour}

// reviewSpoken warns of a limit whose name says that it is for a longer time than it is for.
func (c *compiler) reviewSpoken(l *limit) {
	said := spokenWindow.FindAllStringSubmatch(l.name, -1)
	if said == nil || l.measure == measureSum && l.observe {
		return
	}
	for _, m := range said {
		span := spokenSpans[strings.ToLower(m[1]+m[2])]
		if slices.ContainsFunc(l.quotas, func(q quota) bool { return 2*q.window >= span }) {
			return
		}
	}
	span, window := spokenSpans[strings.ToLower(said[0][1]+said[0][2])], l.quotas[0].window
	each := "each request"
	if window > 0 {
		each = windowText(window)
	}
	c.Warn(c.nodes[&l.rule], "limit %q has the same room again for %s, and its name says more; write %s, or another "+
		"name", l.name, each, windowText(span))
}

// idInOtherLetters finds an id of a known side chain in other letters than it has.
func idInOtherLetters(p *place) string {
	text := p.textOf()
	if text == "" || p.entry == nil || p.field != "id" || p.rule.section == denySection {
		return ""
	}
	for _, id := range knownIDs {
		if text != id && strings.EqualFold(text, id) && !mayTake(p.whole, textValue(id)) {
			return fmt.Sprintf("id: letters are compared as they are, and what has this id writes it %s; write that",
				id)
		}
	}
	return ""
}

// knownIDs are ids that most people use, besides those of the tokens that are known here.
var knownIDs = append([]string{"follow", "reblog", "community", "notify", "rc", "ssc-mainnet-hive"}, tokenIDs()...)

func tokenIDs() (ids []string) {
	for _, move := range tokenMoves {
		ids = append(ids, move.id)
	}
	return ids
}

// doubleBackslash matches a backslash that stands for itself where a class of characters was meant.
var doubleBackslash = regexp.MustCompile(`\\\\[dDwWsSbB.]`)

// backslashTwice finds a regular expression in single quotes that is written as in double ones.
func backslashTwice(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || m.glob || !doubleBackslash.MatchString(m.source) {
		return ""
	}
	found := doubleBackslash.FindString(m.source)
	return fmt.Sprintf("%s: %s in a pattern is a backslash and a letter behind it; between single quotes one "+
		"backslash is enough: write %s", p.name, found, found[1:])
}

// numberOfVersion matches numbers that are not written as a number is.
var numberOfVersion = regexp.MustCompile(`^[0-9]+\.[0-9]*0$`)

// versionAsNumber finds a version that is compared as a number: 1.10 is 1.1.
func versionAsNumber(p *place) string {
	e, ok := p.matcher.(equals)
	if !ok || e.kind != isNumber || p.node.Quoted || p.shape.kind != aJSON ||
		!numberOfVersion.MatchString(p.node.Text) ||
		!slices.Contains([]string{"version", "ver", "v"}, p.name[strings.LastIndex(p.name, ".")+1:]) {
		return ""
	}
	return fmt.Sprintf("%s: %s is a number here, and the same as %s; put it in quotes if that text is meant", p.name,
		p.node.Text, strings.TrimSuffix(strings.TrimRight(p.node.Text, "0"), "."))
}

// tagInCapitals finds a rule that forbids a tag of posts, evaded by the same tag in large letters.
func tagInCapitals(p *place) string {
	text := p.textOf()
	if text == "" || !p.evadable || p.negated || p.field != "json_metadata" || !strings.HasSuffix(p.name, ".tags") ||
		!hasLetter(text) || strings.ToLower(text) != text || has(p.whole, isNegation) {
		return ""
	}
	if !slices.ContainsFunc(p.rules, func(r *rule) bool {
		return p.steps.left(1) && r.letsPast(p.rule) && !r.observe && r.mayMeet(p.rule) &&
			slices.ContainsFunc(r.entries, func(e opEntry) bool {
				return slices.Contains(e.mayName(r.section), p.entry.name) && e.test("json_metadata") == nil
			})
	}) {
		return ""
	}
	return fmt.Sprintf("%s: in %s, this is evaded by large letters; write {regexp: '(?i)%s'}", p.name, p.rule.section,
		regexp.QuoteMeta(text))
}
