package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (p *Policy) ruleText(r *rule) string {
	return fmt.Sprintf("rule %q (%s:%d)", r.name, p.base(), r.line)
}

// base returns the file's name for sentences, without its folders.
func (p *Policy) base() string { return p.file[strings.LastIndexByte(p.file, '/')+1:] }

func firstByName(rules []*rule) *rule {
	return slices.MinFunc(rules, func(a, b *rule) int { return strings.Compare(a.name, b.name) })
}

func compareRefs(a, b RuleRef) int { return strings.Compare(a.Name, b.Name) }

// near is the rule that came nearest to a part, and what kept it away.
type near struct {
	rule   *rule
	failed condition
	passed int // fields that fitted
}

// mostCompared is how many rules are looked at for the nearest one. An application that is refused
// all the time must not cost time with each of thousands of rules; `policy explain` looks at all.
const mostCompared = 12

// nearest looks at the rules that can concern the part and that permit. The further a rule got, the
// nearer it is; of equals, the first by name.
func (j *judgement) nearest(p *part) near {
	var best near
	j.policy.ruleIndex.findNear(j.scope.request, p, mostCompared, func(r *rule) {
		// What a rule that denies or counts would have needed is no help: the request lacks a
		// permission.
		if r.observe && !j.observed || !r.section.permits() {
			return
		}
		// The index knows rules that cannot match, but they can be the nearest, at some hours.
		j.timed = j.timed || r.when.bounded()
		j.steady.narrow(r.when, j.scope.now)
		_, failed := r.matches(j.scope, p)
		n := near{r, failed, 0}
		if failed == onContent {
			_, n.passed = r.nearestEntry(j.scope, p)
		}
		if best.rule == nil || n.nearer(best) {
			best = n
		}
	})
	return best
}

func (n near) nearer(other near) bool {
	switch {
	case n.failed != other.failed:
		return n.failed > other.failed
	case n.passed != other.passed:
		return n.passed > other.passed
	}
	return n.rule.name < other.rule.name
}

// nearestEntry returns the entry about the part's operation with the most fields that fit, if it
// has fields that do not.
func (r *rule) nearestEntry(s *scope, p *part) (*opEntry, int) {
	var best *opEntry
	most := -1
	for i := range r.entries {
		e := &r.entries[i]
		// In a transaction only the entry in the same place is about this operation.
		if !e.names(r.section, p) || r.ordered && i != p.index {
			continue
		}
		passed := 0
		for _, f := range e.fields {
			if f.matcher.check(s.of(p), p.field(f.field)) == yes {
				passed++
			}
		}
		if passed > most {
			best, most = e, passed
		}
	}
	return best, most
}

// whyNot returns in words why the rule does not match the part.
func (r *rule) whyNot(s *scope, p *part, failed condition) string {
	q := s.request
	switch failed {
	case onKind:
		return fmt.Sprintf("request is %v", p.kind)
	case onApp:
		return fmt.Sprintf("apps: %s is not among them", quote(q.App))
	case onAccount:
		return fmt.Sprintf("accounts: %s is not among them", quote(string(q.Account)))
	case onKey:
		return fmt.Sprintf("key: it needs %s, and the rule is for %s", joinRoles(r.unlisted(p.roles), " and "),
			joinRoles(r.roles(), " and "))
	case onBroadcast:
		return fmt.Sprintf("broadcast is %t", q.Broadcast)
	case onMaker:
		if q.Exact {
			return "transaction_by: the application made the transaction"
		}
		return "transaction_by: the wallet makes the transaction"
	case onOperation:
		return r.whyNotOperation(s, p)
	case onTakeover:
		return "it can take the account over, and the rule does not say takeover: allowed for it by name"
	case onBehalf:
		return r.whyNotActors(s, p)
	case onTime:
		return fmt.Sprintf("it does not hold at %s", s.now.Format("Mon 2006-01-02T15:04Z"))
	case onContent:
		return r.whyNotContent(s, p)
	}
	return "it matches"
}

