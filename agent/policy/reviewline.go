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
