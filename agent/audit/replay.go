package audit

import (
	"cmp"
	"slices"
	"time"

	"pksa/agent/policy"
)

// Change is a request that the new policy decides differently.
type Change struct {
	Number  uint64           `json:"number"`
	Time    time.Time        `json:"time"`
	Kind    string           `json:"request"`
	App     string           `json:"app"`
	Account string           `json:"account"`
	What    string           `json:"what"` // the operations, or the kind again
	Was     policy.Verdict   `json:"was"`
	Now     policy.Verdict   `json:"now"`
	Code    policy.Code      `json:"code,omitempty"`
	Reason  string           `json:"reason,omitempty"` // of now; of then, if now it is allowed
	Rules   []policy.RuleRef `json:"rules,omitempty"`  // of now
}

// Replayed is the result of judging a trail by another policy.
type Replayed struct {
	Requests  int      `json:"requests"` // that were judged again
	Same      int      `json:"same"`
	Undecided int      `json:"undecided"` // refused before a policy was asked, then and now
	Lacking   int      `json:"lacking"`   // of which the trail does not hold enough
	Cut       int      `json:"cut"`       // of these, those that were cut when they were recorded
	Summed    int      `json:"summed"`    // denied, and in sums of denied requests only
	Changes   []Change `json:"changes"`
}

// Replay judges the requests of the trail by another policy, each at its time. The limits count
// what this policy admits. Where it asks and a person was asked then, that answer holds again;
// where nobody was asked, the answer is yes, so that limits are as full as they can get. What could
// not be carried out then, because a key or a node was missing, is not charged.
func Replay(p *policy.Policy, trail []Request) Replayed {
	var out Replayed
	out.Changes = []Change{} // a list in JSON, too
	var book policy.Book
	for _, t := range trail {
		switch {
		case t.Summed > 0:
			out.Summed += t.Summed
			continue
		case t.Undecided:
			out.Undecided++
			continue
		case t.Request == nil:
			out.Lacking++
			if t.Cut {
				out.Cut++
			}
			continue
		}
		out.Requests++
		d := p.Decide(t.Request, &book, t.Time)
		if d.Verdict == t.Was {
			out.Same++
		} else {
			out.Changes = append(out.Changes, t.change(d))
		}
		if t.doable() {
			book.Add(t.Time, t.charges(p, &book, d))
		}
	}
	return out
}

// doable reports false for what the policy allowed and could not be carried out.
func (t *Request) doable() bool { return t.Was != policy.Allow || t.Admitted }

func (t *Request) charges(p *policy.Policy, book *policy.Book, d policy.Decision) []policy.Charge {
	if d.Verdict != policy.Ask || t.Person == Declined {
		return d.Charges
	}
	yes := *t.Request
	yes.Approved = true
	return p.Decide(&yes, book, t.Time).Charges
}

func (t *Request) change(d policy.Decision) Change {
	c := Change{
		Number: t.Number, Time: t.Time, Kind: t.Request.Kind.String(), App: t.Request.App,
		Account: string(t.Request.Account),
		What:    what(t.Request), Was: t.Was, Now: d.Verdict, Code: d.Code, Reason: d.Reason, Rules: d.Rules,
	}
	if d.Verdict == policy.Allow {
		c.Reason = t.Reason
	}
	return c
}

// what returns the names of the operations, or the kind of another request.
func what(q *policy.Request) string {
	if len(q.Ops) == 0 {
		return q.Kind.String()
	}
	text := q.Ops[0].Name()
	for i, op := range q.Ops[1:] {
		if i == 2 {
			return text + ", …"
		}
		text += ", " + op.Name()
	}
	return text
}

// byCharge returns the admitted requests in the order in which they were charged.
func byCharge(trail []Request) []Request {
	var admitted []Request
	for _, t := range trail {
		if t.Admitted {
			admitted = append(admitted, t)
		}
	}
	slices.SortStableFunc(admitted, func(a, b Request) int {
		return cmp.Or(a.Charged.Compare(b.Charged), cmp.Compare(a.Number, b.Number))
	})
	return admitted
}