func (r *rule) whyNotOperation(s *scope, p *part) string {
	if !r.ordered {
		return p.name + " is not among its operations"
	}
	if len(r.entries) != len(s.operations) {
		return fmt.Sprintf("a transaction of %d operations, not %d", len(r.entries), len(s.operations))
	}
	for i := range r.entries {
		if !r.entries[i].names(r.section, s.operations[i]) {
			return fmt.Sprintf("operation %d is %s, not %s", i+1, s.operations[i].name, r.entries[i].name)
		}
	}
	return p.name + " is not among its operations"
}

func (r *rule) whyNotActors(s *scope, p *part) string {
	for _, a := range p.actors {
		if a != s.request.Account && !r.behalf[string(a)] {
			return fmt.Sprintf("it needs the authority of %s, which on_behalf_of does not name", quote(string(a)))
		}
	}
	return "on_behalf_of"
}

func (r *rule) whyNotContent(s *scope, p *part) string {
	if r.text != nil {
		return whyNot(s.of(p), r.text, p.textValue(), "text")
	}
	if e, _ := r.nearestEntry(s, p); e != nil {
		if text := e.whyNot(s, p); text != "" {
			return text
		}
	}
	for i := range r.entries {
		if r.ordered && i < len(s.operations) {
			if text := r.entries[i].whyNot(s, s.operations[i]); text != "" {
				return fmt.Sprintf("%v: %s", s.operations[i], text)
			}
		}
	}
	return "its fields do not fit"
}

func (e *opEntry) whyNot(s *scope, p *part) string {
	for _, f := range e.fields {
		if v := p.field(f.field); f.matcher.check(s.of(p), v) != yes {
			return whyNot(s, f.matcher, v, f.field)
		}
	}
	return ""
}

// inDoubt returns what is unclear about a match, "" if the rule matches clearly. Without it, a
// reader would compare the values and find that they do not fit.
func (r *rule) inDoubt(s *scope, p *part) string {
	if o, _ := r.matches(s, p); o != unclear {
		return ""
	}
	return ", in doubt: " + r.whyUnclear(s, p)
}

func (r *rule) whyUnclear(s *scope, p *part) string {
	if r.text != nil {
		return whyNot(s.of(p), r.text, p.textValue(), "text")
	}
	for i := range r.entries {
		e, about := &r.entries[i], p
		if r.ordered {
			about = s.operations[i]
		}
		if o, _ := e.matches(r, s, about); o != unclear {
			continue
		}
		text := e.whyNot(s, about)
		if about != p {
			text = fmt.Sprintf("%v: %s", about, text)
		}
		return text
	}
	return "its fields" // unreachable: one entry at least is unclear
}

// whyNot returns in words the first condition within t that is not a clear yes.
func whyNot(s *scope, t matcher, v value, where string) string {
	switch t := t.(type) {
	case allOf:
		for _, one := range t {
			if one.check(s, v) != yes {
				return whyNot(s, one, v, where)
			}
		}
	case oneOf:
		if len(t) == 1 {
			return whyNot(s, t[0], v, where)
		}
		return fmt.Sprintf("%s %s is none of %s", where, v.show(), showMatchers(s, t))
	case *literals:
		return whyNot(s, t.list, v, where)
	case bound:
		return whyNotBound(t, v, where)
	case inside:
		return whyNot(s, t.matcher, t.reach(v), where+"."+strings.Join(t.path, "."))
	case each:
		return whyNotEach(s, t, v, where)
	case exactly:
		return whyNotExactly(s, t, v, where)
	case size:
		items, known := v.list()
		if known == yes {
			return whyNot(s, t.matcher, countValue(len(items)), where+" size")
		}
	}
	return plainWhyNot(s, t, v, where)
}

func plainWhyNot(s *scope, t matcher, v value, where string) string {
	switch {
	case v.kind == isUnreadable:
		return where + " cannot be read"
	case v.kind == isAbsent && t != isPresent(true):
		return where + " is absent"
	}
	switch t := t.(type) {
	case noneOf:
		return fmt.Sprintf("%s %s is excluded by not %s", where, v.show(), showMatcher(s, t.matcher))
	case isPresent:
		return fmt.Sprintf("%s: present is %t", where, !bool(t))
	case onlyMembers:
		return fmt.Sprintf("%s has members beside %s", where, strings.Join(slices.Sorted(maps.Keys(t)), ", "))
	case some:
		return fmt.Sprintf("no element of %s is %s", where, showMatcher(s, t.matcher))
	case pattern:
		return fmt.Sprintf("%s %s does not fit %s", where, v.show(), showMatcher(s, t))
	case filled:
		if t.form != "" {
			return fmt.Sprintf("%s %s does not fit %s", where, v.show(), showMatcher(s, t))
		}
	}
	return fmt.Sprintf("%s %s is not %s", where, v.show(), showMatcher(s, t))
}

