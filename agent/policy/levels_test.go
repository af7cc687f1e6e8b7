package policy_test

import (
	"fmt"
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

// witnessOp sets properties of the witness alice. The exchange rate is 0.250 HBD for 1.000 HIVE.
func witnessOp(t *testing.T, props ...string) hive.Operation {
	t.Helper()
	key := hive.PrivateKeyFromSeed("witness").Public()
	hexOf := map[string]string{
		"key":                fmt.Sprintf("%x", key[:]),
		"new_signing_key":    fmt.Sprintf("%x", key[:]),
		"hbd_exchange_rate":  "fa000000000000000353424400000000" + "e803000000000000" + "03535445454d0000",
		"hbd_interest_rate":  "e803",
		"url":                "0161",
		"maximum_block_size": "0100", // too short: it cannot be read
	}
	var pairs []string
	for _, name := range props {
		pairs = append(pairs, fmt.Sprintf(`[%q,%q]`, name, hexOf[name]))
	}
	return op(t, "witness_set_properties", `{"owner":"alice","props":[%s],"extensions":[]}`, strings.Join(pairs, ","))
}

// TestWitnessKey: the signing key of a witness is a role of its own in rules. It signs
// witness_set_properties and nothing else, and rules see what is set.
func TestWitnessKey(t *testing.T) {
	const feed = "\nallow:\n  - {name: feed, request: sign, apps: [x], key: signing, operations: " +
		"[witness_set_properties: " +
		"{props: {members: [key, hbd_exchange_rate]}, price: {min: 0.1, max: 1}}]}\n"
	const wide = "\nallow:\n  - {name: wide, request: sign, apps: [x], key: %s, operations: [witness_set_properties]}\n"
	for _, tt := range []struct {
		name, file string
		role       hive.Role
		op         hive.Operation
		want       string
	}{
		{"a price", feed, hive.Active, witnessOp(t, "hbd_exchange_rate", "key"), "allow"},
		{"a price and the interest", feed, hive.Active, witnessOp(t, "hbd_exchange_rate", "hbd_interest_rate", "key"),
			"uncovered"},
		{"another signing key", feed, hive.Active, witnessOp(t, "hbd_exchange_rate", "key", "new_signing_key"),
			"uncovered"},
		{"no price", feed, hive.Active, witnessOp(t, "key"), "uncovered"},
		{"too high a price", strings.Replace(feed, "max: 1}", "max: 0.249}", 1), hive.Active,
			witnessOp(t, "hbd_exchange_rate", "key"), "uncovered"},
		{"what cannot be read", "\nallow:\n  - {name: size, request: sign, apps: [x], key: signing, operations: " +
			"[witness_set_properties: {props: {.maximum_block_size: {max: 65536}}}]}\n", hive.Active,
			witnessOp(t, "key", "maximum_block_size"), "uncovered"},
		{"the interest alone", "\nallow:\n  - {name: interest, request: sign, apps: [x], key: signing, operations: " +
			"[witness_set_properties: {props: {members: [key, hbd_interest_rate], .hbd_interest_rate: {max: " +
			"1000}}}]}\n",
			hive.Active, witnessOp(t, "hbd_interest_rate", "key"), "allow"},
		{"key_type posting", feed, hive.Posting, witnessOp(t, "hbd_exchange_rate", "key"), "wrong-key"},
		{"key_type signing, which the protocol does not have", feed, hive.Signing, witnessOp(t, "hbd_exchange_rate",
			"key"),
			"wrong-key"},
		{"all of it", fmt.Sprintf(wide, "signing"), hive.Active, witnessOp(t, "key", "new_signing_key", "url"),
			"allow"},
		{"a rule for every key", fmt.Sprintf(wide, "[posting, active, signing]"), hive.Active,
			witnessOp(t, "key", "url"),
			"allow"},
		{"denied by the key", fmt.Sprintf(wide, "signing") + "deny: [{name: stop, key: signing}]\n", hive.Active,
			witnessOp(t, "key", "url"), "denied"},
		{"a rule about active is not about it", fmt.Sprintf(wide, "signing") + "deny: [{name: stop, key: active}]\n",
			hive.Active, witnessOp(t, "key", "url"), "allow"},
		{"denied for what it sets", fmt.Sprintf(wide, "signing") +
			"deny: [{name: keep, operations: [witness_set_properties: " +
			"{props: {.new_signing_key: {present: true}}}]}]\n", hive.Active, witnessOp(t, "key", "new_signing_key"),
			"denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := compile(t, tt.file).Decide(sign("x", tt.role, tt.op), nil, noon)
			got := d.Verdict.String()
			if d.Verdict == policy.Deny {
				got = string(d.Code)
			}
			if got != tt.want {
				t.Errorf("%s: %s", got, d.Reason)
			}
		})
	}
	other := sign("x", hive.Active, witnessOp(t, "hbd_exchange_rate", "key"))
	other.Account = "bob"
	if d := compile(t, feed).Decide(other, nil, noon); d.Code != policy.CodeForeignAuthority {
		t.Errorf("for another witness: %s", d.Reason)
	}
	if got := policy.SigningRoles(other.Ops); !slices.Equal(got, []hive.Role{hive.Signing}) {
		t.Errorf("signed by %v", got)
	}
	// Beside an operation of the account, each has its own rule, and three keys can sign.
	mixed := feed + "  - {name: votes, request: sign, apps: [x], operations: [vote]}\n"
	both := sign("x", hive.Active, vote(t, "alice", "bob", 1), witnessOp(t, "hbd_exchange_rate", "key"))
	if d := compile(t, mixed).Decide(both, nil, noon); d.Verdict != policy.Allow {
		t.Errorf("beside a vote: %s", d.Reason)
	}
}

// TestWitnessWarning: a rule that lets the witness be handed over says so.
func TestWitnessWarning(t *testing.T) {
	for props, want := range map[string]int{"": 1, ": {props: {members: [key, url]}}": 0} {
		_, problems := policy.Compile("p.yaml", []byte("version: 1\nallow:\n  - {name: w, request: sign, apps: [x], "+
			"key: signing, operations: [witness_set_properties"+props+"]}\n"), policy.Options{})
		if n := strings.Count(problems.String(), "hand the witness to another signing key"); n != want ||
			len(problems.Errors()) > 0 {
			t.Errorf("%q: %v", props, problems)
		}
	}
}
