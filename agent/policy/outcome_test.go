package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// outcome finds how a test comes out: an allow rule needs yes, a deny rule takes all but no.
func outcome(t *testing.T, entry string, o hive.Operation) string {
	t.Helper()
	role := hive.Posting
	if len(o.Required().Active) > 0 {
		role = hive.Active
	}
	q := sign("app", role, o)
	const rule = "%s: [{name: x, request: sign, apps: any, key: [posting, active], operations: [%s]}]"
	allows := compile(t, fmt.Sprintf(rule, "allow", entry)).Decide(q, nil, noon).Verdict == policy.Allow
	denies := compile(t, fmt.Sprintf(rule, "deny", entry)).Decide(q, nil, noon).Code == policy.CodeDenied
	switch {
	case allows && denies:
		return "yes"
	case denies:
		return "unclear"
	case allows:
		t.Error("allowed by what does not deny")
	}
	return "no"
}

func TestOutcomesInsideJSON(t *testing.T) {
	for _, tt := range []struct{ test, json, want string }{
		// Numbers and texts.
		{`.a: 5`, `{"a":5}`, "yes"},
		{`.a: 5`, `{"a":"5"}`, "yes"},
		{`.a: 5`, `{"a":5.0}`, "yes"},
		{`.a: 1.5`, `{"a":"1.500"}`, "yes"},
		{`.a: 5`, `{"a":"05"}`, "no"},
		{`.a: 5`, `{"a":"5 "}`, "no"},
		{`.a: 5`, `{"a":5e0}`, "unclear"},
		{`.a: 5`, `{"a":6e0}`, "unclear"},
		{`.a: 5`, `{"a":true}`, "no"},
		{`.a: 5`, `{"a":[5]}`, "unclear"},
		{`.a: 5`, `{"a":{"a":5}}`, "unclear"},
		{`.a: '5'`, `{"a":5}`, "unclear"},
		{`.a: '5'`, `{"a":"5"}`, "yes"},
		{`.a: '5'`, `{"a":"5.0"}`, "no"},
		{`.a: '5'`, `{"a":5.0}`, "unclear"},
		{`.a: '5'`, `{"a":5e0}`, "unclear"},
		{`.a: '5'`, `{"a":6}`, "no"},
		{`.a: -0`, `{"a":0}`, "yes"},
		{`.a: 0`, `{"a":-0.0}`, "yes"},
		{`.a: true`, `{"a":true}`, "yes"},
		{`.a: true`, `{"a":"true"}`, "unclear"},
		{`.a: 'true'`, `{"a":true}`, "unclear"},
		{`.a: true`, `{"a":false}`, "no"},
		{`.a: null`, `{"a":null}`, "yes"},
		{`.a: null`, `{}`, "no"},
		{`.a: null`, `{"a":"null"}`, "unclear"},
		{`.a: x`, `{"a":"x"}`, "yes"},
		{`.a: x`, `{"a":"X"}`, "no"},
		{`.a: $account`, `{"a":"alice"}`, "yes"},
		{`.a: $$account`, `{"a":"$account"}`, "yes"},
		{`.a: 'é'`, `{"a":"\u00e9"}`, "yes"},
		{`.a: 'é'`, `{"a":"e\u0301"}`, "no"},
		{`.a: "😀"`, `{"a":"\ud83d\ude00"}`, "yes"},
		// Bounds.
		{`.a: {max: 100}`, `{"a":"100.0"}`, "yes"},
		{`.a: {max: 100}`, `{"a":100.0000000000000000000000000000000000000000000000000000000000000000000000001}`, "no"},
		{`.a: {min: -2}`, `{"a":-1.5}`, "yes"},
		{`.a: {min: -1}`, `{"a":"-1.5"}`, "no"},
		{`.a: {min: -1, max: 1}`, `{"a":-0.5}`, "yes"},
		{`.a: {max: 100}`, `{"a":1e1}`, "unclear"},
		{`.a: {max: 100}`, `{"a":"1e1"}`, "unclear"},
		{`.a: {max: 100}`, `{"a":null}`, "unclear"},
		{`.a: {max: 100}`, `{"a":[1]}`, "unclear"},
		{`.a: {max: 100}`, `{}`, "no"},
		// Patterns.
		{`.a: {glob: 'b*'}`, `{"a":"bob"}`, "yes"},
		{`.a: {glob: 'b*'}`, `{"a":"xbob"}`, "no"},
		{`.a: {glob: '*b'}`, `{"a":"bobx"}`, "no"},
		{`.a: {glob: 'b?b'}`, `{"a":"béb"}`, "yes"},
		{`.a: {glob: '[b]'}`, `{"a":"b"}`, "no"},
		{`.a: {regexp: 'a|b'}`, `{"a":"xb"}`, "no"},
		{`.a: {regexp: 'a|b'}`, `{"a":"ax"}`, "no"},
		{`.a: {regexp: 'a.b'}`, `{"a":"a\nb"}`, "yes"},
		{`.a: {regexp: 'a'}`, `{"a":"a\n"}`, "no"},
		{`.a: {regexp: '(?m)^a$'}`, `{"a":"x\na"}`, "no"},
		{`.a: {regexp: '5'}`, `{"a":5}`, "unclear"},
		{`.a: {glob: '*'}`, `{}`, "no"},
		// Absent, not, present.
		{`.a: {not: gift}`, `{}`, "unclear"},
		{`.a: {not: gift}`, `{"a":"gift"}`, "no"},
		{`.a: {not: gift}`, `{"a":"sale"}`, "yes"},
		{`.a: {not: gift}`, `{"a":["gift"]}`, "unclear"},
		{`.a: {not: [gift, {glob: 's*'}]}`, `{"a":"sale"}`, "no"},
		{`.a: {not: {min: 5, max: 9}}`, `{"a":7}`, "no"},
		{`.a: {not: {min: 5, max: 9}}`, `{"a":4}`, "yes"},
		{`.a: {present: true}`, `{"a":null}`, "yes"},
		{`.a: {present: false}`, `{"b":1}`, "yes"},
		{`.a: {present: false}`, `{"a":1}`, "no"},
		{`.a: {present: false}`, `[1]`, "unclear"},
		{`.a.b: {present: false}`, `{}`, "yes"},
		{`.a: {.b: {present: false}}`, `{}`, "yes"},
		{`.a.b: {not: x}`, `{"a":5}`, "unclear"},
		// Lists.
		{`each: {.a: 5}`, `{"a":5}`, "yes"},
		{`each: {.a: 5}`, `[{"a":5},{"a":"5"}]`, "yes"},
		{`each: {.a: 5}`, `[{"a":5},{"a":6}]`, "no"},
		{`each: {.a: '5'}`, `[{"a":5},{"a":6}]`, "no"},
		{`each: {.a: '5'}`, `[{"a":5},{"a":"5"}]`, "unclear"},
		{`each: {.a: 5}`, `[]`, "no"},
		{`any: {.a: 5}`, `[]`, "no"},
		{`any: {.a: '5'}`, `[{"a":5},{"a":6}]`, "unclear"},
		{`any: {.a: '5'}`, `[{"a":5},{"a":"5"}]`, "yes"},
		{`exactly: [1, 2]`, `[1,2]`, "yes"},
		{`exactly: [1, 2]`, `[2,1]`, "no"},
		{`exactly: [1, 2]`, `[1,2,3]`, "no"},
		{`exactly: [5]`, `5`, "yes"},
		{`size: 2`, `[1,2]`, "yes"},
		{`size: {max: 1}`, `[1,2]`, "no"},
		{`size: 1`, `{"a":[1,2]}`, "yes"},
		{`.0: 1`, `[1,2]`, "yes"},
		{`.2: 1`, `[1,2]`, "no"},
		{`.00: 1`, `[1,2]`, "unclear"},
		{`.x: 1`, `[1,2]`, "unclear"},
		{`.a.1.b: x`, `{"a":[0,{"b":"x"}]}`, "yes"},
		{`.0: 1`, `{"0":1}`, "yes"},
		{`members: [a, b]`, `{"a":1}`, "yes"},
		{`members: [a, b]`, `{"a":1,"c":1}`, "no"},
		{`members: [a, b]`, `[1]`, "unclear"},
		// Text that two readers may read differently.
		{`.a: 5`, `{"a":5,"a":5}`, "unclear"},
		{`.a: 5`, `{"b":{"x":1,"\u0078":2},"a":5}`, "unclear"},
		{`.a: 5`, `{"a":5}`, "yes"},
		{`.b: {present: false}`, `{"a":"\ud800"}`, "unclear"},
		{`.b: {present: false}`, strings.Repeat("[", 70) + strings.Repeat("]", 70), "unclear"},
	} {
		t.Run(tt.test+" on "+tt.json, func(t *testing.T) {
			raw := fmt.Sprintf(`["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x",`+
				`"json":%q}]`, tt.json)
			o, err := hive.Mainnet.ParseOperation([]byte(strings.ReplaceAll(raw, `\x`, `\u00`)))
			if err != nil {
				t.Skip(err) // refused before any policy sees it
			}
			if got := outcome(t, "custom_json: {json: {"+tt.test+"}}", o); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestOutcomesOfTexts tests by a challenge what no custom_json can hold.
func TestOutcomesOfTexts(t *testing.T) {
	ask := func(section, test, text string) policy.Decision {
		p := compile(t, section+": [{name: x, request: challenge, apps: any, text: "+test+"}]")
		return p.Decide(&policy.Request{Kind: policy.Challenge, Account: "alice", App: "x", Role: hive.Posting,
			Text: text}, nil, noon)
	}
	for _, tt := range []struct{ test, text, want string }{
		{`{.a: 5}`, ` {"a" : 5 } ` + "\t\r\n", "yes"},
		{`{.a: 5}`, `{"a":5}x`, "unclear"},
		{`{.a: 5}`, `{"a":5}{"a":5}`, "unclear"},
		{`{.a: 5}`, "\ufeff" + `{"a":5}`, "unclear"},
		{`{.a: 5}`, `{"a":5,}`, "unclear"},
		{`{.a: 5}`, `{'a':5}`, "unclear"},
		{`{.a: 5}`, `{"a":05}`, "unclear"},
		{`{.a: 5}`, `{"a":+5}`, "unclear"},
		{`{.a: 5}`, `{"a":5.}`, "unclear"},
		{`{.a: 5}`, `{"a":NaN}`, "unclear"},
		{`{.a: 5}`, `{"a":5 /* x */}`, "unclear"},
		{`{.a: 5}`, `{"b":"\ud83d","a":5}`, "unclear"},
		{`{.a: 5}`, `{"b":"\udE00\ud83d","a":5}`, "unclear"},
		{`{.a: 5}`, `{"b":"\x","a":5}`, "unclear"},
		{`{.a: 5}`, `{"b":"\u00g0","a":5}`, "unclear"},
		{`{.a: 5}`, "{\"b\":\"\n\",\"a\":5}", "unclear"},
		{`{.a: 5}`, "{\"b\":\"\xff\",\"a\":5}", "unclear"},
		{`{size: 1}`, strings.Repeat("[", 65) + strings.Repeat("]", 65), "yes"},
		{`{size: 1}`, strings.Repeat("[", 66) + strings.Repeat("]", 66), "unclear"},
		{`{.a: "\u00fc/\n"}`, `{"a":"\u00FC\/\n"}`, "yes"},
		{`{each: {.a: 5}, size: 2}`, `[{"a":5},{"a":5}]`, "yes"},
		{`{glob: 'a*', .a: 5}`, `abc`, "unclear"},
		{`hello`, `hello`, "yes"},
		{`[hello, {regexp: 'h.*'}]`, "h\nx", "yes"},
		{`5`, `5.0`, "no"},
		{`{not: hello}`, `hallo`, "yes"},
	} {
		t.Run(tt.test+" on "+tt.text, func(t *testing.T) {
			got := "no"
			if ask("deny", tt.test, tt.text).Code == policy.CodeDenied {
				got = "unclear"
			}
			if ask("allow", tt.test, tt.text).Verdict == policy.Allow {
				got = "yes"
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestOutcomesOfFields(t *testing.T) {
	authority := `{"weight_threshold":1,"account_auths":[["bob",1]],"key_auths":[]}`
	create := op(t, "create_claimed_account",
		`{"creator":"alice","new_account_name":"newer","owner":%s,"active":%s,"posting":%s,"memo_key":"%s",`+
			`"json_metadata":"","extensions":[]}`,
		authority, authority, authority, hive.PrivateKeyFromSeed("memo").Public())
	profile := op(t, "account_update2",
		`{"account":"alice","json_metadata":"","posting_json_metadata":"{\"profile\":{\"name\":\"x\"}}",`+
			`"extensions":[]}`)
	order := op(t, "limit_order_create",
		`{"owner":"alice","orderid":7,"amount_to_sell":"1.000 HIVE","min_to_receive":"0.333 `+
			`HBD","fill_or_kill":true,"expiration":"2026-11-21T00:00:00"}`)
	feed := op(t, "feed_publish", `{"publisher":"alice","exchange_rate":{"base":"1.000 HBD","quote":"3.000 HIVE"}}`)
	recurrent := op(t, "recurrent_transfer",
		`{"from":"alice","to":"bob","amount":"1.000 HBD","recurrence":24,"executions":2,"extensions":[]}`)
	for _, tt := range []struct {
		entry string
		op    hive.Operation
		want  string
	}{
		{"vote: {weight: 1%}", vote(t, "alice", "bob", 100), "yes"},
		{"vote: {weight: 0.01%}", vote(t, "alice", "bob", 1), "yes"},
		{"vote: {weight: -12.5%}", vote(t, "alice", "bob", -1250), "yes"},
		{"vote: {weight: {max: -1%}}", vote(t, "alice", "bob", -99), "no"},
		{"vote: {weight: {max: 0}}", vote(t, "alice", "bob", -99), "yes"},
		{"vote: {weight: '100'}", vote(t, "alice", "bob", 100), "yes"},
		{"vote: {author: {not: {glob: 'b*'}}}", vote(t, "alice", "bob", 100), "no"},
		{"vote: {payee: {size: 0}}", vote(t, "alice", "bob", 100), "yes"},
		{"transfer: {to: 'null'}", transfer(t, "null", "1.000 HBD", ""), "yes"},
		{"transfer: {to: null}", transfer(t, "null", "1.000 HBD", ""), "yes"},
		{"transfer: {memo: ''}", op(t, "transfer", `{"from":"alice","to":"bob","amount":"1.000 HBD"}`), "yes"},
		{"transfer: {memo: 5}", transfer(t, "bob", "1.000 HBD", "5"), "yes"},
		{"transfer: {memo: 5}", transfer(t, "bob", "1.000 HBD", "5.0"), "no"},
		{"transfer: {memo: 2027-01-01}", transfer(t, "bob", "1.000 HBD", "2027-01-01"), "yes"},
		{"transfer: {amount: {max: 1.000 HBD}}", transfer(t, "bob", "0.001 HIVE", ""), "no"},
		{"transfer: {amount: {not: {min: 1.000 HBD}}}", transfer(t, "bob", "0.999 HBD", ""), "yes"},
		{"transfer: {amount: 1.000 HBD}", transfer(t, "bob", "1.000 HIVE", ""), "no"},
		{"transfer: {payee: {any: bob}}", transfer(t, "bob", "1.000 HIVE", ""), "yes"},
		{"create_claimed_account: {owner: {.account_auths: {exactly: [{.0: bob, .1: 1}]}}}", create, "yes"},
		{"create_claimed_account: {owner: {.account_auths.0.0: carol}}", create, "no"},
		{"create_claimed_account: {owner: {.weight_threshold: {min: 1}, .key_auths: {size: 0}}}", create, "yes"},
		{"create_claimed_account: {posting: {.key_auths: {any: {.0: " + nullKey + "}}}}", create, "no"},
		{"account_update2: {memo_key: {present: false}, owner: {present: false}}", profile, "yes"},
		{"account_update2: {memo_key: {not: " + nullKey + "}}", profile, "unclear"},
		{"account_update2: {owner: {.weight_threshold: 1}}", profile, "no"},
		{"account_update2: {posting_json_metadata: {.profile.name: x}}", profile, "yes"},
		{"account_update2: {json_metadata: ''}", profile, "yes"},
		{"account_update2: {json_metadata: {.a: {present: false}}}", profile, "yes"},
		{"limit_order_create: {price: {min: 0.333}, expiration: {max: 2026-11-21}, fill_or_kill: true}", order, "yes"},
		{"limit_order_create: {price: {min: 0.3330001}}", order, "no"},
		{"limit_order_create: {expiration: {min: 2026-11-21T00:00:01Z}}", order, "no"},
		{"feed_publish: {price: {min: 0.3333333333333}}", feed, "yes"},
		{"feed_publish: {price: {max: 0.3333333333333}}", feed, "no"},
		{"feed_publish: {price: 0.3333333333333}", feed, "no"},
		{"feed_publish: {exchange_rate: {.base: 1.000 HBD, .quote: {min: 1.000 HIVE}}}", feed, "yes"},
		{"recurrent_transfer: {pair_id: 0}", recurrent, "yes"},
		{"custom_json: {required_posting_auths: {exactly: [$account]}, required_auths: {size: 0}}",
			customJSON(t, hive.Posting, "x", "{}"), "yes"},
		{"custom_json: {json: '{}'}", customJSON(t, hive.Posting, "x", "{}"), "yes"},
		{"custom_json: {json: ['{}', {.a: 1}]}", customJSON(t, hive.Posting, "x", "{ }"), "no"},
	} {
		t.Run(tt.entry, func(t *testing.T) {
			if got := outcome(t, tt.entry, tt.op); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestRefusedWhateverTheFileSays(t *testing.T) {
	p := compile(t, `
allow:
  - name: all
    request: sign
    apps: any
    on_behalf_of: any
    broadcast: any
    key: [posting, active]
    takeover: allowed
    operations: [vote, transfer, custom_json, account_update, account_update2, recurrent_transfer]
`)
	memo := hive.PrivateKeyFromSeed("memo").Public()
	owner := `{"weight_threshold":1,"account_auths":[["bob",1]],"key_auths":[]}`
	encrypted, err := hive.PrivateKeyFromSeed("a").EncodeMemo(memo, "#secret", 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		q    *policy.Request
		code policy.Code
	}{
		{"nothing to sign", sign("x", hive.Posting), policy.CodeUnsupported},
		{"no operation", sign("x", hive.Posting, hive.Operation{}), policy.CodeUnsupported},
		{"posting for what needs both", sign("x", hive.Posting, vote(t, "alice", "bob", 1),
			transfer(t, "bob", "1.000 HBD", "")), policy.CodeWrongKey},
		{"posting for one that needs both", sign("x", hive.Posting,
			op(t, "custom_json", `{"required_auths":["alice"],"required_posting_auths":["bob"],"id":"x","json":"{}"}`)),
			policy.CodeWrongKey},
		{"posting for a transfer", sign("x", hive.Posting, transfer(t, "bob", "1.000 HBD", "")), policy.CodeWrongKey},
		{"active for a vote", sign("x", hive.Active, vote(t, "alice", "bob", 1)), policy.CodeWrongKey},
		{"memo for a vote", sign("x", hive.Memo, vote(t, "alice", "bob", 1)), policy.CodeWrongKey},
		{"owner for a vote", sign("x", hive.Owner, vote(t, "alice", "bob", 1)), policy.CodeWrongKey},
		{"owner authority", sign("x", hive.Owner,
			op(t, "account_update", `{"account":"alice","owner":%s,"memo_key":"%s","json_metadata":""}`, owner, memo)),
			policy.CodeUnsupported},
		{"dead", sign("x", hive.Active,
			op(t, "custom_binary", `{"required_owner_auths":[],"required_active_auths":["alice"],`+
				`"required_posting_auths":[],"required_auths":[],"id":"x","data":""}`)), policy.CodeUnsupported},
		{"a memo in the clear", sign("x", hive.Active, transfer(t, "bob", "1.000 HBD", "#secret")),
			policy.CodePlainMemo},
		{"an encrypted memo", sign("x", hive.Active, transfer(t, "bob", "1.000 HBD", encrypted)), ""},
		{"taking over by name", sign("x", hive.Active, takeover(t)), ""},
		{"a challenge with owner", &policy.Request{Kind: policy.Challenge, Account: "alice", App: "x", Role: hive.Owner,
			Text: "x"}, policy.CodeWrongKey},
		{"a challenge inside with no key", &policy.Request{Kind: policy.Auth, Account: "alice", App: "x",
			AuthChallenge: &policy.AuthChallenge{}}, policy.CodeWrongKey},
		{"decrypt with posting", &policy.Request{Kind: policy.Decrypt, Account: "alice", App: "x", Role: hive.Posting},
			policy.CodeWrongKey},
		{"no kind", &policy.Request{Kind: 9, Account: "alice", App: "x", Role: hive.Posting}, policy.CodeUnsupported},
		{"no app slot", sign("", hive.Posting, vote(t, "alice", "bob", 1)), policy.CodeUnsupported},
		{"no account", &policy.Request{Kind: policy.Sign, App: "x", Role: hive.Posting, Broadcast: true,
			Ops: []hive.Operation{vote(t, "alice", "bob", 1)}}, policy.CodeUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := p.Decide(tt.q, nil, noon); d.Code != tt.code {
				t.Errorf("%q (%s), want %q", d.Code, d.Reason, tt.code)
			}
		})
	}
}

func TestOnBehalfOf(t *testing.T) {
	shared := func(actors string) hive.Operation {
		return op(t, "custom_json", `{"required_auths":[],"required_posting_auths":%s,"id":"x","json":"{}"}`, actors)
	}
	const allow = `allow: [{name: a, request: sign, apps: any, on_behalf_of: %s, operations: [custom_json]}]`
	for _, tt := range []struct {
		src, actors string
		want        answer
	}{
		{fmt.Sprintf(allow, "[bob]"), `["alice"]`, allowed},
		{fmt.Sprintf(allow, "[bob]"), `["bob"]`, allowed},
		{fmt.Sprintf(allow, "[bob]"), `["alice","bob"]`, allowed},
		{fmt.Sprintf(allow, "[bob]"), `["bob","carol"]`, answer{policy.Deny, policy.CodeForeignAuthority}},
		{fmt.Sprintf(allow, "any"), `["bob","carol"]`, allowed},
		{strings.ReplaceAll(allow, "on_behalf_of: %s, ", ""), `["alice"]`, allowed},
		{strings.ReplaceAll(allow, "on_behalf_of: %s, ", ""), `["alice","bob"]`,
			answer{policy.Deny, policy.CodeForeignAuthority}},
		// One more account does not evade a deny rule.
		{fmt.Sprintf(allow, "any") + "\ndeny: [{name: d, on_behalf_of: [carol]}]", `["bob","carol"]`, denied},
		{fmt.Sprintf(allow, "any") + "\ndeny: [{name: d, on_behalf_of: [carol]}]", `["bob"]`, allowed},
		{fmt.Sprintf(allow, "any") + "\ndeny: [{name: d, accounts: [bob]}]", `["bob"]`, allowed},
	} {
		t.Run(tt.src+tt.actors, func(t *testing.T) {
			tt.want.check(t, compile(t, tt.src).Decide(sign("x", hive.Posting, shared(tt.actors)), nil, noon))
		})
	}
}

func TestReasons(t *testing.T) {
	p := compile(t, firstPage)
	for _, tt := range []struct {
		q    *policy.Request
		want string
	}{
		{sign("tipbot", hive.Active, transfer(t, "bittrex", "1.000 HBD", "")),
			`denied: operation 1 transfer; rule "never to the exchange" (policy.yaml:39)`},
		{sign("curator", hive.Posting, vote(t, "alice", "spammer", 100)),
			`uncovered: operation 1 vote; nearest rule "curation" (policy.yaml:6): author "spammer" is excluded by ` +
				`not [$account "alice", "spammer"]`},
		{sign("curator", hive.Posting, vote(t, "alice", "bob", 1)),
			`uncovered: operation 1 vote; nearest rule "curation" (policy.yaml:6): weight 1 < min 100`},
		{sign("nobody", hive.Posting, vote(t, "alice", "bob", 1)),
			`uncovered: operation 1 vote; no rule of "nobody" names it`},
		{sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 5"), transfer(t, "bob", "2.000 HIVE",
			"tip 5")),
			`limit: limit "tips per day" (policy.yaml:45): it names no HIVE, and the request costs 2`},
		{sign("tipbot", hive.Active, transfer(t, "dave", "1.000 HBD", "")),
			`ask: operation 1 transfer; rule "other tips" (policy.yaml:31)`},
	} {
		if d := p.Decide(tt.q, nil, noon); d.Reason != tt.want {
			t.Errorf("got  %s\nwant %s", d.Reason, tt.want)
		}
	}
	p = compile(t, strings.Replace(firstPage, "    only: uncovered\n", "    accounts: [bob]\n", 1))
	d := p.Decide(sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 5"), transfer(t, "bob", "2.000 HBD",
		"tip 5")), nil, noon)
	const want = `uncovered: operation 2 transfer; nearest rule "tips" (policy.yaml:13): amount 2.000 HBD > max ` +
		`1.000 HBD`
	if d.Reason != want {
		t.Errorf("got  %s\nwant %s", d.Reason, want)
	}
}

func TestReportOfRules(t *testing.T) {
	p := compile(t, firstPage)
	r := p.Report(sign("tipbot", hive.Active, transfer(t, "bob", "2.000 HBD", "tip 5")), nil, noon)
	if len(r.Parts) != 1 || r.Parts[0].Part != "operation 1 transfer" || len(r.Parts[0].By) != 1 ||
		r.Parts[0].By[0].Name != "other tips" {
		t.Fatalf("%+v", r.Parts)
	}
	got := map[string]string{}
	for _, other := range r.Parts[0].Others {
		got[other.Name] = other.Section + ": " + other.Why
	}
	for name, want := range map[string]string{
		"curation":              `allow: apps: "tipbot" is not among them`,
		"tips":                  `allow: amount 2.000 HBD > max 1.000 HBD`,
		"never to the exchange": `deny: no element of payee is "bittrex"`,
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if _, ok := got["logins"]; ok {
		t.Error("a rule of another kind is explained")
	}
	if len(r.Touched) == 0 || r.Touched[0].Limit.Name != "no bulk" {
		t.Errorf("limits: %+v", r.Touched)
	}
}

// Who raises a delegation a little reads why that costs so much.
func TestReasonOfADelegation(t *testing.T) {
	const says = "; a delegation counts with all that it is afterwards, and not with the step"
	for operations, wants := range map[string]bool{"[delegate_vesting_shares]": true,
		"[withdraw_vesting, active]": false} {
		p := compile(t, `allow:
  - {name: lease, request: sign, accounts: [alice], apps: [bot], key: active, operations: [delegate_vesting_shares]}
limits:
  - {name: day, operations: `+operations+`, spend: 1.000000 VESTS per 24h}
`)
		q := sign("bot", hive.Active, op(t, "delegate_vesting_shares",
			`{"delegator":"alice","delegatee":"bob","vesting_shares":"2.000000 VESTS"}`))
		if d := p.Decide(q, nil, noon); d.Code != policy.CodeLimit || strings.HasSuffix(d.Reason, says) != wants {
			t.Errorf("%s: %s %s", operations, d.Code, d.Reason)
		}
	}
}
