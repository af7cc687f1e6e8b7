package policy

import (
	"strings"
	"time"

	"pksa/protocol/sorts"
)

// Outlook is what is known of a decision before the counters are.
type Outlook uint8

// The outlooks. Each holds for all counters.
const (
	// Open is the zero value: the decision depends on the limits, and nobody is asked.
	Open Outlook = iota
	// SurelyDenied is a request that [Policy.Decide] denies at every instant, with the same code,
	// the same silence and the same rules.
	SurelyDenied
	// PerhapsAsked is a request that [Policy.Decide] may answer with [Ask].
	PerhapsAsked
)

// String returns "open", "surely denied" or "perhaps asked".
func (o Outlook) String() string {
	switch o {
	case SurelyDenied:
		return "surely denied"
	case PerhapsAsked:
		return "perhaps asked"
	}
	return "open"
}

// Prospect is the first half of a decision: what the rules of a policy say of a request. It knows
// no counters, so it can be made before the request waits for its turn. [Prospect.Conclude] adds
// the second half, the limits, when the turn has come.
//
// The first half depends on the policy, the request and, where rules have hours or dates, on the
// instant. A prospect therefore remembers all three, and the second half judges the rules again
// where one of them is no longer the same. So it can be late, but not wrong: Conclude returns what
// [Policy.Decide] returns, or refuses, and the prospect only saves work.
//
// It must not be used concurrently.
type Prospect struct {
	policy  *Policy
	request *Request
	judged  Request // the request as it was then
	at      time.Time

	scope    *scope
	parts    []*part   // nil if code is not empty
	code     Code      // of what is refused whatever the file says
	reason   string    // with code
	rules    judgement // as they are in force
	observed judgement // with those in mode observe in force, if the policy has any

	// touched are the limits that the request touches, with what it costs. They are found here,
	// since to compare fields and patterns takes longer than to ask counters.
	touched []touch
	counted steady // as long as schedules of limits say the same
}

// touch is a limit that a request touches, with what it costs there.
type touch struct {
	limit *limit
	costs []*cost
}

// Prospect judges the half of a request that needs no counters: what is refused whatever the file
// says, and what the rules say of each part. The prospect keeps the request.
func (p *Policy) Prospect(q *Request, now time.Time) *Prospect {
	s := &Prospect{policy: p, request: q, judged: q.snapshot(), at: now}
	if s.code, s.reason = q.refuse(); s.code != "" {
		return s
	}
	s.parts = q.parts()
	s.scope = newScope(q, s.parts, now)
	s.rules = judgement{policy: p, scope: s.scope}
	s.rules.rules(s.parts)
	if p.observes {
		s.observed = judgement{policy: p, scope: s.scope, observed: true}
		s.observed.rules(s.parts)
	}
	if !s.rules.denied() || p.observes && !s.observed.denied() {
		s.touched = p.touched(s.scope, s.parts, &s.counted)
		s.counted.known = true
	}
	s.scope.patterns = nil // thousands of requests may wait for their turn
	return s
}

// touchedAt returns the limits that the request touches at the instant of a scope.
func (s *Prospect) touchedAt(at *scope) []touch {
	if !s.counted.known && s.rules.denied() && (!s.policy.observes || s.observed.denied()) {
		return nil // nobody looks at them
	}
	if s.counted.known && s.counted.holds(at.now) {
		return s.touched
	}
	return s.policy.touched(at, s.parts, new(steady))
}

// touched returns the limits that a request touches at the instant of a scope, and leaves of a span
// what their schedules leave of it.
func (p *Policy) touched(at *scope, all []*part, span *steady) []touch {
	parts := map[*limit][]*part{}
	var order []*limit
	for _, one := range all {
		p.limitIndex.find(at.request, one, func(l *limit) {
			span.narrow(l.when, at.now)
			if o, _ := l.matches(at, one); !l.hit(o) {
				return
			}
			if parts[l] == nil {
				order = append(order, l)
			}
			parts[l] = append(parts[l], one)
		})
	}
	// By name, so that the first reason is the same in every run and for every order of the file.
	sorts.By(order, func(a, b *limit) int { return strings.Compare(a.name, b.name) })
	touched := make([]touch, len(order))
	for i, l := range order {
		// Costs are added up over all parts first. Otherwise each of ten transfers in one
		// transaction would be compared with the limit alone.
		touched[i] = touch{l, l.costs(at, parts[l])}
	}
	return touched
}

