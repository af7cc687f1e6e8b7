package policy_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
)

var cases = flag.Int("cases", 20_000, "how many requests the naive evaluator judges, too")

const perPolicy = 20

// TestAgainstNaiveEvaluator judges random requests by random policies twice: by the engine, and by
// the evaluator of naive_test.go.
func TestAgainstNaiveEvaluator(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(*cases / perPolicy) {
		m := maker{rand.New(rand.NewPCG(seed, 1))}
		mod := m.model()
		mod.second = m.chance(2)
		src := pen{Rand: m.Rand}.model(mod)
		// Of two policies one is judged with bounds that its few requests come to.
		o := policy.Options{MostCounters: policy.MostCounters, MostOpened: policy.MostOpened}
		if m.chance(2) {
			o = policy.Options{MostCounters: 1 + m.IntN(2), MostOpened: 1}
		}
		p, problems := compileMeant(src, o)
		if p == nil && strings.Contains(problems.String(), "far to the right") {
			mod.second = false
			src = strings.Replace(src, "version: 2", "version: 1", 1)
			p, problems = compileMeant(src, o)
		}
		if p == nil {
			t.Fatalf("seed %d:\n%s\n%v", seed, src, problems)
		}
		n := &naive{m: mod, mostCounters: o.MostCounters, mostOpened: o.MostOpened}
		if !compareStories(t, m, n, p, seen) {
			t.Fatalf("seed %d:\n%s", seed, src)
		}
	}
	// A generator that only ever makes one answer tests nothing.
	for _, answer := range []string{"allow", "ask", "deny denied", "deny uncovered", "deny limit", "deny wrong-key",
		"silent", "observed", "both keys", "transaction"} {
		if seen[answer]*1000 < *cases {
			t.Errorf("%q came out %d times in %d", answer, seen[answer], *cases)
		}
	}
	if *cases >= 20_000 { // rare ones, which fewer need not have
		if seen["thinned"] == 0 {
			t.Error("no limit had less room since its sums were thinned")
		}
		if seen["later"]*200 < *cases {
			t.Error("few charges count until later")
		}
		if seen["counters"] == 0 || seen["opened"] == 0 {
			t.Error("no request opened too many counters")
		}
	}
	t.Log(seen)
}

func compareStories(t *testing.T, m maker, n *naive, p *policy.Policy, seen map[string]int) bool {
	mod := n.m
	var book policy.Book
	few := policy.Bounded(1) // the same charges, in a book that comes to its bound of sums
	now := noon
	for range perPolicy {
		r := m.request(t, mod)
		got := p.Decide(r.Request, &book, now)
		switch bounded := p.Decide(r.Request, few, now); {
		case bounded.Verdict == got.Verdict && bounded.Code == got.Code:
		case bounded.Verdict == policy.Allow, got.Verdict != policy.Allow && bounded.Code != policy.CodeLimit:
			t.Errorf("a bound of sums gives room: %v %s, without one %v %s\nrequest %+v\nops %+v", bounded.Verdict,
				bounded.Reason, got.Verdict, got.Reason, *r.Request, r.ops)
			return false
		default:
			seen["thinned"]++
		}
		want := n.decide(r, now, false)
		if text := differs(got, want); text != "" {
			t.Errorf("%s\nrequest %+v\nops %+v\ngot %+v\nwant %+v", text, *r.Request, r.ops, got, want)
			return false
		}
		inForce := n.decide(r, now, true)
		if !sameObserved(got, want, inForce) {
			t.Errorf("observed: %+v, want %+v\nrequest %+v\nops %+v", got.Observed, inForce, *r.Request, r.ops)
			return false
		}
		count(seen, got)
		if got.Verdict == policy.Allow && len(policy.SigningRoles(r.Ops)) > 1 {
			seen["both keys"]++
		}
		if got.Verdict == policy.Allow && len(r.ops) > 1 && slices.ContainsFunc(mod.rules, func(rule *modelRule) bool {
			return rule.tx && slices.Contains(want.rules, rule.name)
		}) {
			seen["transaction"]++
		}
		if got.Verdict == policy.Allow {
			until := time.Time{}
			// One that its app made may be carried out until then, and a window around that holds
			// it. Those are rare: others count like them here.
			if r.Exact || m.chance(4) {
				until = now.Add(pick(m, 0, 10*time.Second, time.Minute, time.Hour, 24*time.Hour))
			}
			book.AddUntil(now, until, got.Charges)
			few.AddUntil(now, until, got.Charges)
			for _, c := range want.charges {
				if until.After(c.at) {
					c.at = until
					seen["later"]++
				}
				n.history = append(n.history, c)
			}
			if now.After(n.latest) {
				n.latest = now
			}
		}
		now = now.Add(pick(m, 0, time.Second, 10*time.Second, 10*time.Second-1, -time.Second, time.Minute, 6*time.Hour,
			7*time.Millisecond, 10*time.Second+4*time.Millisecond, time.Minute+13*time.Millisecond))
		if now.Before(n.latest) && m.chance(2) {
			now = n.latest
		}
	}
	return true
}

