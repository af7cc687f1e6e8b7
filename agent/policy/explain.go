package policy

import "time"

// An Explanation is a decision with what every rule said of every part: what a
// person who asks "why" needs. It looks at all rules, so it costs more than [Policy.Decide].
type Explanation struct {
	Decision Decision
	// Parts are empty if the request is refused whatever the file says.
	Parts []PartExplanation
}

// PartExplanation is what the rules said of one part of a request.
type PartExplanation struct {
	Part string // "operation 2 transfer", "session", "challenge", "decrypt"
	// Rules are those of the part's kind, limits among them, sorted by name,
	// rules before limits.
	Rules []RuleExplanation
}

// RuleExplanation is what one rule said of a part.
type RuleExplanation struct {
	Rule     RuleRef
	Section  string // "allow", "ask", "deny" or "limits"
	Observed bool   // mode: observe
	Matched  bool
	Unclear  bool   // a test could not be decided, which counted against the request
	Failed   string // the first condition that did not hold: "apps", "key" … "content"; empty if matched
	Why      string // that in words
}

// Explain judges a request as [Policy.Decide] does, and says why.
func (p *Policy) Explain(q *Request, counters Counters, now time.Time) Explanation {
	e := Explanation{Decision: p.Decide(q, counters, now)}
	if code, _ := q.refuse(); code != "" {
		return e
	}
	if counters != nil && now.Before(counters.Latest()) {
		now = counters.Latest()
	}
	parts := q.parts()
	s := newScope(q, parts, now)
	for _, part := range parts {
		x := PartExplanation{Part: part.String()}
		for _, r := range p.rules {
			x.add(r, s, part)
		}
		for _, l := range p.limits {
			x.add(&l.rule, s, part)
		}
		e.Parts = append(e.Parts, x)
	}
	return e
}

func (x *PartExplanation) add(r *rule, s *scope, p *part) {
	if !r.kinds[p.kind] {
		return
	}
	o, failed := r.matches(s, p)
	one := RuleExplanation{Rule: r.ref(), Section: r.section.String(), Observed: r.observe, Matched: r.hit(o), Unclear: o == unclear}
	if !one.Matched {
		one.Failed, one.Why = failed.String(), r.whyNot(s, p, failed)
	}
	x.Rules = append(x.Rules, one)
}

var conditionNames = [...]string{
	onKind: "request", onApp: "apps", onAccount: "accounts", onKey: "key", onBroadcast: "broadcast", onOperation: "operations",
	onTakeover: "takeover", onBehalf: "on_behalf_of", onTime: "time", onContent: "content", satisfied: "",
}

// String returns the key of the language that the condition stands for.
func (c condition) String() string { return conditionNames[c] }
