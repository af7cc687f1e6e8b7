package policy_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"pksa/agent/policy"
)

// Deciding.

type naiveAnswer struct {
	verdict policy.Verdict
	code    policy.Code
	silent  bool
	session int // hours
	tell    bool
	renew   int // hours; as a rule says it, if all say something
	timeout int // seconds
	needs   []string
	rules   []string
	charges []naiveCharge
}

func (n *naive) decide(r modelRequest, now time.Time, observed bool) naiveAnswer {
	if now.Before(n.latest) {
		now = n.latest
	}
	c := naiveJudgement{n, r, now, observed, nil}
	if code := c.refused(); code != "" {
		return naiveAnswer{code: code}
	}
	var a naiveAnswer
	var denials, refusals []policy.Code
	speak, ask := false, false
	for _, p := range c.parts() {
		by := map[string][]*modelRule{}
		for _, rule := range n.m.rules {
			if rule.section != "limits" && c.matches(rule, p) {
				by[rule.section] = append(by[rule.section], rule)
			}
		}
		asks := slices.DeleteFunc(slices.Clone(by["ask"]), func(rule *modelRule) bool {
			return rule.only &&
				len(by["allow"]) > 0
		})
		switch {
		case len(by["deny"]) > 0:
			denials = append(denials, policy.CodeDenied)
			for _, rule := range by["deny"] {
				speak = speak || !rule.ignore
			}
		case p.kind == "auth" && r.ManualSession:
		case len(asks)+len(by["allow"]) == 0:
			refusals = append(refusals, c.uncovered(p))
			speak = speak || !n.m.otherwise
		default:
			ask = ask || len(asks) > 0 && !r.Approved
			for _, rule := range asks {
				if rule.approvers != nil || rule.approvals > 0 || rule.tellFirst {
					a.needs = append(a.needs, rule.needs())
				}
			}
			renewals := []int{}
			for _, rule := range slices.Concat(asks, by["allow"]) {
				renewals = append(renewals, rule.renew)
				a.rules = append(a.rules, rule.name)
				if p.kind == "auth" {
					session := rule.session
					if session == 0 {
						session = 24
					}
					if a.session == 0 || session < a.session {
						a.session = session
					}
				}
				if rule.timeout > 0 && (a.timeout == 0 || rule.timeout < a.timeout) {
					a.timeout = rule.timeout
				}
			}
			if len(asks) == 0 {
				a.tell = a.tell || slices.ContainsFunc(by["allow"], func(r *modelRule) bool { return r.tell })
			}
			if p.kind == "auth" {
				a.renew = slices.Min(renewals)
			}
		}
	}
	if all := append(denials, refusals...); len(all) > 0 {
		return naiveAnswer{code: all[0], silent: !speak}
	}
	over, overAsk := c.limits(&a)
	switch {
	case over:
		return naiveAnswer{code: policy.CodeLimit}
	case ask || overAsk:
		a.verdict, a.charges, a.tell = policy.Ask, nil, false
	default:
		a.verdict = policy.Allow
	}
	slices.Sort(a.rules)
	a.rules = slices.Compact(a.rules)
	slices.Sort(a.needs)
	a.needs = slices.Compact(a.needs)
	return a
}

// needs says whose yes a rule wants.
func (r *modelRule) needs() string {
	people := slices.Sorted(slices.Values(r.approvers))
	if slices.Equal(people, []string{"any"}) {
		people = nil
	}
	many := r.approvals
	if r.approvers != nil {
		many = max(many, 1)
	}
	return fmt.Sprint(strings.Join(people, "+"), many, r.tellFirst)
}

func (c naiveJudgement) refused() policy.Code {
	if c.r.Kind != policy.Sign {
		return ""
	}
	want := "posting"
	for _, o := range c.r.ops {
		if slices.Contains(o.needs(), "active") {
			want = "active"
		}
	}
	if c.r.Role.String() != want {
		return policy.CodeWrongKey
	}
	return ""
}

