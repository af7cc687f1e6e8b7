package policy_test

import (
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// A person is told of what is allowed by a rule that says so, and of nothing that is denied or
// asked about.
func TestTell(t *testing.T) {
	p := compile(t, `
allow:
  - {name: loud, request: sign, apps: [app], key: active, operations: [transfer: {to: [bob, carol]}], tell: true}
  - {name: quiet, request: sign, apps: [app], key: active, operations: [transfer: {to: [bob, dave]}], tell: false}
ask:
  - {name: asked, request: sign, apps: [app], key: active, operations: [transfer: {to: carol}]}
deny:
  - {name: never, operations: [transfer: {memo: no}]}
limits:
  - {name: most, apps: [app], spend: 2.000 HBD per 24h}
`)
	bob, dave, carol := transfer(t, "bob", "1.000 HBD", ""), transfer(t, "dave", "1.000 HBD", ""),
		transfer(t, "carol", "1.000 HBD", "")
	never, much, other := transfer(t, "bob", "1.000 HBD", "no"), transfer(t, "bob", "3.000 HBD", ""),
		transfer(t, "bob", "1.000 HIVE", "")
	for says, tt := range map[string]struct {
		ops  []hive.Operation
		want policy.Verdict
		tell bool
	}{
		"a rule with tell":           {[]hive.Operation{bob}, policy.Allow, true},
		"a rule without":             {[]hive.Operation{dave}, policy.Allow, false},
		"the first of two":           {[]hive.Operation{bob, dave}, policy.Allow, true},
		"the second of two":          {[]hive.Operation{dave, bob}, policy.Allow, true},
		"a rule that asks":           {[]hive.Operation{carol}, policy.Ask, false},
		"one of two is asked about":  {[]hive.Operation{bob, carol}, policy.Ask, false},
		"a rule that denies":         {[]hive.Operation{never}, policy.Deny, false},
		"one of two is denied":       {[]hive.Operation{bob, never}, policy.Deny, false},
		"a limit without room":       {[]hive.Operation{much}, policy.Deny, false},
		"an asset without any limit": {[]hive.Operation{other}, policy.Deny, false},
	} {
		d := p.Decide(sign("app", hive.Active, tt.ops...), nil, noon)
		if d.Verdict != tt.want || d.Tell != tt.tell {
			t.Errorf("%s: %v, tell %t: %s", says, d.Verdict, d.Tell, d.Reason)
		}
	}
	report := p.Report(sign("app", hive.Active, bob), nil, noon)
	if text := report.Text(); !strings.Contains(text, "\nA person is told.\n") {
		t.Error(text)
	}
	// A narrower rule that tells is not too much: it does more than the wider one. Without a
	// notifier it does not, and the check says so.
	const src = "version: 1\nallow:\n  - {name: a, request: sign, apps: [app], operations: [vote]}\n" +
		"  - {name: b, request: sign, apps: [app], operations: [vote: {author: bob}], tell: true}\n"
	for nobody, want := range map[bool]string{true: `rule "b" has a person told, and no notifier is configured`,
		false: ""} {
		_, problems := policy.Compile("policy.yaml", []byte(src), policy.Options{NobodyToTell: nobody})
		got := problems.String()
		if strings.Contains(got, "allows nothing") || !strings.Contains(got, want) ||
			strings.Contains(got, "told") != nobody {
			t.Errorf("without a notifier: %t: %s", nobody, got)
		}
	}
}
