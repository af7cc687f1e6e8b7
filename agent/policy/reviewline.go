package policy

import (
	"fmt"
	"slices"
	"strings"
)

// lines are texts of one line that no pattern takes by chance; the longest is looked at last.
var lines = []string{"7", `zQ ~{'["$%`, "I owe mallory: my house, at 5.", strings.Repeat("-_", 300),
	strings.Repeat("long ", 14_000)}

// takesLines reports whether a regular expression takes every line of letters, digits and signs,
// and not every text.
func (m pattern) takesLines() bool {
	return !m.glob && !slices.ContainsFunc(lines, func(text string) bool { return !m.MatchString(text) }) &&
		m.takesCharacters() && !m.takesAll()
}

// everyTextTogether finds a list of patterns of which each text fits one.
func everyTextTogether(p *place) string {
	wanted := wantedPatterns(p.whole)
	if _, isList := p.whole.(oneOf); !isList || !p.first || len(wanted) < 2 || has(p.whole, isWild) ||
		oneIsEnough(p) != "" || p.shape.kind == anAccount {
		return ""
	}
	refuses := func(text string) bool { return !takes(p.whole, textValue(text)) }
	for ch := ' '; ch <= '~'; ch++ {
		if refuses(string(ch)+"7") || refuses("7"+string(ch)) {
			return ""
		}
	}
	if slices.ContainsFunc(lines, refuses) {
		return ""
	}
	return fmt.Sprintf("%s: of a list one test is enough, and every line fits one of these patterns; put both into "+
		"one map if all are to fit, or leave %s out if it may be anything", p.name, p.name)
}

// everyLine finds a pattern that takes all that fits one line.
func everyLine(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || !m.takesLines() {
		return ""
	}
	if p.evadable && !p.negated {
		return fmt.Sprintf("%s: regexp %s takes every line, and is evaded by a line break; write regexp: '.*', whose "+
			"dot takes line breaks too, or leave %s out", p.name, quote(m.source), p.name)
	}
	return fmt.Sprintf("%s: regexp %s takes every text of one line, so it keeps nothing out; write what the text "+
		"begins with, or leave %s out if it may be anything", p.name, quote(m.source), p.name)
}