// uncovered only says whose authority it is: the difference to foreign-authority depends on which
// rule came nearest, and is tested elsewhere.
func (c naiveJudgement) uncovered(naivePart) policy.Code { return policy.CodeUncovered }

func (c naiveJudgement) limits(a *naiveAnswer) (over, overAsk bool) {
	for _, l := range c.m.rules {
		if l.section != "limits" {
			continue
		}
		enforced := !l.observe || c.observed
		observing := *l
		observing.observe = false
		costs := map[string]*naiveCost{}
		for _, p := range c.parts() {
			if c.matches(&observing, p) {
				c.cost(l, p, costs)
			}
		}
		full := c.opens(l, costs)
		over = over || full && enforced
		for _, cost := range costs {
			if room := c.room(l, cost); !room && enforced {
				switch {
				case l.over != "ask":
					over = true
				case !c.r.Approved:
					overAsk = true
				}
			}
			for unit, amount := range cost.units {
				if amount.Sign() > 0 && !(full && cost.opener != "") {
					a.charges = append(a.charges, naiveCharge{c.now, l.name, unit, cost.dims, amount, cost.opener})
				}
			}
		}
	}
	return over, overAsk
}

type naiveCost struct {
	dims    map[string]string
	units   map[string]*big.Rat
	unclear bool
	opener  string // app, if nothing of the counter is in use
}

func (n *naiveCost) add(unit string, amount *big.Rat) {
	if n.units[unit] == nil {
		n.units[unit] = new(big.Rat)
	}
	n.units[unit].Add(n.units[unit], amount)
}

func (c naiveJudgement) cost(l *modelRule, p naivePart, costs map[string]*naiveCost) {
	actors := []string{""}
	if slices.Contains(l.per, "actor") {
		actors = p.actor
	}
	for _, actor := range actors {
		unclear := false
		dims := map[string]string{}
		for _, per := range l.per {
			switch per {
			case "account":
				dims[per] = string(c.r.Account)
			case "app":
				dims[per] = c.r.App
			case "actor":
				dims[per] = actor
			case ".json.b":
				dims[per], unclear = namedIn(p.op.fields["json"].(string))
			default:
				dims[per] = p.op.fields[per[1:]].(string)
			}
		}
		key, _ := json.Marshal(dims)
		cost := costs[string(key)]
		if cost == nil {
			cost = &naiveCost{dims: dims, units: map[string]*big.Rat{}}
			costs[string(key)] = cost
		}
		cost.unclear = cost.unclear || unclear
		switch l.measure {
		case "requests":
			cost.units["requests"] = big.NewRat(1, 1)
		case "count":
			cost.add("count", big.NewRat(1, 1))
		case "spend":
			for unit, amount := range p.op.spends() {
				cost.add(unit, amount)
			}
		case "sum":
			c.tokens(l, p, cost)
		}
	}
}

// namedIn returns which counter JSON names by its member b, and whether it names none.
func namedIn(text string) (name string, unclear bool) {
	root, _ := parseJSON(text)
	members, _ := root.(map[string]any)
	switch v := members["b"].(type) {
	case string:
		if n, ok := numberOf(v); ok {
			return n.String(), false
		}
		return v, false
	case json.Number:
		if n, ok := numberOf(v.String()); ok {
			return n.String(), false
		}
	}
	return "", true
}

func (c naiveJudgement) tokens(l *modelRule, p naivePart, cost *naiveCost) {
	c.actors = p.actor
	root, ok := parseJSON(p.op.fields["json"].(string))
	if !ok {
		cost.unclear = true
		return
	}
	list, ok := root.([]any)
	if !ok {
		list = []any{root}
	}
	for _, item := range list {
		if l.where != nil && c.test(l.where, "inside", item) == tNo {
			continue
		}
		members, _ := item.(map[string]any)
		n := amountIn(members["n"])
		if l.times && n != nil {
			if by := amountIn(members["b"]); by != nil {
				n.Mul(n, by)
			} else {
				n = nil
			}
		}
		if n == nil {
			cost.unclear = true
			continue
		}
		cost.add("sum", n)
	}
}

