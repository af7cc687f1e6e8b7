package policy

import (
	"fmt"
	"strings"
)

// oneTitle finds a rule that forbids a text for people by its whole: one letter more, and the rule
// does not match.
func oneTitle(p *place) string {
	if !p.first || !p.isProse() || p.name != p.field || p.entry == nil {
		return ""
	}
	text, ok := "", true
	eachLeaf(p.whole, func(m matcher) bool {
		one, is := m.(equals)
		if is && text == "" {
			text = one.text
		}
		// Words are for people; a number is what an exchange knows a customer by.
		ok = ok && is && (p.field != "memo" || strings.Contains(one.text, " ")) && !strings.HasPrefix(one.text, "#")
		return ok
	})
	if !ok || text == "" || !hasLetter(text) || isWord(text, wordsForAll) || isWord(text, wordsForNothing) ||
		!p.lets(func(test matcher) bool { return test == nil || mayTake(test, textValue(text+" ...")) }) {
		return ""
	}
	return fmt.Sprintf("%s: in %s, one whole text is evaded by one letter more; write regexp: '(?i).*%s.*' for what "+
		"has it somewhere", p.name, p.rule.section, strings.ToLower(text))
}

func hasLetter(text string) bool { return strings.ToLower(text) != strings.ToUpper(text) }
