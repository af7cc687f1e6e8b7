package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func refs(names ...string) (all []policy.RuleRef) {
	for _, name := range names {
		all = append(all, policy.RuleRef{Name: name, Line: 3})
	}
	return all
}

// observed is the record of a vote that "votes" allowed, or that no rule did, with what it would
// have been if all were in force.
func observed(number int, allowed bool, would *policy.Decision) audit.Record {
	r := audit.Record{Number: uint64(number), Time: madeAt.Add(time.Duration(number) * time.Minute), Type: "request",
		Verdict: "admitted"}
	content := audit.Content{Result: "admitted", Rules: refs("votes"), Observed: would}
	if !allowed {
		r.Verdict = "denied"
		content.Result, content.Code, content.Rules = "denied", policy.CodeUncovered, nil
	}
	r.Content = content.Encode(audit.NewDraft(signing(ballot(number)), true), 0, true)
	return r
}

func TestObserve(t *testing.T) {
	p := compiled(t, `version: 1
allow:
  - {name: votes, request: sign, apps: any, operations: [vote]}
deny:
  - {name: no votes, mode: observe, operations: [vote]}
limits:
  - {name: few, mode: observe, apps: any, operations: [vote], count: 1 per 1h}
`)
	denied := &policy.Decision{Verdict: policy.Deny, Code: policy.CodeDenied, Rules: refs("no votes")}
	both := &policy.Decision{Verdict: policy.Ask, Rules: refs("gone", "votes")}
	more := &policy.Decision{Verdict: policy.Allow, Rules: refs("gone")}
	trail := []audit.Record{observed(1, true, nil)}
	for i := range 6 {
		trail = append(trail, observed(2+i, true, denied))
	}
	trail = append(trail, observed(8, true, both), observed(9, false, more), observed(10, false, nil))
	o, err := audit.Observe(sourceOf(trail...), p, hive.Mainnet)
	if err != nil {
		t.Fatal(err)
	}
	if o.Requests != 10 || o.Changed != 8 || !o.Since.Equal(madeAt.Add(time.Minute)) || o.Summed != 0 {
		t.Errorf("%+v", o)
	}
	var lines []string
	for _, r := range o.Rules {
		line := fmt.Sprintf("%s:%d %d %v", r.Name, r.Line, r.Requests, r.Examples)
		for _, turn := range r.Turns {
			line += fmt.Sprintf(" %d %v→%v", turn.Requests, turn.Was, turn.Now)
		}
		if r.Requests > 0 {
			line += fmt.Sprintf(" %.0f-%.0f", r.First.Sub(madeAt).Minutes(), r.Last.Sub(madeAt).Minutes())
		}
		lines = append(lines, line)
	}
	want := `no votes:5 6 [7 6 5 4 3] 6 allow→deny 2-7
few:7 0 []
gone:0 2 [9 8] 1 allow→ask 1 deny→allow 8-9`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("\n%s", got)
	}
}

// What was refused before any policy was asked, and what only a sum stands for, was judged by none.
func TestObserveLeavesOutWhatNoPolicyJudged(t *testing.T) {
	r := observed(1, false, nil)
	content := audit.Content{Result: "denied", Code: policy.CodeNonce}
	r.Content = content.Encode(audit.NewDraft(signing(ballot(1)), true), 0, true)
	o, err := audit.Observe(sourceOf(r), compiled(t, "version: 1\n"), hive.Mainnet)
	if err != nil || o.Requests != 0 || len(o.Rules) != 0 || o.Rules == nil || !o.Since.IsZero() {
		t.Errorf("%+v, %v", o, err)
	}
}