// amountIn returns a number of JSON, nil if there is none, or a negative one.
func amountIn(v any) (n *big.Rat) {
	switch v := v.(type) {
	case string:
		n, _ = numberOf(v)
	case json.Number:
		n, _ = numberOf(v.String())
	}
	if n != nil && n.Sign() < 0 {
		return nil
	}
	return n
}

func (c naiveJudgement) room(l *modelRule, cost *naiveCost) bool {
	if cost.unclear {
		return false
	}
	for unit, amount := range cost.units {
		if amount.Sign() == 0 {
			continue
		}
		named := false
		for _, q := range l.quotas {
			most, symbol, _ := strings.Cut(q.most, " ")
			if symbol == "" {
				symbol = l.measure
			}
			if symbol != unit {
				continue
			}
			named = true
			limit, _ := numberOf(most)
			total := new(big.Rat).Set(amount)
			if q.window != "request" {
				total.Add(total, c.used(l.name, unit, cost.dims, q.window))
			}
			if total.Cmp(limit) > 0 {
				return false
			}
		}
		if !named {
			return false
		}
	}
	return true
}

// leaves returns when a window holds nothing of a charge any more. Of each window it knows the
// length, and that of its slices: what is charged in one leaves when all of it does.
func (h naiveCharge) leaves(window string) time.Time {
	w := map[string]struct{ span, slice time.Duration }{
		"request": {0, time.Millisecond}, "10s": {10 * time.Second, 10 * time.Millisecond},
		"1m": {time.Minute, 20 * time.Millisecond}, "30d": {30 * 24 * time.Hour, 30 * time.Minute},
	}[window]
	end := h.at.Truncate(w.slice)
	if end.Before(h.at) {
		end = end.Add(w.slice)
	}
	return end.Add(w.span)
}

// opens finds the counters that are not in use, and reports whether there may not be so many more.
func (c naiveJudgement) opens(l *modelRule, costs map[string]*naiveCost) bool {
	if len(l.per) == 0 {
		return false
	}
	window := "request"
	for _, longer := range []string{"10s", "1m", "30d"} {
		if slices.ContainsFunc(l.quotas, func(q modelQuota) bool { return q.window == longer }) {
			window = longer
		}
	}
	opener := map[string]string{} // of those in use, by their dimensions
	for _, h := range c.history {
		if h.limit != l.name {
			continue
		}
		dims, _ := json.Marshal(h.dims)
		if h.opener != "" {
			opener["?"+string(dims)] = h.opener
		}
		if window != "request" && h.leaves(window).After(c.now) {
			opener[string(dims)] = ""
		}
	}
	opened, mine := 0, 0
	for dims := range opener {
		if dims[0] != '?' && opener["?"+dims] == c.r.App {
			mine++
		}
	}
	for dims, cost := range costs {
		charged := false
		for _, amount := range cost.units {
			charged = charged || amount.Sign() > 0
		}
		if _, inUse := opener[dims]; charged && !inUse {
			cost.opener = c.r.App
			opened++
		}
	}
	return opened > c.mostOpened || opened > 0 && mine+opened > c.mostCounters
}

func (c naiveJudgement) used(limit, unit string, dims map[string]string, window string) *big.Rat {
	sum := new(big.Rat)
	for _, h := range c.history {
		leaves := h.leaves(window)
		if h.limit != limit || h.unit != unit || !leaves.After(c.now) {
			continue
		}
		same := true
		for name, text := range dims {
			same = same && h.dims[name] == text
		}
		if same {
			sum.Add(sum, h.amount)
		}
	}
	return sum
}
