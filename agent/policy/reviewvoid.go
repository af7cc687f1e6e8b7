package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// Deny rules that are about nothing: what they name is never there, and what was meant goes
// through. Of a rule that keeps out what no rule permits nothing is said: it guards the day to
// come.

// deniesNoSigner finds a deny rule that tests the account that signs, and wants one that no rule
// lets sign.
func (c *compiler) deniesNoSigner(r *rule, e *opEntry, rules []*rule) string {
	d, ok := hive.DefinitionOf(e.name)
	if !ok {
		return ""
	}
	for _, s := range d.Signers {
		names := textsOf(theOne(e.testOf(s.Field)))
		if sh := fieldsOf(e.name)[s.Field]; len(names) == 0 || sh == nil || sh.kind != anAccount {
			continue
		}
		permits, signs := false, false
		for _, other := range rules {
			signs = signs || other != r && other.accounts != nil && intersect(other.accounts, names)
			if !other.section.permits() || other.observe || !other.mayMeet(r) || !other.sharesOperation(&rule{
				section: denySection, entries: []opEntry{*e}}) {
				continue
			}
			permits = true
			signs = signs || other.behalf == nil || len(other.behalf) > 0 || other.accounts == nil
		}
		if permits && !signs {
			says := ""
			if len(d.Payees) > 0 && d.Payees[0] != s.Field {
				says = "; who gets something stands under " + d.Payees[0]
			}
			return fmt.Sprintf("%s: %s is the account that signs, and no rule lets %s sign it, so %q %s nothing%s",
				e.name, s.Field, textIn(sortedTexts(names)), r.name, forbids[r.section], says)
		}
	}
	return ""
}

func sortedTexts(names nameSet) (texts []string) {
	for _, name := range names.sorted() {
		texts = append(texts, string(name))
	}
	return texts
}

// postingPaysNone finds a rule that keeps somebody from being paid by what the posting key signs,
// while payments, which need the active key, go through.
func (c *compiler) postingPaysNone(r *rule, e *opEntry, rules []*rule) string {
	if e.name != groupPosting {
		return ""
	}
	names := e.recipients()
	for _, name := range names[:min(len(names), mostSamples)] {
		for _, way := range payments {
			pay := payment{to: name}
			for _, other := range rules {
				if !other.accounts[name] && c.passes(r, other, rules, func(one *opEntry) bool {
					return one.name == way && one.takesPayment(way, pay)
				}, func(d *rule, one *opEntry) bool {
					return slices.Contains(one.mayName(d.section), way) && one.takesPayment(way, pay)
				}) {
					return fmt.Sprintf("%q %s what the posting key signs for %s, and %q lets %s through, which needs "+
						"the active key and pays %[3]s; add active: {payee: {any: %[6]s}}", r.name, forbids[r.section],
						name,
						other.name, way, textIn(names))
				}
			}
		}
	}
	return ""
}

// misspelt finds a test of a post's metadata, in a rule that forbids, of a member that nobody
// writes: nearly the name of a list, or a tag with its sign.
func misspelt(p *place) string {
	if !p.evadable || p.field != "json_metadata" || p.negated {
		return ""
	}
	if m, ok := p.matcher.(inside); ok && len(m.path) == 1 && !slices.Contains(listsOfMetadata, m.path[0]) {
		small := strings.ToLower(m.path[0])
		for _, name := range listsOfMetadata {
			if small == name || small+"s" == name {
				return fmt.Sprintf(".%s: posts have .%s, so in %s this finds nothing; write .%[2]s: {any: …}",
					m.path[0],
					name, p.rule.section)
			}
		}
	}
	if text := p.textOf(); p.name == ".tags" && strings.HasPrefix(text, "#") {
		return fmt.Sprintf(".tags: tags stand there without #, so in %s this finds nothing; write %s", p.rule.section,
			strings.TrimPrefix(text, "#"))
	}
	return ""
}
