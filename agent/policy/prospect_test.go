package policy_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// instants are those at which schedules of the random models begin, end and do neither.
var instants = []time.Time{
	noon.Add(-12 * time.Hour), noon.Add(-time.Second), noon, noon.Add(4 * time.Second), noon.Add(8 * time.Hour),
	noon.Add(25 * time.Hour), noon.Add(3 * 24 * time.Hour),
}

// past is what was charged before a decision, for the engine and for the naive evaluator.
type past struct {
	book  policy.Book
	naive *naive
}

// past admits some requests, so that limits have less room.
func (m maker) past(t *testing.T, mod *model, p *policy.Policy) *past {
	t.Helper()
	h := &past{naive: &naive{m: mod, mostCounters: policy.MostCounters, mostOpened: policy.MostOpened}}
	now := noon.Add(-20 * time.Hour)
	for range m.IntN(8) {
		r := m.request(t, mod)
		if d := p.Decide(r.Request, &h.book, now); d.Verdict == policy.Allow {
			h.naive.history = append(h.naive.history, h.naive.decide(r, now, false).charges...)
			h.naive.latest = now
			h.book.Add(now, d.Charges)
		}
		now = now.Add(pick(m, 0, time.Second, time.Minute, 6*time.Hour))
	}
	return h
}

// TestOutlookHolds compares the first half of a decision with what the naive evaluator decides at
// many instants and for many counters.
func TestOutlookHolds(t *testing.T) {
	seen := map[policy.Outlook]int{}
	for seed := range uint64(150) {
		m := maker{rand.New(rand.NewPCG(seed, 9))}
		mod := m.model()
		p := compileModel(t, m, mod)
		pasts := []*past{{naive: &naive{m: mod, mostCounters: policy.MostCounters, mostOpened: policy.MostOpened}},
			m.past(t, mod, p), m.past(t, mod, p)}
		for range 10 {
			r := m.request(t, mod)
			outlook := p.Prospect(r.Request, pick(m, instants...)).Outlook()
			seen[outlook]++
			var denials []policy.Decision
			for _, now := range instants {
				for _, h := range pasts {
					want := h.naive.decide(r, now, false)
					got := p.Decide(r.Request, &h.book, now)
					if problem := outlookProblem(outlook, want, got); problem != "" {
						t.Fatalf("seed %d: %v, and %s at %v: %+v\nrequest %+v\nops %+v\n%s", seed, outlook,
							problem, now,
							got, *r.Request, r.ops, pen{Rand: m.Rand}.model(mod))
					}
					denials = append(denials, got)
				}
			}
			if outlook == policy.SurelyDenied && slices.ContainsFunc(denials, func(d policy.Decision) bool {
				first := denials[0]
				return d.Code != first.Code || d.Silent != first.Silent || d.Reason != first.Reason ||
					!slices.Equal(d.Rules, first.Rules)
			}) {
				t.Fatalf("seed %d: surely denied in several ways: %+v", seed, denials)
			}
		}
	}
	for _, outlook := range []policy.Outlook{policy.Open, policy.SurelyDenied, policy.PerhapsAsked} {
		if seen[outlook] < 50 {
			t.Errorf("%v came out %d times", outlook, seen[outlook])
		}
	}
	t.Log(seen)
}

func outlookProblem(outlook policy.Outlook, want naiveAnswer, got policy.Decision) string {
	switch {
	case outlook == policy.SurelyDenied && (want.verdict != policy.Deny || want.code == policy.CodeLimit):
		return "is not denied by the rules"
	case outlook == policy.SurelyDenied && (plainCode(got.Code) != want.code || got.Silent != want.silent):
		return "denied in another way"
	case outlook != policy.PerhapsAsked && want.verdict == policy.Ask:
		return "is asked"
	}
	return ""
}