func count(seen map[string]int, d policy.Decision) {
	key := d.Verdict.String()
	if d.Verdict == policy.Deny {
		key += " " + string(d.Code)
	}
	seen[key]++
	for _, l := range d.Limits {
		if l.Unit == "counters" && l.Window > 0 {
			seen["counters"]++
		} else if l.Unit == "counters" {
			seen["opened"]++
		}
	}
	if d.Silent {
		seen["silent"]++
	}
	if d.Observed != nil {
		seen["observed"]++
	}
}

func plainCode(c policy.Code) policy.Code {
	if c == policy.CodeForeignAuthority {
		return policy.CodeUncovered
	}
	return c
}

func differs(got policy.Decision, want naiveAnswer) string {
	switch {
	case got.Verdict != want.verdict:
		return "verdict"
	case plainCode(got.Code) != want.code:
		return "code"
	case got.Silent != want.silent:
		return "silence"
	case got.Session != time.Duration(want.session)*time.Hour:
		return "session"
	case got.Renew != time.Duration(want.renew)*time.Hour:
		return "renewal"
	case got.Tell != want.tell:
		return "tell"
	case got.Timeout != time.Duration(want.timeout)*time.Second:
		return "timeout"
	case !slices.Equal(needTexts(got.Consents), want.needs):
		return "consents"
	}
	if got.Verdict == policy.Allow {
		var names []string
		for _, r := range got.Rules {
			names = append(names, r.Name)
		}
		if !slices.Equal(names, want.rules) {
			return "rules"
		}
		if a, b := chargeTexts(got.Charges), naiveTexts(want.charges); !slices.Equal(a, b) {
			return fmt.Sprintf("charges: %q, want %q", a, b)
		}
	}
	return ""
}

func sameObserved(got policy.Decision, want, inForce naiveAnswer) bool {
	same := want.verdict == inForce.verdict && want.code == inForce.code && want.silent == inForce.silent &&
		want.session == inForce.session && want.renew == inForce.renew && want.timeout == inForce.timeout &&
		slices.Equal(want.needs, inForce.needs)
	switch o := got.Observed; {
	case o == nil:
		return same
	case same:
		return plainCode(o.Code) == inForce.code && o.Code != got.Code // which of two codes for "uncovered"
	default:
		return o.Verdict == inForce.verdict && plainCode(o.Code) == inForce.code && o.Silent == inForce.silent
	}
}

func needTexts(consents []policy.Consent) (texts []string) {
	for _, c := range consents {
		texts = append(texts, fmt.Sprint(strings.Join(c.Approvers, "+"), c.Approvals, c.TellFirst))
	}
	slices.Sort(texts)
	return texts
}

func chargeTexts(charges []policy.Charge) (texts []string) {
	for _, c := range charges {
		texts = append(texts, c.Limit+" "+c.Unit+" "+c.Amount+c.OpenedBy)
	}
	slices.Sort(texts)
	return texts
}

func naiveTexts(charges []naiveCharge) (texts []string) {
	for _, c := range charges {
		amount := c.amount.RatString()
		if !c.amount.IsInt() {
			places, _ := c.amount.FloatPrec()
			amount = c.amount.FloatString(places)
		}
		texts = append(texts, c.limit+" "+c.unit+" "+amount+c.opener)
	}
	slices.Sort(texts)
	return texts
}
