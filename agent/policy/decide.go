package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
)

// Decide judges a request. It changes nothing: who admits the request adds the decision's charges
// to the counters. Counters may be nil, for none so far. An instant before the latest charge counts
// as that one: time never goes back.
func (p *Policy) Decide(q *Request, counters Counters, now time.Time) Decision {
	if counters == nil {
		counters = noCounters{}
	}
	if latest := counters.Latest(); now.Before(latest) {
		now = latest
	}
	d := p.judge(q, counters, now, false)
	if p.observes {
		if o := p.judge(q, counters, now, true); d.differs(&o) {
			o.Charges = nil // nothing is charged but by what really is decided
			d.Observed = &o
		}
	}
	return d
}

// judge decides with the observed rules and limits in force, or as if they were not there.
func (p *Policy) judge(q *Request, counters Counters, now time.Time, observed bool) Decision {
	if code, reason := q.refuse(); code != "" {
		return Decision{Code: code, Reason: string(code) + ": " + reason}
	}
	parts := q.parts()
	s := newScope(q, parts, now)
	j := judgement{policy: p, scope: s, observed: observed}
	for _, part := range parts {
		j.part(part)
	}
	if j.denied() {
		return j.decision
	}
	j.limits(parts, counters)
	j.conclude()
	return j.decision
}

func newScope(q *Request, parts []*part, now time.Time) *scope {
	s := &scope{request: q, now: now.UTC()}
	if q.Kind == Sign {
		s.operations = parts
	}
	return s
}

// A judgement is a decision in the making.
type judgement struct {
	policy   *Policy
	scope    *scope
	observed bool
	decision Decision

	refused    []refusal // parts that are denied
	asked      []string  // reasons to ask
	overAsk    []string  // limits that have a person asked
	overDenied []string
	overRules  []RuleRef // the limits that deny
	spoken     bool      // some denied part is to be answered
}

type refusal struct {
	code   Code
	reason string
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
	case len(m.deny) > 0:
		first := firstByName(m.deny)
		j.refuse(CodeDenied, p, "; "+j.policy.ruleText(first)+first.inDoubt(j.scope, p))
		j.decision.addRules(m.deny)
		j.spoken = j.spoken || slices.ContainsFunc(m.deny, func(r *rule) bool { return !r.silent })
	case byHand:
	case len(m.ask) > 0:
		j.decision.addRules(m.ask)
		j.decision.addRules(m.allow)
		j.spans(p, append(m.ask, m.allow...))
		if !j.scope.request.Approved {
			first := firstByName(m.ask)
			j.asked = append(j.asked, fmt.Sprintf("%v; %s%s", p, j.policy.ruleText(first), first.inDoubt(j.scope, p)))
		}
	case len(m.allow) > 0:
		j.decision.addRules(m.allow)
		j.spans(p, m.allow)
	default:
		j.uncovered(p)
		j.spoken = j.spoken || !j.policy.otherwise
	}
}

func (j *judgement) refuse(code Code, p *part, rest string) {
	j.refused = append(j.refused, refusal{code, fmt.Sprintf("%s: %v%s", code, p, rest)})
}

// spans keeps the shortest session and timeout of all rules that matched.
func (j *judgement) spans(p *part, rules []*rule) {
	for _, r := range rules {
		if p.kind == Auth {
			j.decision.Session = shortest(j.decision.Session, cmp.Or(r.session, defaultSession))
		}
		j.decision.Timeout = shortest(j.decision.Timeout, r.timeout)
	}
}

// uncovered refuses a part that nobody named, and names the rule that came nearest.
func (j *judgement) uncovered(p *part) {
	near := j.nearest(p)
	code, rest := CodeUncovered, fmt.Sprintf("; no rule of %s names it", quote(j.scope.request.App))
	if near.rule != nil {
		rest = fmt.Sprintf("; nearest %s: %s", j.policy.ruleText(near.rule), near.rule.whyNot(j.scope, p, near.failed))
	}
	if near.failed <= onBehalf {
		if other, ok := j.foreign(p); ok {
			code = CodeForeignAuthority
			if near.rule == nil {
				rest = fmt.Sprintf("; it needs the authority of %s", other)
			}
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

// denied settles the decision if some part is refused. What a deny rule says is told before what
// nobody said.
func (j *judgement) denied() bool {
	if len(j.refused) == 0 {
		return false
	}
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
	d.Session, d.Timeout = 0, 0
	d.Rules = slices.DeleteFunc(d.Rules, func(ref RuleRef) bool { return !j.policy.denies(ref) })
	d.sortRules()
	return true
}

func (p *Policy) denies(ref RuleRef) bool {
	i, ok := slices.BinarySearchFunc(p.rules, ref.Name, func(r *rule, name string) int {
		return strings.Compare(r.name,
			name)
	})
	return ok && p.rules[i].section == denySection
}

// conclude settles a decision whose parts all passed.
func (j *judgement) conclude() {
	d := &j.decision
	defer d.sortRules()
	switch {
	case len(j.overDenied) > 0:
		d.deny(CodeLimit, "limit: "+j.overDenied[0])
		d.Rules = j.overRules
		d.Session, d.Timeout, d.Charges = 0, 0, nil
	case len(j.asked) > 0 || len(j.overAsk) > 0:
		d.Verdict, d.Charges = Ask, nil
		d.Reason = "ask: " + append(j.asked, j.overAsk...)[0]
	default:
		d.Verdict = Allow
	}
}

// limits looks at every limit that the request touches.
func (j *judgement) limits(parts []*part, counters Counters) {
	touched := map[*limit][]*part{}
	var order []*limit
	for _, p := range parts {
		j.policy.limitIndex.find(j.scope.request, p, func(l *limit) {
			if o, _ := l.matches(j.scope, p); !l.hit(o) {
				return
			}
			if touched[l] == nil {
				order = append(order, l)
			}
			touched[l] = append(touched[l], p)
		})
	}
	slices.SortFunc(order, func(a, b *limit) int { return strings.Compare(a.name, b.name) })
	for _, l := range order {
		for _, c := range l.costs(j.scope, touched[l]) {
			j.limit(l, c, counters)
		}
	}
}

// limit compares the cost with every window of the counter.
func (j *judgement) limit(l *limit, c *cost, counters Counters) {
	for _, state := range l.states(c, counters, j.scope.now) {
		j.decision.Limits = append(j.decision.Limits, state)
		if state.Room || l.observe && !j.observed {
			continue
		}
		why := j.policy.limitText(l, state)
		switch {
		case !l.over:
			j.overDenied = append(j.overDenied, why)
			j.overRules = append(j.overRules, l.ref())
		case !j.scope.request.Approved:
			j.overAsk = append(j.overAsk, why)
			j.decision.Rules = append(j.decision.Rules, l.ref())
		}
	}
	for _, unit := range sortedUnits(c) {
		j.decision.Charges = append(j.decision.Charges, Charge{l.name, c.split, unit, ratText(c.units[unit])})
	}
}
