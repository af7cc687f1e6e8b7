package audit

import (
	"cmp"
	"slices"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Observations are what rules and limits in mode observe would have changed, as the trail has it.
type Observations struct {
	Requests int            `json:"requests"` // that a policy judged, and that stand in the trail one by one
	Since    time.Time      `json:"since,omitzero"`
	Summed   int            `json:"summed"`  // denied requests of which the trail has a sum only
	Changed  int            `json:"changed"` // requests of which an answer would have been another
	Rules    []ObservedRule `json:"rules"`
}

// ObservedRule is what one rule or limit would have changed.
type ObservedRule struct {
	Name string `json:"name"`
	// Line is where it stands in the policy that was asked about; 0 if that does not observe it.
	Line     int       `json:"line,omitempty"`
	Requests int       `json:"requests"`
	Turns    []Turn    `json:"turns"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	Examples []uint64  `json:"examples"` // records, the newest first
}

// mostExamples is how many records are named for one rule.
const mostExamples = 5

// Observe reads what was recorded of observed rules and limits: each decision that they would have
// changed names those that would have given the other one. The list begins with those that p
// observes, in the order of its file, also where they would have changed nothing; those that only
// the trail knows follow by name.
func Observe(read Source, p *policy.Policy, n *hive.Network) (Observations, error) {
	out := Observations{Rules: []ObservedRule{}} // a list in JSON, too
	at := map[string]int{}
	entry := func(name string, line int) *ObservedRule {
		i, ok := at[name]
		if !ok {
			i = len(out.Rules)
			at[name] = i
			out.Rules = append(out.Rules, ObservedRule{Name: name, Line: line, Turns: []Turn{}, Examples: []uint64{}})
		}
		return &out.Rules[i]
	}
	inForce := p.Observed()
	for _, ref := range inForce {
		entry(ref.Name, ref.Line)
	}
	err := EachRequest(read, Query{}, n, func(t *Request) error {
		switch {
		case t.Summed > 0:
			out.Summed += t.Summed
			return nil
		case t.Undecided:
			return nil
		}
		out.Requests++
		if out.Since.IsZero() {
			out.Since = t.Time
		}
		if t.Observed == nil {
			return nil
		}
		out.Changed++
		for _, ref := range t.Observed.Rules {
			// What gave the answer then is no change.
			if !slices.ContainsFunc(t.Rules, func(was policy.RuleRef) bool { return was.Name == ref.Name }) {
				entry(ref.Name, 0).add(t)
			}
		}
		return nil
	})
	sorts.Stable(out.Rules[len(inForce):], func(a, b ObservedRule) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

// add counts a request that the rule would have had another answer to.
func (o *ObservedRule) add(t *Request) {
	o.Requests++
	o.Turns = counted(o.Turns, t.Was, t.Observed.Verdict)
	if o.First.IsZero() {
		o.First = t.Time
	}
	o.Last = t.Time
	o.Examples = append([]uint64{t.Number}, o.Examples[:min(len(o.Examples), mostExamples-1)]...)
}

// counted adds a request to those that were decided one way and would be decided another.
func counted(turns []Turn, was, now policy.Verdict) []Turn {
	i := slices.IndexFunc(turns, func(turn Turn) bool { return turn.Was == was && turn.Now == now })
	if i < 0 {
		i, turns = len(turns), append(turns, Turn{Was: was, Now: now})
	}
	turns[i].Requests++
	return turns
}