// TestConcludeIsDecide: whatever happened between the halves, the decision is that of the policy in
// force, the request as it is and the instant of the second half.
func TestConcludeIsDecide(t *testing.T) {
	verdicts := map[policy.Verdict]int{}
	for seed := range uint64(150) {
		m := maker{rand.New(rand.NewPCG(seed, 10))}
		mod := m.model()
		p := compileModel(t, m, mod)
		h := m.past(t, mod, p)
		for range 10 {
			r := m.request(t, mod)
			s := p.Prospect(r.Request, pick(m, instants...))
			inForce := p
			if m.chance(4) {
				inForce = compileModel(t, m, m.model())
			}
			m.meanwhile(t, mod, &r)
			now := pick(m, instants...)
			for range 2 { // a conclusion changes nothing
				got, whole := s.Conclude(inForce, &h.book, now), inForce.Decide(r.Request, &h.book, now)
				verdicts[got.Verdict]++
				if !reflect.DeepEqual(got, whole) {
					t.Fatalf("seed %d: got %+v, want %+v\nrequest %+v\nops %+v", seed, got, whole, *r.Request, r.ops)
				}
				if inForce != p {
					continue // the naive evaluator knows the first model only
				}
				if text := differs(got, h.naive.decide(r, now, false)); text != "" {
					t.Fatalf("seed %d: %s: got %+v\nrequest %+v\nops %+v", seed, text, got, *r.Request, r.ops)
				}
			}
		}
	}
	t.Log(verdicts)
}

// meanwhile changes a request as it may change between the halves, or leaves it.
func (m maker) meanwhile(t *testing.T, mod *model, r *modelRequest) {
	t.Helper()
	switch m.IntN(4) {
	case 0:
		r.Approved = !r.Approved
	case 1: // the operations are decoded again, as equal ones or as others
		other := m.request(t, mod)
		if r.Kind == policy.Sign && other.Kind == policy.Sign && len(other.ops) == len(r.ops) {
			r.ops, r.Ops, r.Role = other.ops, other.Ops, other.Role
		} else {
			r.Ops = slices.Clone(r.Ops)
		}
	case 2: // another request in the same place
		other := m.request(t, mod)
		*r.Request, r.ops = *other.Request, other.ops
	}
}

func TestProspectOfHours(t *testing.T) {
	p := compile(t, `
allow:
  - {name: by-day, request: sign, apps: [app], key: posting, operations: [vote], hours: 08:00-20:00}
ask:
  - {name: at-night, request: sign, apps: [app], key: posting, operations: [vote], hours: 20:00-08:00}
`)
	q := sign("app", hive.Posting, vote(t, "alice", "bob", 100))
	night := noon.Add(10 * time.Hour)
	s := p.Prospect(q, noon)
	if got := s.Outlook(); got != policy.PerhapsAsked {
		t.Errorf("%v by day, with a rule that asks at night", got)
	}
	for now, want := range map[time.Time]policy.Verdict{noon: policy.Allow, night: policy.Ask} {
		if got := s.Conclude(p, nil, now); got.Verdict != want {
			t.Errorf("%v at %v, want %v", got.Verdict, now, want)
		}
	}
	// The counters' latest charge sets the clock, in the second half, too.
	var book policy.Book
	book.Add(night, nil)
	if got := s.Conclude(p, &book, noon); got.Verdict != policy.Ask {
		t.Errorf("%v, though the latest charge is of the night", got.Verdict)
	}
}

func TestProspectOfObservedHours(t *testing.T) {
	p := compile(t, `
allow:
  - {name: votes, request: sign, apps: [app], key: posting, operations: [vote]}
deny:
  - {name: at-night, operations: [vote], hours: 20:00-08:00, mode: observe}
`)
	s := p.Prospect(sign("app", hive.Posting, vote(t, "alice", "bob", 100)), noon)
	if got := s.Conclude(p, nil, noon); got.Verdict != policy.Allow || got.Observed != nil {
		t.Errorf("by day: %+v", got)
	}
	got := s.Conclude(p, nil, noon.Add(10*time.Hour))
	if got.Verdict != policy.Allow || got.Observed == nil || got.Observed.Verdict != policy.Deny {
		t.Errorf("at night: %+v", got)
	}
}
