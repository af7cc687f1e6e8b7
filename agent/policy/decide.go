package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// Decide judges a request: [Policy.Prospect] and [Prospect.Conclude] in one step, for the same
// instant. It changes nothing: who admits the request adds the decision's charges to the counters.
// Counters may be nil, for none so far. An instant before the latest charge counts as that one:
// time never goes back.
func (p *Policy) Decide(q *Request, counters Counters, now time.Time) Decision {
	counters, now = asOf(counters, now)
	return p.Prospect(q, now).Conclude(p, counters, now)
}

// asOf returns counters that can be asked, and the instant for which they are asked.
func asOf(counters Counters, now time.Time) (Counters, time.Time) {
	if counters == nil {
		return noCounters{}, now
	}
	// A clock that was set back would make windows hold less than was charged in them.
	if latest := counters.Latest(); now.Before(latest) {
		now = latest
	}
	return counters, now
}

// judgement is what the rules say of a request, before any limit is looked at.
type judgement struct {
	policy   *Policy
	scope    *scope
	observed bool // rules in mode observe count as if they were in force
	decision Decision

	refused []refusal // parts that are denied
	asked   []string  // reasons to ask
	spoken  bool      // some denied part is to be answered

	forbidden bool // some part is denied by a rule

	steady steady // how long the schedules of all rules that were looked at say the same
	timed  bool   // some rule that was looked at holds at certain times only
	mayAsk bool   // some rule that was looked at asks, or would at another time
}

type refusal struct {
	code   Code
	reason string
}

// rules judges every part. A request is one thing: all its parts pass, or all of it is denied.
func (j *judgement) rules(parts []*part) {
	for _, p := range parts {
		if j.settled() {
			break
		}
		j.part(p)
	}
	if j.denied() {
		// Which of the parts after the first denied one ask is not known: not all rules were
		// compared.
		j.mayAsk = j.mayAsk || j.policy.asks
	}
	j.settleDenied()
}

// settled reports whether no other part can change verdict, silence or code. Another part can still
// bring a deny rule, which comes before what nobody named, or a denial that is to be answered.
func (j *judgement) settled() bool {
	forbids := j.policy.forbids(j.observed)
	switch {
	case !j.denied():
		return false
	case !j.forbidden && forbids:
		return false
	}
	return j.spoken || !forbids && j.policy.otherwise
}

// matched are the rules that matched a part.
type matched struct{ deny, ask, allow []*rule }

func (j *judgement) match(p *part) matched {
	var m matched
	var uncovered []*rule
	j.policy.ruleIndex.find(j.scope.request, p, func(r *rule) {
		if r.observe && !j.observed {
			return
		}
		// Once a denial is to be answered, nothing but a deny rule can change what is said.
		if j.denied() && j.spoken && r.section != denySection {
			return
		}
		// Noted before the rule is compared, and so for too many rather than for too few: the first
		// half may be used at another instant only if no rule at all looked at the clock.
		j.timed = j.timed || r.when.bounded()
		j.steady.narrow(r.when, j.scope.now)
		j.mayAsk = j.mayAsk || r.section == askSection
		o, _ := r.matches(j.scope, p)
		switch {
		case !r.hit(o):
		case r.section == denySection:
			m.deny = append(m.deny, r)
		case r.section == allowSection:
			m.allow = append(m.allow, r)
		case r.onlyUncovered:
			uncovered = append(uncovered, r)
		default:
			m.ask = append(m.ask, r)
		}
	})
	// Known only when all rules were compared: the index finds them in any order.
	if len(m.allow) == 0 {
		m.ask = append(m.ask, uncovered...)
	}
	return m
}