func newScope(q *Request, parts []*part, now time.Time) *scope {
	s := &scope{request: q, now: now.UTC(), others: others(q, parts)}
	if q.Kind == Sign {
		s.operations = parts
	}
	return s
}

// Outlook returns what is known so far. A yes of a person that the request carries counts.
func (s *Prospect) Outlook() Outlook {
	j := &s.rules
	switch {
	case s.code != "":
		return SurelyDenied
	// Limits only take away: no counter turns a denial of the rules into anything else. The clock
	// may, if one of the rules has hours or dates, or a test looks at it.
	case j.denied() && !j.timed && !s.clock().known:
		return SurelyDenied
	// A yes stands for every "ask", that of rules and that of limits.
	case s.request.Approved:
		return Open
	case len(j.asked) > 0, (j.timed || s.clock().known) && j.mayAsk, s.limitMayAsk():
		return PerhapsAsked
	}
	return Open
}

// Renew returns how long after its end a session can be had again, as far as the rules say; 0 if it
// cannot, or if the request is denied.
func (s *Prospect) Renew() time.Duration { return s.rules.decision.Renew }

// limitMayAsk reports whether a limit in force that can concern the request asks a person instead
// of denying. Neither what it costs nor the clock is looked at: that belongs to the second half.
func (s *Prospect) limitMayAsk() bool {
	may := false
	for _, p := range s.parts {
		s.policy.limitIndex.find(s.request, p, func(l *limit) {
			may = may || l.over && !l.observe
		})
	}
	return may
}

// stands reports whether the first half is what the policy in force would find now.
func (s *Prospect) stands(inForce *Policy, now time.Time) bool {
	switch {
	// A policy never changes; a reload puts another one in force, even if the file is the same.
	case s.policy != inForce:
		return false
	case !s.judged.same(s.request):
		return false
	case now.Equal(s.at):
		return true
	}
	// Nothing but schedules and tests of the clock depends on the instant. Schedules say the same
	// for hours or minutes: only where one of them has changed since then, all rules are judged
	// again.
	return s.rules.steady.holds(now) && s.observed.steady.holds(now)
}

// clock returns how long what tests said of the clock stays so. What was refused whatever the file
// says had no test.
func (s *Prospect) clock() steady {
	if s.scope == nil {
		return steady{}
	}
	return s.scope.clock
}

// snapshot copies a request, to find later whether it was changed. The operations themselves are
// not copied: a list of operations is replaced, never written to.
func (q *Request) snapshot() Request {
	copied := *q
	if c := q.AuthChallenge; c != nil {
		challenge := *c
		copied.AuthChallenge = &challenge
	}
	return copied
}

// same reports whether the rules say the same of both requests, because they are the same but for
// the yes of a person: rules do not look at that. Operations in another list are others, even if
// they are equal: what is signed is decoded again from the bytes, and that is what has to be
// judged.
func (q *Request) same(other *Request) bool {
	return q.Kind == other.Kind && q.Account == other.Account && q.App == other.App && q.Role == other.Role &&
		q.Broadcast == other.Broadcast && q.Text == other.Text && q.ManualSession == other.ManualSession &&
		len(q.Ops) == len(other.Ops) && (len(q.Ops) == 0 || &q.Ops[0] == &other.Ops[0]) &&
		q.AuthChallenge.same(other.AuthChallenge)
}

func (c *AuthChallenge) same(other *AuthChallenge) bool {
	if c == nil || other == nil {
		return c == other
	}
	return *c == *other
}
