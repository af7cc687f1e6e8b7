package policy

import (
	"fmt"
	"maps"
	"strings"

	"pksa/protocol/plain"
)

// misspelt returns why a denial proves nothing of the rules, "" if nothing is wrong with it: no
// rule or limit names the app or the account of a case, and the name is nearly one that they have.
// The name of a stranger, as cases have it on purpose, is far from those.
func (p *Policy) misspelt(q *Request, e *Expectation, d *Decision) string {
	if e.Verdict != Deny || d.Verdict != Deny || d.Code != CodeUncovered || e.Code != "" {
		return ""
	}
	for _, one := range []struct {
		what, name string
		of         func(*rule) nameSet
	}{
		{"app", q.App, func(r *rule) nameSet { return r.apps }},
		{"account", string(q.Account), func(r *rule) nameSet { return r.accounts }},
	} {
		known := nameSet{}
		for _, r := range p.rules {
			maps.Copy(known, one.of(r))
		}
		for _, l := range p.limits {
			maps.Copy(known, one.of(&l.rule))
		}
		if known[one.name] {
			continue
		}
		var words []string
		for _, name := range known.sorted() {
			words = append(words, string(name))
		}
		if meant := plain.Nearest(one.name, words); meant != "" && withoutDigits(meant) != withoutDigits(one.name) {
			return fmt.Sprintf("denied since no rule names the %s %s, so it proves nothing of the rules; did you mean "+
				"%s? If it is meant so, say code: %s", one.what, quote(one.name), quote(meant), d.Code)
		}
	}
	return ""
}

// withoutDigits returns a name by which bot1 and bot2 are alike: names that differ in nothing but a
// number are those of two apps, or of two accounts.
func withoutDigits(name string) string {
	return strings.Map(func(ch rune) rune {
		if '0' <= ch && ch <= '9' {
			return -1
		}
		return ch
	}, name)
}
