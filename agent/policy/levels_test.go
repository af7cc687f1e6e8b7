package policy_test

import (
	"slices"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// TestLevels: each operation of a request that needs posting and active is judged at its own level,
// and each must be allowed there.
func TestLevels(t *testing.T) {
	const head = "\nallow:\n"
	const posting = "  - {name: votes, request: sign, apps: [x], operations: [vote, custom_json]}\n"
	const active = "  - {name: tips, request: sign, apps: [x], key: active, operations: [transfer, custom_json]}\n"
	const both = "  - {name: both, request: sign, apps: [x], key: [posting, active], operations: [custom_json]}\n"
	votes, pays := vote(t, "alice", "bob", 1), transfer(t, "bob", "1.000 HBD", "")
	one := op(t, "custom_json", `{"required_auths":["alice"],"required_posting_auths":["alice"],"id":"x","json":"{}"}`)
	foreign := op(t, "custom_json",
		`{"required_auths":["alice"],"required_posting_auths":["bob"],"id":"x","json":"{}"}`)
	together := []hive.Operation{votes, pays}
	for _, tt := range []struct {
		name, file string
		ops        []hive.Operation
		want       string // verdict, or code
		rules      string
	}{
		{"each has its rule", posting + active, together, "allow", "tips votes"},
		{"the order does not matter", posting + active, []hive.Operation{pays, votes}, "allow", "tips votes"},
		{"nothing for posting", active, together, "uncovered", ""},
		{"nothing for active", posting, together, "uncovered", ""},
		{"a rule for active allows no posting operation", "  - {name: tips, request: sign, apps: [x], key: active, " +
			"operations: [transfer, custom_json]}\n", []hive.Operation{customJSON(t, hive.Posting, "x", "{}"), pays},
			"uncovered", ""},
		{"one operation that needs both, and rules for one each", posting + active, []hive.Operation{one},
			"uncovered", ""},
		{"one operation that needs both, and a rule for both", both, []hive.Operation{one}, "allow", "both"},
		{"the rule for both is about one, too", both, []hive.Operation{customJSON(t, hive.Active, "x", "{}")}, "allow",
			"both"},
		{"another's posting authority beside our active", both, []hive.Operation{foreign}, "foreign-authority", ""},
		{"the posting part is asked about", active + "ask:\n  - {name: a person, request: sign, apps: [x], " +
			"operations: [vote]}\n", together, "ask", "a person tips"},
		{"a group for posting and a rule for active", "  - {name: social, request: sign, apps: [x], operations: " +
			"[posting]}\n" + active, together, "allow", "social tips"},
		{"the posting part is denied", posting + active + "deny:\n  - {name: stop, key: posting}\n", together, "denied",
			"stop"},
		{"denied for one of its keys", both + "deny:\n  - {name: stop, key: active}\n", []hive.Operation{one}, "denied",
			"stop"},
		{"denied by the group of one of its keys", both + "deny:\n  - {name: stop, operations: [posting]}\n",
			[]hive.Operation{one}, "denied", "stop"},
		{"a transaction of both", "  - {name: tx, request: sign, apps: [x], key: [posting, active], transaction: " +
			"[vote, transfer]}\n", together, "allow", "tx"},
		{"a transaction whose rule says one key",
			"  - {name: tx, request: sign, apps: [x], key: active, transaction: " +
				"[transfer, custom_json]}\n", []hive.Operation{pays, customJSON(t, hive.Posting, "x", "{}")},
			"uncovered", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := compile(t, head+tt.file)
			d := p.Decide(sign("x", hive.Active, tt.ops...), nil, noon)
			got := d.Verdict.String()
			if d.Verdict == policy.Deny {
				got = string(d.Code)
			}
			var rules []string
			for _, r := range d.Rules {
				rules = append(rules, r.Name)
			}
			if got != tt.want || strings.Join(rules, " ") != tt.rules {
				t.Errorf("%s by %v: %s", got, rules, d.Reason)
			}
			if r := p.Report(sign("x", hive.Active, tt.ops...), nil, noon); r.Verdict != d.Verdict ||
				r.Reason != d.Reason {
				t.Errorf("the report says %v: %s", r.Verdict, r.Reason)
			}
		})
	}
}

// TestLevelsAreChargedOnce: what needs both keys costs what its operations cost, and no more.
func TestLevelsAreChargedOnce(t *testing.T) {
	p := compile(t, `
allow:
  - {name: both, request: sign, apps: [x], key: [posting, active], operations: [vote, transfer, custom_json]}
limits:
  - {name: requests, requests: 5 per 1h}
  - {name: operations, count: 5 per 1h}
  - {name: actors, count: 5 per 1h, per: [actor]}
  - {name: active, key: active, count: 5 per 1h}
  - {name: spend, spend: 5.000 HBD per 1h}
`)
	one := op(t, "custom_json", `{"required_auths":["alice"],"required_posting_auths":["alice"],"id":"x","json":"{}"}`)
	d := p.Decide(sign("x", hive.Active, vote(t, "alice", "bob", 1), one, transfer(t, "bob", "1.000 HBD", "")),
		nil, noon)
	var got []string
	for _, c := range d.Charges {
		got = append(got, c.Limit+" "+c.Amount)
	}
	slices.Sort(got)
	if want := []string{"active 2", "actors 3", "operations 3", "requests 1", "spend 1"}; !slices.Equal(got, want) {
		t.Errorf("charged %q: %s", got, d.Reason)
	}
}

// TestSigningRoles: the keys that sign are those that the operations need, in one order.
func TestSigningRoles(t *testing.T) {
	votes, pays := vote(t, "alice", "bob", 1), transfer(t, "bob", "1.000 HBD", "")
	for _, tt := range []struct {
		ops  []hive.Operation
		want []hive.Role
	}{
		{[]hive.Operation{votes, votes}, []hive.Role{hive.Posting}},
		{[]hive.Operation{pays}, []hive.Role{hive.Active}},
		{[]hive.Operation{pays, votes, pays}, []hive.Role{hive.Posting, hive.Active}},
		{nil, nil},
	} {
		if got := policy.SigningRoles(tt.ops); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v", tt.ops, got)
		}
	}
}

// TestAdviceOnKeys: each advice is followed, until there is none. It never leads in a circle.
func TestAdviceOnKeys(t *testing.T) {
	keys := ""
	for _, advice := range []string{`add "key: active"`, `write "key: [posting, active]"`, ""} {
		_, problems := policy.Compile("p.yaml",
			[]byte("version: 1\nallow:\n  - {name: a, request: sign, apps: [x]"+keys+
				", operations: [vote, transfer]}\n"), policy.Options{})
		got := problems.Errors()
		if text := got.String(); (advice == "") != (len(got) == 0) || !strings.Contains(text, advice) {
			t.Fatalf("with %q: %s, want %q", keys, text, advice)
		}
		_, said, _ := strings.Cut(advice, `"`)
		keys = ", " + strings.TrimSuffix(said, `"`)
	}
}
