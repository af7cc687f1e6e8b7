package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// A memo that is a JSON object is opened as the text of a challenge is, and any other is in doubt.
func TestJSONInMemos(t *testing.T) {
	const src = "version: 1\n%s:\n  - {name: a, request: sign, apps: any, key: active, operations: [%s: {memo: %s}]}\n"
	const test = "{.action: buy, .id: {max: 9}, members: [action, id]}"
	compile := func(section, op, test string) (*policy.Policy, policy.Problems) {
		return policy.Compile("p", fmt.Appendf(nil, src, section, op, test), policy.Options{})
	}
	p, problems := compile("allow", "transfer", test)
	deny, more := policy.Compile("p", []byte("version: 1\nallow: [{name: all, request: sign, apps: any, key: active, "+
		"operations: [transfer]}]\ndeny: [{name: no, operations: [transfer: {memo: {.action: buy}}]}]"),
		policy.Options{})
	if p == nil || deny == nil {
		t.Fatal(problems, more)
	}
	for memo, want := range map[string]struct{ allowed, forbidden bool }{
		`{"action":"buy","id":9}`:                 {true, true},
		` { "id" : "9.0" , "action" : "buy" } `:   {true, true},
		`{"action":"buy","id":10}`:                {false, true},
		`{"action":"buy","id":9,"x":1}`:           {false, true},
		`{"action":"sell","id":9}`:                {false, false},
		`{"action":"buy"}`:                        {false, true},
		`{}`:                                      {false, false},
		`{"action":"sell","action":"buy","id":1}`: {false, true},
		`{"action":"buy","id":9}}`:                {false, true},
		`buy`:                                     {false, true},
		``:                                        {false, true},
		`["buy",9]`:                               {false, true},
	} {
		q := sign("app", hive.Active, transfer(t, "bob", "1.000 HIVE", memo))
		if d := p.Decide(q, nil, noon); (d.Verdict == policy.Allow) != want.allowed {
			t.Errorf("%q: %v %s", memo, d.Verdict, d.Reason)
		}
		if d := deny.Decide(q, nil, noon); (d.Verdict == policy.Deny) != want.forbidden {
			t.Errorf("%q: %v by a deny rule, %s", memo, d.Verdict, d.Reason)
		}
	}
	// Whole texts are compared as ever, and what says nothing of a memo is refused.
	for test, want := range map[string]string{
		"'{\"action\":\"buy\"}'": "", "[a, b]": "", "5": "", "{not: {glob: 'x*'}}": "", "$account": "",
		"{size: 5}": "size is no test for memo", "{length: 5}": "there is no test of a text's length",
		"{any: 5}": "any is no test for memo",
	} {
		if p, problems := compile("allow", "transfer", test); (p != nil) != (want == "") ||
			!strings.Contains(problems.String(), want) {
			t.Errorf("%s: %v", test, problems)
		}
	}
	// Every memo is one, and a limit can have a counter for what stands in it.
	for _, op := range []string{"recurrent_transfer", "transfer_from_savings", "transfer_to_savings"} {
		if p, problems := compile("allow", op, test); p == nil {
			t.Errorf("%s: %v", op, problems)
		}
	}
	limited, problems := policy.Compile("p", []byte("version: 1\nallow: [{name: all, request: sign, apps: any, "+
		"key: active, operations: [transfer]}]\nlimits: [{name: l, operations: [transfer], count: 1 per 1h, "+
		"per: [.memo.id, .memo]}]"), policy.Options{})
	if limited == nil {
		t.Fatal(problems)
	}
	d := limited.Decide(sign("app", hive.Active, transfer(t, "bob", "1.000 HIVE", `{"id":7}`)), nil, noon)
	if len(d.Charges) != 1 || !strings.Contains(d.Charges[0].Split, ".memo.id=7") {
		t.Errorf("%s %+v", d.Reason, d.Charges)
	}
}

// A change of what a memo holds is found, and names of the request stay texts.
func TestDiffOfMemos(t *testing.T) {
	const src = "version: 1\nallow: [{name: a, request: sign, accounts: any, apps: any, key: active, " +
		"operations: [transfer: {memo: %s}]}]\n"
	for _, tt := range [][2]string{{"{.action: buy}", "{.action: [buy, sell]}"}, {"x", "{.action: {max: 5}}"},
		{"x", "$account"}, {"x", "'re-$account'"}, {"x", "[x, {.by: $account}]"}} {
		d := compared(t, fmt.Sprintf(src, tt[0]), fmt.Sprintf(src, tt[1]), 3000)
		if len(d.Answers) == 0 || d.Answers[0].Kind != "deny → allow" {
			t.Errorf("%s: no difference", tt)
		}
	}
}