// part takes the first line that fits: deny, ask, allow, deny.
func (j *judgement) part(p *part) {
	m := j.match(p)
	byHand := p.kind == Auth && j.scope.request.ManualSession
	switch {
	// A denial comes first, so that a rule added to "deny" narrows every other rule of the file,
	// those that somebody adds later included.
	case len(m.deny) > 0:
		first := firstByName(m.deny)
		j.refuse(CodeDenied, p, "; "+j.policy.ruleText(first)+first.inDoubt(j.scope, p))
		j.decision.addRules(m.deny)
		j.forbidden = true
		// One rule that wants an answer is enough for one: silence is for requests that another
		// wallet may serve, and this one is forbidden here.
		j.spoken = j.spoken || slices.ContainsFunc(m.deny, func(r *rule) bool { return !r.silent })
	// After deny and before all else: the operator allowed this session himself. Its challenge is a
	// part of its own and has no such privilege.
	case byHand:
	// To ask comes before to allow, so that a wide allow rule does not take a narrow ask rule out
	// of force. Rules that yield to allow are in m.ask only if nothing allows.
	case len(m.ask) > 0:
		j.decision.addRules(m.ask)
		j.decision.addRules(m.allow)
		j.spans(p, append(m.ask, m.allow...))
		j.decision.demand(m.ask)
		first := firstByName(m.ask)
		j.asked = append(j.asked, fmt.Sprintf("%v; %s%s", p, j.policy.ruleText(first), first.inDoubt(j.scope, p)))
	case len(m.allow) > 0:
		j.decision.addRules(m.allow)
		j.spans(p, m.allow)
		j.decision.Tell = j.decision.Tell || slices.ContainsFunc(m.allow, func(r *rule) bool { return r.tell })
	// What nobody named is denied. There is no switch to turn this round.
	default:
		j.uncovered(p)
		j.spoken = j.spoken || !j.policy.otherwise
	}
}

func (j *judgement) refuse(code Code, p *part, rest string) {
	j.refused = append(j.refused, refusal{code, fmt.Sprintf("%s: %v%s", code, p, rest)})
}

// spans keeps the shortest session, renewal and timeout of all rules that matched.
func (j *judgement) spans(p *part, rules []*rule) {
	for i, r := range rules {
		if p.kind == Auth {
			j.decision.Session = shortest(j.decision.Session, cmp.Or(r.session, defaultSession))
			// A rule that says nothing lets nothing be renewed: every rule that lets the login pass
			// must say so.
			if i == 0 || r.renew < j.decision.Renew {
				j.decision.Renew = r.renew
			}
		}
		j.decision.Timeout = shortest(j.decision.Timeout, r.timeout)
	}
}

// uncovered refuses a part that nobody named, and names the rule that came nearest.
func (j *judgement) uncovered(p *part) {
	// One reason is reported, that of the first part. To look for the nearest rule takes longer
	// than to judge, and a request may have thousands of parts.
	if j.denied() {
		return
	}
	near := j.nearest(p)
	code, rest := CodeUncovered, fmt.Sprintf("; no rule of %s names it", quote(j.scope.request.App))
	if near.rule != nil {
		rest = fmt.Sprintf("; nearest %s: %s", j.policy.ruleText(near.rule), near.rule.whyNot(j.scope, p, near.failed))
		if near.failed == onTime {
			j.steady.toMinute(j.scope.now) // which the reason names
		}
	}
	// Another account's authority is the reason only if no rule came past that condition: a rule
	// that lets the authority pass, and refuses the amount, refuses the amount.
	if other, ok := j.foreign(p); ok && near.failed <= onBehalf {
		code = CodeForeignAuthority
		if near.rule == nil {
			rest = fmt.Sprintf("; it needs the authority of %s", other)
		}
	}
	j.refuse(code, p, rest)
}

func (j *judgement) foreign(p *part) (hive.AccountName, bool) {
	for _, a := range p.actors {
		if a != j.scope.request.Account {
			return a, true
		}
	}
	return "", false
}

func (j *judgement) denied() bool { return len(j.refused) > 0 }

// settleDenied settles the decision if some part is refused.
func (j *judgement) settleDenied() {
	if !j.denied() {
		return
	}
	// What a deny rule says is reported before what nobody said: it is what the operator meant.
	first := j.refused[0]
	for _, r := range j.refused {
		if r.code == CodeDenied {
			first = r
			break
		}
	}
	d := &j.decision
	d.deny(first.code, first.reason)
	d.Silent = !j.spoken
	// Rules that let other parts pass gave nothing to this decision.
	d.Session, d.Renew, d.Timeout, d.Tell = 0, 0, 0, false
	d.Consents = nil
	d.Rules = slices.DeleteFunc(d.Rules, func(ref RuleRef) bool { return !j.policy.denies(ref) })
	d.sortRules()
}

func (p *Policy) denies(ref RuleRef) bool {
	i, ok := slices.BinarySearchFunc(p.rules, ref.Name, func(r *rule, name string) int {
		return strings.Compare(r.name, name)
	})
	return ok && p.rules[i].section == denySection
}

// forbids reports whether the policy has a deny rule at all, in force or also in mode observe.
func (p *Policy) forbids(observed bool) bool {
	if observed {
		return p.forbidsObserved
	}
	return p.forbidsInForce
}
