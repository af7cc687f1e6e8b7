package policy

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// ownWord finds a rule that forbids posts by what the application writes of itself.
func ownWord(p *place) string {
	if !p.evadable || !p.first || p.field != "json_metadata" || p.name != ".app" {
		return ""
	}
	if _, there := theOne(p.whole).(isPresent); there {
		return "" // that it says so at all
	}
	return fmt.Sprintf("%s: in %s, the app writes this of itself, and evades the rule by another word; to keep an app "+
		"from something name it as this wallet knows it: apps: [NAME]", p.name, p.rule.section)
}

// encryptedInstead finds a rule that forbids memos by words for people, where a memo passes that is
// encrypted and may say the same.
func encryptedInstead(p *place) string {
	if !p.first || !p.isProse() || p.field != "memo" || p.name != p.field || p.entry == nil ||
		!wordsForPeople(p.whole) {
		return ""
	}
	secret := textValue(encrypted[0])
	if mayTake(p.whole, secret) || !p.steps.left(len(p.rules)) ||
		!p.lets(func(test matcher) bool { return test == nil || mayTake(test, secret) }) {
		return ""
	}
	if slices.ContainsFunc(p.rules, func(r *rule) bool {
		return r.forbidsBeside(p.rule) && r.findsMemo(p.entry.name, secret)
	}) {
		return ""
	}
	return fmt.Sprintf("%s: in %s, this is evaded by a memo that is encrypted: it begins with #, and no rule sees "+
		"what it says; add {glob: '#*'} to the list, or let only memo: {regexp: '[^#].*'} "+
		"through", p.name, p.rule.section)
}

// forbidsBeside reports whether the rule forbids wherever another one does.
func (r *rule) forbidsBeside(other *rule) bool {
	return (r.section == denySection || r.section == other.section) && !r.observe && covers(r.apps, other.apps) &&
		covers(r.accounts, other.accounts)
}

// findsMemo reports whether the rule is about every such operation with a memo.
func (r *rule) findsMemo(name string, memo value) bool {
	return slices.ContainsFunc(r.entries, func(e opEntry) bool {
		return e.name == name && len(e.says()) == 1 && e.test("memo") != nil && takes(e.test("memo"), memo)
	})
}

// wordsForPeople reports whether a test wants words, and none of the signs by which programs write
// to each other.
func wordsForPeople(m matcher) bool {
	words := ""
	eachLeaf(m, func(leaf matcher) bool {
		if p, ok := leaf.(pattern); ok && p.written() != nil {
			words += strings.Join(allWords(p.written()), "")
		}
		return true
	})
	return hasLetter(words) && !strings.ContainsAny(words, `_":{}[]#`)
}

// allWords returns the texts that an expression has in it, in letters of any size.
func allWords(re *syntax.Regexp) (words []string) {
	if re.Op == syntax.OpLiteral {
		words = append(words, string(re.Rune))
	}
	for _, sub := range re.Sub {
		words = append(words, allWords(sub)...)
	}
	return words
}