func whyNotBound(t bound, v value, where string) string {
	word, sign := "min", "<"
	if t.upper {
		word, sign = "max", ">"
	}
	if _, known := compareBound(t.limit, v); known != yes {
		if v.kind == isAbsent {
			return where + " is absent"
		}
		return fmt.Sprintf("%s %s cannot be compared to %s %s", where, v.show(), word, t.limit.text)
	}
	return fmt.Sprintf("%s %s %s %s %s", where, v.show(), sign, word, t.limit.text)
}

func whyNotEach(s *scope, t each, v value, where string) string {
	items, known := v.list()
	if known != yes {
		return plainWhyNot(s, t, v, where)
	}
	for i, item := range items {
		if t.matcher.check(s, item) != yes {
			return whyNot(s, t.matcher, item, fmt.Sprintf("%s.%d", where, i))
		}
	}
	return where + " is empty"
}

func whyNotExactly(s *scope, t exactly, v value, where string) string {
	items, known := v.list()
	switch {
	case known != yes:
		return plainWhyNot(s, t, v, where)
	case len(items) != len(t):
		return fmt.Sprintf("%s has %d elements, not %d", where, len(items), len(t))
	}
	for i, item := range items {
		if t[i].check(s, item) != yes {
			return whyNot(s, t[i], item, fmt.Sprintf("%s.%d", where, i))
		}
	}
	return where
}

// show writes a value for a sentence. Texts come from applications: quoted, and cut.
func (v value) show() string {
	switch v.kind {
	case isAbsent:
		return "(absent)"
	case isUnreadable:
		return "(unreadable)"
	case isText:
		return quote(v.text)
	case isList:
		return fmt.Sprintf("(a list of %d)", len(v.items))
	case isMap:
		return "(a map)"
	case isNumber:
		// Numbers in JSON are as long as the application likes. All digits are ASCII.
		if len(v.text) > 40 {
			return v.text[:40] + "…"
		}
	}
	return v.text
}

func showMatchers(s *scope, tests []matcher) string {
	var words []string
	for i, t := range tests {
		// A sentence is for reading, and lists may hold thousands of names.
		if i == 8 {
			words = append(words, fmt.Sprintf("… (%d in all)", len(tests)))
			break
		}
		words = append(words, showMatcher(s, t))
	}
	return strings.Join(words, ", ")
}

func showMatcher(s *scope, t matcher) string {
	switch t := t.(type) {
	case equals:
		return t.value.show()
	case isAccount:
		return "$account " + quote(string(s.request.Account))
	case isActor:
		return fmt.Sprintf("$%s %s", actorName, quote(strings.Join(namesOf(s.actors), " and ")))
	case sameAs:
		return fmt.Sprintf("$%d.%s", t.operation+1, t.field)
	case bound:
		if t.upper {
			return "max " + t.limit.text
		}
		return "min " + t.limit.text
	case aroundNow:
		return "within " + t.text + " of now"
	case pattern:
		if t.glob {
			return "glob " + quote(t.source)
		}
		return "regexp " + quote(t.source)
	case filled:
		return strings.TrimPrefix(t.form+" ", " ") + quote(t.source)
	case oneOf:
		return "[" + showMatchers(s, t) + "]"
	case *literals:
		return showMatcher(s, t.list)
	case allOf:
		return "{" + showMatchers(s, t) + "}"
	case noneOf:
		return "not " + showMatcher(s, t.matcher)
	case inside:
		return "." + strings.Join(t.path, ".") + ": " + showMatcher(s, t.matcher)
	case isPresent:
		return fmt.Sprintf("present: %t", bool(t))
	}
	return "as the rule says"
}
