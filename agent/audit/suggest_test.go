package audit_test

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// What the policy in force answers otherwise by now gets no rule any more; without it, all does.
func TestSuggestKnowsThePolicyInForce(t *testing.T) {
	inForce := compiled(t, `version: 1
deny: [{name: never, apps: any, operations: [vote: {permlink: post-1}]}]
ask: [{name: asked, request: sign, apps: any, operations: [vote: {permlink: post-2}]}]
allow: [{name: votes, request: sign, apps: any, operations: [vote: {permlink: [post-3, post-4]}]}]
`)
	var trail []audit.Record
	for n := range uint64(6) {
		trail = append(trail, vote(n+1, "denied", madeAt.Add(time.Duration(n)*time.Second)))
	}
	// What a rule on trial would answer otherwise is drafted from, whatever is in force.
	content := audit.Content{Result: "admitted", Observed: &policy.Decision{Verdict: policy.Deny}}
	trail = append(trail, audit.Record{Number: 7, Time: madeAt, Type: "request", Verdict: "admitted",
		Content: content.Encode(audit.NewDraft(signing(ballot(3)), true), 0, true)})
	for _, c := range []struct {
		p                        *policy.Policy
		requests, ruled, allowed int
	}{{nil, 7, 0, 0}, {inForce, 3, 1, 3}} {
		got, err := audit.Suggest(sourceOf(trail...), audit.Query{}, c.p, hive.Mainnet, 0)
		if err != nil || got.Requests != c.requests || got.Ruled != c.ruled || got.Allowed != c.allowed {
			t.Errorf("%+v %v", got, err)
		}
		if near := strings.Contains(got.YAML, `# The rule "`); near != (c.p != nil) {
			t.Errorf("a rule in force is near: %t\n%s", near, got.YAML)
		}
	}
}

// A suggested limit makes room for as long as what was denied could have been carried out.
func TestSuggestedLimitsOfExactTransactions(t *testing.T) {
	for life, want := range map[time.Duration]string{0: "count: 1 per 24h", 2 * time.Hour: "count: 2 per 24h"} {
		trail := []audit.Record{vote(1, "denied", madeAt), vote(2, "denied", madeAt.Add(25*time.Hour))}
		content := audit.Content{Result: "denied", Code: policy.CodeUncovered, Expires: madeAt.Add(life)}
		trail[0].Content = content.Encode(audit.NewDraft(signing(ballot(1)), false), 0, true)
		got, err := audit.Suggest(sourceOf(trail...), audit.Query{}, nil, hive.Mainnet, 0)
		if err != nil || !strings.Contains(got.YAML, want) {
			t.Errorf("a life of %v: %v, not %q:\n%s", life, err, want, got.YAML)
		}
	}
}
