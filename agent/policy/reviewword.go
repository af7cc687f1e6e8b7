package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
)

// wordsForAll and wordsForNothing look like words of the language, and are values.
var (
	wordsForAll = []string{"any", "all", "anyone", "anybody", "anything", "everyone", "everybody", "everything",
		"whatever", "*", "**", "***"}
	wordsForNothing = []string{"none", "nobody", "noone", "nothing", "null", "nil", "empty", "undefined", "~"}
)

// wordIn returns the word of a list that the test compares with, "" if it does not. Of letters,
// large and small ones are alike.
func (p *place) wordIn(words []string) string {
	switch m := p.matcher.(type) {
	case equals:
		if m.kind == isText && isWord(m.text, words) {
			return m.text
		}
	case *literals:
		// The items of a list that stands here are looked at one by one.
		if len(p.node.Items) > 0 {
			return ""
		}
		for _, one := range m.list {
			if word := p.part(p.node, one).wordIn(words); word != "" {
				return word
			}
		}
	case pattern:
		if texts := m.texts(); len(texts) > 0 && !slices.ContainsFunc(texts, func(text string) bool {
			return !isWord(text, words)
		}) {
			return texts[0]
		}
	}
	return ""
}

func isWord(text string, words []string) bool { return slices.Contains(words, strings.ToLower(text)) }

// word returns the only text that the pattern takes, "" if it takes others.
func (m pattern) word() string {
	if !m.oneText() {
		return ""
	}
	if m.glob {
		return m.source
	}
	return m.begins()
}

// pays reports whether the test is about who is paid.
func (p *place) pays() bool {
	if p.entry == nil || p.field == payeeField {
		return true
	}
	d, ok := hive.DefinitionOf(p.entry.name)
	return !ok || slices.Contains(d.Payees, p.field)
}

// bareWord returns a word that YAML has for yes or no, "" if the test compares with none, or says
// by quotes that the text is meant.
func (p *place) bareWord(meaning string) string {
	e, ok := p.matcher.(equals)
	if !ok || e.kind != isText || p.node.Quoted || p.node.Text != e.text {
		return ""
	}
	if meant, ok := yamlnode.YesOrNo(e.text); !ok || meant != meaning {
		return ""
	}
	return e.text
}

// wordForAll finds a word that seems to mean everything.
func wordForAll(p *place) string {
	word, orText := cmp.Or(p.wordIn(wordsForAll), p.patternOfAll()), ""
	if word == "" {
		word, orText = p.bareWord("true"), ", or put it in quotes if that text is meant"
	}
	switch {
	case word == "":
		return ""
	case p.ownWord("all", word):
		if p.allows() || p.node.Quoted {
			return ""
		}
		orText = ", or put it in quotes if that text is meant"
	}
	what := "that text"
	if p.shape.kind == anAccount {
		what = "the account of that name"
	}
	return fmt.Sprintf("%s: %q is %s and no word for all%s%s", p.name, word, what, p.insteadOfAll(), orText)
}

// anyRegexp matches the regular expressions that people write for any text.
var anyRegexp = regexp.MustCompile(`^\^?(?:\.[*+]\??|\(\.[*+]\??\))\$?$`)

// patternOfAll returns a text that stands where values are compared as they are and that takes
// every text as a pattern, "" if it is none.
func (p *place) patternOfAll() string {
	if text := p.textOf(); anyRegexp.MatchString(text) {
		return text
	}
	return ""
}

// ownWord reports whether a word is one that games have among the values of a member, such as mode:
// all and target: none. In an allow rule nothing is lost by it: it matches less.
func (p *place) ownWord(own, word string) bool {
	return p.shape.kind == aJSON && p.entry != nil && strings.EqualFold(word, own)
}

// insteadOfAll returns what such a test does, and what to write.
func (p *place) insteadOfAll() string {
	if p.field == "text" && p.name == p.field {
		return "; test what your app's texts begin with, or their members"
	}
	if p.negated {
		return p.exceptAll()
	}
	leaveOut := p.withoutTest()
	switch p.rule.section {
	case denySection:
		return ", so the rule denies nothing else; " + leaveOut + " to deny all"
	case limitSection:
		return ", so nothing else is counted; " + leaveOut + " to count all"
	}
	return ", so the rule matches nothing else; " + leaveOut + " if it may be anything"
}

