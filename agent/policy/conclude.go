package policy

import (
	"slices"
	"time"
)

// Conclude adds the second half of a decision: the limits, by the counters and the instant of the
// commit that the decision is part of. The policy in force is passed again, since it may have been
// replaced while the request waited; then all of the request is judged again, as it is where the
// request was changed or a rule with hours or dates could concern it. A yes of a person that came
// in between counts.
//
// The result is that of [Policy.Decide] of the policy in force, but for one thing. Where a test of
// within says something else by now, the code is [CodeClock]: the application chose that instant,
// and others would wait while all is judged again, as often as it likes.
//
// It changes nothing, and may be called more than once.
func (s *Prospect) Conclude(inForce *Policy, counters Counters, now time.Time) Decision {
	counters, now = asOf(counters, now)
	if !s.stands(inForce, now) {
		s = inForce.Prospect(s.request, now)
	}
	switch {
	case s.code != "":
		return Decision{Code: s.code, Reason: string(s.code) + ": " + s.reason}
	case !s.clock().holds(now):
		return Decision{Code: CodeClock, Silent: s.rules.decision.Silent, Reason: string(CodeClock) +
			": what `within` says of an instant in the request changed while it waited for its turn"}
	}
	// Limits have schedules, too, and theirs are always those of the commit.
	at := *s.scope
	at.now = now.UTC()
	touched := s.touchedAt(&at)
	d := s.rules.conclude(&at, touched, counters)
	if s.policy.observes {
		if o := s.observed.conclude(&at, touched, counters); d.differs(&o) {
			o.Charges, o.reserved = nil, nil // nothing is charged but by what really is decided
			d.Observed = &o
		}
	}
	return d
}

// conclusion is a decision in the making: the rules are done, the limits follow.
type conclusion struct {
	policy   *Policy
	scope    *scope // of the instant of the commit
	observed bool
	decision Decision

	overAsk    []string // limits that have a person asked
	overDenied []string // limits that deny
	overRules  []RuleRef
}

// conclude returns the decision with the limits. The judgement stays as it is.
func (j *judgement) conclude(at *scope, touched []touch, counters Counters) Decision {
	c := conclusion{policy: j.policy, scope: at, observed: j.observed, decision: j.decision}
	c.decision.Rules = slices.Clone(j.decision.Rules)
	if j.denied() {
		// Limits are not looked at: a denied request costs nothing, and whoever reads the decision
		// should find the rule that denied, not the room that did not matter.
		return c.decision
	}
	c.limits(touched, counters)
	c.settle(j.asked)
	return c.decision
}

// limits looks at every limit that the request touches.
func (c *conclusion) limits(touched []touch, counters Counters) {
	for _, t := range touched {
		opened := c.openings(t.limit, t.costs, counters)
		for _, cost := range t.costs {
			c.limit(t.limit, cost, counters)
			c.charge(t.limit, cost, &opened)
		}
	}
}

// limit compares the cost with every window of the counter.
func (c *conclusion) limit(l *limit, cost *cost, counters Counters) {
	for _, state := range l.states(cost, counters, c.scope.now) {
		c.decision.Limits = append(c.decision.Limits, state)
		if state.Room || l.observe && !c.observed {
			continue
		}
		why := c.policy.limitText(l, state)
		switch {
		// A person's yes does not count against a limit that denies: the person was asked about the
		// request, not about the limit.
		case !l.over:
			c.overDenied = append(c.overDenied, why)
			c.overRules = append(c.overRules, l.ref())
		case !c.scope.request.Approved:
			c.overAsk = append(c.overAsk, why)
			c.decision.Rules = append(c.decision.Rules, l.ref())
		}
	}
}

// charge notes what an admitted request is charged. So it is also by limits in mode observe and by
// those that a person's yes overrules: a counter shows what was admitted, whoever admitted it.
func (c *conclusion) charge(l *limit, cost *cost, opened *openings) {
	for _, unit := range sortedUnits(cost) {
		charge := Charge{Limit: l.name, Split: cost.split, Unit: unit, Amount: ratText(cost.units[unit])}
		if charge, ok := opened.charge(charge, c.scope.request.App); ok {
			c.decision.Charges = append(c.decision.Charges, charge)
		}
	}
}

// settle makes the verdict on a request whose parts all passed the rules.
func (c *conclusion) settle(asked []string) {
	if c.scope.request.Approved {
		asked = nil // the yes stands for every rule that asks
	}
	d := &c.decision
	defer d.sortRules()
	switch {
	// A limit that denies comes before a question: nobody is asked for a yes that has no effect.
	case len(c.overDenied) > 0:
		d.deny(CodeLimit, "limit: "+c.overDenied[0])
		d.Rules = c.overRules
		d.Session, d.Renew, d.Timeout, d.Tell, d.Charges = 0, 0, 0, false, nil
		d.Consents = nil
	case len(asked) > 0 || len(c.overAsk) > 0:
		d.Verdict, d.reserved, d.Charges, d.Tell = Ask, d.Charges, nil, false
		d.Reason = "ask: " + slices.Concat(asked, c.overAsk)[0]
	default:
		d.Verdict = Allow
	}
}