// withoutTest returns how to take every value. Nothing may be left empty by it.
func (p *place) withoutTest() string {
	switch {
	case p.name == p.field && p.entry != nil && len(p.entry.fields) == 1:
		return fmt.Sprintf("write %s alone, without %s,", p.entry.name, p.name)
	case p.name == p.field:
		return "leave " + p.name + " out"
	case p.shape.kind == aJSON:
		return "write {present: true} in its place"
	case p.entry.shapeOf(p.field).kind == aList:
		return fmt.Sprintf("leave %s out, or write %s: {size: {min: 1}} if nothing is left there,", p.name, p.field)
	}
	return "leave " + p.name + " out"
}

// exceptAll returns the same of a test with not, which takes all but that word.
func (p *place) exceptAll() string {
	switch p.rule.section {
	case denySection:
		return ", so with not the rule denies everything else; name what it shall not deny"
	case limitSection:
		return ", so with not everything else is counted; name what is not to be counted"
	}
	return ", so with not the rule matches everything else; name what it shall not match"
}

// reviewName warns about a name in a list of accounts or apps that seems to mean all of them.
func (c *compiler) reviewName(n *yamlnode.Node, key, name string) {
	switch {
	case c.Bad(n):
	case isWord(name, wordsForAll):
		c.Warn(n, "%s: %s is only what has that name, and no word for all; for all write %s: any", key,
			quote(name), key)
	case isWord(name, wordsForNothing):
		c.Warn(n, "%s: %s is only what has that name, and no word for nothing; name whom you mean, or write %s: any",
			key, quote(name), key)
	case namesList(c.lists, name):
		c.Warn(n, "%s: %s is only what has that name, and not the list; write $%s", key, quote(name), name)
	case key != "apps" && isWord(name, wordsForSelf):
		c.Warn(n, "%s: %s is only the account of that name; name yours", key, quote(name))
	case severalForm.MatchString(name):
		c.Warn(n, "%s: %s is one name as it stands; several are written [%s]", key, quote(name),
			betweenThem.ReplaceAllString(name, ", "))
	case strings.Contains(name, "*"):
		c.Warn(n, "%s: %s is compared as it stands, with its star; name each, or write %s: any", key, quote(name), key)
	case looksLikeRegexp(name):
		c.Warn(n, "%s: %s is compared as it stands, and is no pattern here; name each, or write %s: any", key,
			quote(name), key)
	}
}

// wordForNothing finds a word that seems to mean that there is nothing.
func wordForNothing(p *place) string {
	word, orText := p.wordIn(wordsForNothing), ""
	if word == "" {
		word, orText = p.bareWord("false"), "; put it in quotes if that text is meant"
	}
	// What is sent to the account null is burnt, and everybody knows it by that name.
	if word == "" || p.shape.kind == anAccount && word == "null" && (!p.node.Null || p.pays()) {
		return ""
	}
	if p.ownWord("none", word) && (p.allows() || p.node.Quoted) {
		return ""
	}
	switch p.shape.kind {
	case anAccount:
		return fmt.Sprintf(`%s: %q is the account of that name and no word for nobody; where the chain has nobody, `+
			`that is ""`,
			p.name, word)
	case aJSON:
		return fmt.Sprintf("%s: %q is that text; write {present: false} if there is to be nothing, and null without "+
			"quotes "+
			"for the null of JSON", p.name, word)
	}
	return fmt.Sprintf(`%s: %q is that text; an empty text is ""%s`, p.name, word, orText)
}

// textLikePattern finds a pattern that stands where values are compared as they are.
func textLikePattern(p *place) string {
	e, ok := p.matcher.(equals)
	if !ok || e.kind != isText || isWord(e.text, wordsForAll) || anyRegexp.MatchString(e.text) ||
		p.shape.kind == aJSONText {
		return ""
	}
	if _, between := betweenSlashes(e.text); between {
		return "" // that is said
	}
	switch {
	case looksLikeRegexp(e.text):
		return fmt.Sprintf("%s: a value is compared as it stands, and this looks like a regular expression; write "+
			"{regexp: '%s'}", p.name, e.text)
	case strings.Contains(e.text, "*"):
		return fmt.Sprintf("%s: a value is compared as it stands, with its star; write {glob: '%s'}", p.name, e.text)
	}
	return ""
}
