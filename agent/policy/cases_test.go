package policy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// casesPolicy is what the cases of these tests are judged by.
const casesPolicy = `
lists: {friends: [bob, carol]}
allow:
  - {name: pay, request: sign, accounts: [alice], apps: [bot], key: active,
      operations: [transfer: {to: $friends, amount: {max: 5.000 HBD}}]}
  - {name: vote, request: sign, apps: [bot], operations: [vote]}
  - {name: login, request: auth, apps: [bot], session: 2h}
ask:
  - {name: orders, request: sign, apps: [bot], key: active, operations: [convert], timeout: 40s,
     approvers: [bob, anna]}
deny:
  - {name: no down, mode: observe, operations: [vote: {weight: {max: 0}}]}
limits:
  - {name: day, apps: [bot], operations: [transfer], spend: [10.000 HBD per 24h, 6.000 HBD per 1h]}
  - {name: each, apps: [bot], operations: [transfer], count: 3 per 24h, per: [.to]}
  - {name: few orders, apps: [bot], operations: [convert], count: 5 per 24h}
`

const asPay = `request: sign, key_type: active, operations: [transfer: {from: alice, to: bob, ` +
	`amount: 2.000 HBD, memo: ""}]`

// runCases judges cases that are written on one line each, without their braces.
func runCases(t *testing.T, cases ...string) policy.Tested {
	t.Helper()
	var b strings.Builder
	b.WriteString("account: alice\napp: bot\ncases:\n")
	for i, one := range cases {
		fmt.Fprintf(&b, "  - {name: c%d, %s}\n", i, one)
	}
	tests, problems := policy.ReadCases("t.yaml", []byte(b.String()), hive.Mainnet)
	if tests == nil {
		t.Fatalf("%v", problems)
	}
	return compile(t, casesPolicy).RunCases(tests)
}

func TestCases(t *testing.T) {
	const vote = `request: sign, operations: [vote: {voter: alice, author: bob, permlink: p, weight: -1}]`
	for name, test := range map[string]struct{ one, wrong string }{
		"allowed":          {asPay + `, expect: allow, rule: pay`, ""},
		"another verdict":  {asPay + `, expect: deny`, "want deny, got allow"},
		"room after it":    {asPay + `, expect: allow, room: [{limit: day, left: 4.000 HBD}]`, ""},
		"room of a window": {asPay + `, expect: allow, room: [{limit: day, left: 8.000 HBD, window: 24h}]`, ""},
		"room of another": {asPay + `, expect: allow, room: [{limit: day, left: 8.000 HBD, ` +
			`window: 2h}]`, `room: limit "day" has no window of 2h for HBD`},
		"another asset": {asPay + `, expect: allow, room: [{limit: day, ` +
			`left: 8.000 HIVE}]`, `room: limit "day" has no window for HIVE`},
		"another room": {asPay + `, expect: allow, room: [{limit: day, ` +
			`left: 4.001 HBD}]`, `want 4.001 left in limit "day", got 4`},
		"room of a counter": {asPay + `, expect: allow, room: [{limit: each, of: {.to: bob}, left: 2}, ` +
			`{limit: each, of: {.to: carol}, left: 3}]`, ""},
		"room of no counter": {asPay + `, expect: allow, room: [{limit: each, ` +
			`left: 2}]`, `room: limit "each" has a counter for each of its .to; say which under of`},
		"no such limit": {asPay + `, expect: allow, room: [{limit: days, ` +
			`left: 2}]`, `the policy has no limit "days"; did you mean "day"?`},
		"counters of another asset": {asPay + `, counters: [{limit: day, used: 9.500 HIVE}], expect: allow`,
			`limit "day" counts no HIVE, but HBD`},
		"counters of a count": {asPay + `, counters: [{limit: each, of: {.to: bob}, used: 3}], expect: deny`, ""},
		"never below zero": {asPay + `, counters: [{limit: day, used: 11.000 HBD}], expect: deny, ` +
			`code: limit, room: [{limit: day, left: 0.000 HBD}]`, ""},
		"a session":       {`request: auth, expect: allow, session: 2h`, ""},
		"another session": {`request: auth, expect: allow, session: 3h`, "want a session of 3h, got 2h"},
		"a timeout": {`request: sign, key_type: active, operations: [convert: {owner: alice, requestid: 1, ` +
			`amount: 1.000 HBD}],
    expect: ask, timeout: 40s, consents: 'a yes of 1 of anna, bob'`, ""},
		"no consent": {`request: sign, key_type: active, operations: [convert: {owner: alice, requestid: 1, ` +
			`amount: 1.000 HBD}],
    expect: ask, consents: none`, "want consents: none; got a yes of 1 of anna, bob"},
		"another timeout": {`request: sign, key_type: active, operations: [convert: {owner: alice, ` +
			`requestid: 1, amount: 1.000 HBD}],
    expect: ask, timeout: 41s`, "want a timeout of 41s, got 40s"},
		"observed": {vote + `, expect: allow, observed: deny`, ""},
		"observed by a rule": {vote + `, expect: allow, observed: {expect: deny, code: denied, ` +
			`rule: no down}`, ""},
		"observed by another": {vote + `, expect: allow, observed: {expect: deny, ` +
			`rule: vote}`, `observed: want rule "vote", got "no down"`},
		"observed otherwise": {vote + `, expect: allow, observed: allow`, "observed: want allow, got deny"},
		"observed code": {vote + `, expect: allow, observed: {expect: deny, ` +
			`code: limit}`, "observed: want code limit, got denied"},
		"nothing else observed":  {asPay + `, expect: allow, observed: allow`, ""},
		"nothing observed there": {asPay + `, expect: allow, observed: deny`, "observed: want deny, got allow"},
	} {
		t.Run(name, func(t *testing.T) {
			r := runCases(t, test.one).Cases[0]
			if got := strings.Join(r.Wrong, "\n"); got != test.wrong || r.Passed != (test.wrong == "") || r.Step != 0 {
				t.Errorf("passed %t, step %d:\n%s", r.Passed, r.Step, got)
			}
		})
	}
}

// What would be denied whatever the rules allow proves nothing of them, unless the case says that
// it is meant.
func TestDenialsThatProveNothing(t *testing.T) {
	for code, one := range map[policy.Code]string{
		policy.CodeWrongKey: `request: sign, operations: [transfer: {from: alice, to: bob, ` +
			`amount: 2.000 HBD, memo: ""}]`,
		policy.CodeForeignAuthority: `request: sign, operations: [vote: {voter: dave, author: bob, ` +
			`permlink: p, weight: 1}]`,
		policy.CodeUnsupported: `request: sign, operations: [vote: {voter: alice, author: bob, ` +
			`permlink: "a\u0000b", weight: 1}]`,
		policy.CodePlainMemo: `request: sign, key_type: active, operations: [transfer: {from: alice, ` +
			`to: bob, amount: 2.000 HBD, memo: "#x"}]`,
		policy.CodeFirewall: `request: challenge, text: ""`,
	} {
		meant := one + ", expect: deny, code: " + string(code)
		done := runCases(t, one+", expect: deny", meant, one+", expect: allow",
			fmt.Sprintf("steps: [{%s, expect: deny}]", one), fmt.Sprintf("steps: [{%s}]", meant))
		for i, want := range []bool{false, true, false, false, true} {
			if r := done.Cases[i]; r.Passed != want || r.Report.Code != code ||
				!want && !strings.Contains(r.Wrong[0], "proves nothing of the rules") != (i == 2) {
				t.Errorf("%s, case %d: passed %t, %v", code, i, r.Passed, r.Wrong)
			}
		}
		// It must not look as if the rules had been tried. Whose authority is needed, they say.
		if c := done.Coverage; c.Covered != 0 && code != policy.CodeForeignAuthority {
			t.Errorf("%s covers %d of %d", code, c.Covered, c.All)
		}
	}
}

func TestCasesOfSteps(t *testing.T) {
	for name, test := range map[string]struct {
		one, wrong string
		step       int
	}{
		"a day": {asPay + `, steps: [
      {times: 2, expect: allow, rule: pay, room: [{limit: day, left: 2.000 HBD}]},
      {operations: [transfer: {from: alice, to: carol, amount: 3.000 HBD, memo: ""}], expect: deny,
          code: limit, rule: day},
      {after: 1h, expect: allow, room: [{limit: each, of: {.to: bob}, left: 0}, {limit: day, left: 4.000 HBD}]},
      {expect: deny, rule: each},
      {after: 23h, expect: allow},
      {request: auth, expect: allow, session: 2h}]`, "", 6},
		"counters before it": {asPay + `, counters: [{limit: day, used: 5.000 HBD, ago: 23h}], ` +
			`time: 2026-05-01T00:00:00Z, steps: [
      {times: 2, expect: allow}, {after: 30m, expect: deny, rule: day}, {after: 31m, expect: allow}]`, "", 3},
		"denied takes nothing": {asPay + `, steps: [
      {operations: [transfer: {from: alice, to: dave, amount: 2.000 HBD, memo: ""}], times: 100, expect: deny},
      {expect: allow, room: [{limit: day, left: 4.000 HBD}]}]`, "", 2},
		"asked takes nothing, a yes does": {`request: sign, key_type: active, counters: [],
      operations: [convert: {owner: alice, requestid: 1, amount: 1.000 HBD}],
      steps: [{times: 9, expect: ask}, {approved: true, expect: allow}]`, "", 2},
		"the first that is wrong": {asPay + `, steps: [{expect: allow}, {expect: deny}, {expect: ask}]`,
			"want deny, got allow", 2},
		"the time that is wrong": {asPay + `, steps: [{expect: allow}, {times: 5, expect: allow}]`,
			"the 3rd of 5 times: want allow, got deny", 2},
		"room at the end of them": {asPay + `, steps: [{times: 3, expect: allow, room: [{limit: day, ` +
			`left: 4.000 HBD}]}]`,
			`the 3rd of 3 times: want 4 left in limit "day", got 0`, 1},
		"counters that the policy lacks": {asPay + `, counters: [{limit: dya, used: 1}], steps: [{expect: allow}]`,
			`the policy has no limit "dya"; did you mean "day"?`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := runCases(t, test.one).Cases[0]
			if strings.Join(r.Wrong, "\n") != test.wrong || r.Passed != (test.wrong == "") || r.Step != test.step {
				t.Errorf("step %d: %v", r.Step, r.Wrong)
			}
		})
	}
}

func TestStepsAreReadStrictly(t *testing.T) {
	for src, want := range map[string]string{
		`{name: a, steps: [{expect: deny}]}`: "request is missing: auth, " +
			"sign, challenge or decrypt",
		`{name: a, request: auth, expect: deny, ` +
			`steps: [{expect: deny}]}`: "expect is what one request comes to; say it in each of the steps",
		`{name: a, request: auth, ` +
			`steps: []}`: "steps are empty: a case needs a request",
		`{name: a, request: auth, ` +
			`steps: [{}]}`: "a step says what to expect: allow, ask or deny",
		`{name: a, request: auth, steps: [{expect: deny, time: 2026-01-01}]}`: `"time" is no key here`,
		`{name: a, request: auth, steps: [{expect: deny, counters: []}]}`:     `"counters" is no key here`,
		`{name: a, request: auth, steps: [{expect: deny, ` +
			`afer: 2h}]}`: `"afer" is no key here; did you mean "after"?`,
		`{name: a, request: auth, steps: [{expect: deny, after: two}]}`: `"two" is no span of time`,
		`{name: a, request: auth, steps: [{expect: deny, ` +
			`times: 0}]}`: `times: "0" is no number from 1 to 10000`,
		`{name: a, request: auth, steps: [{expect: deny, ` +
			`times: 10001}]}`: `times: "10001" is no number from 1 to 10000`,
		`{name: a, request: auth, steps: [{expect: deny, room: [{left: 1}]}]}`: "room needs limit, its name, " +
			"and left",
		`{name: a, request: auth, steps: [{expect: deny, ` +
			`observed: {}}]}`: "observed says what to expect: allow, ask or deny",
		`{name: a, request: auth, steps: [{request: sign, expect: deny}]}`: "operations are missing",
		`{name: a, request: auth, expect: deny, code: uncoverd}`:           `code: "uncoverd" is none of denied`,
		`{name: a, request: auth, expect: deny, ` +
			`observed: {expect: deny, code: x}}`: `code: "x" is none of denied`,
		`{name: a, request: auth, account: Alice, expect: deny}`: `account: "Alice" is no account name`,
		`{name: a, request: sign, expect: deny, operations: [vote: {voter: alice, author: bob, permlink: p, ` +
			`weight: 50%}]}`: "the chain writes 50% as 5000",
		`{name: a, request: auth, after: 2h, expect: deny}`: `"after" is no key here`,
		`{name: a, request: auth, steps: [` + strings.Repeat("{expect: deny, times: 10000}, ", 10) +
			`{expect: deny, times: 1}]}`: "times: the steps of a file are at most 100000 requests in all",
	} {
		tests, problems := policy.ReadCases("t.yaml", []byte("account: alice\napp: bot\ncases: ["+src+"]"),
			hive.Mainnet)
		if tests != nil || !strings.Contains(problems.String(), want) || len(problems) != 1 {
			t.Errorf("%s\n%v", src, problems)
		}
	}
}

// Tests that end early say so, whatever they have found until then.
func TestFailedCasesEnds(t *testing.T) {
	tests, problems := policy.ReadCases("t.yaml", []byte("account: alice\napp: bot\ncases:\n"+
		"  - {name: a, "+asPay+", expect: deny}\n  - {name: b, request: auth, steps: [{times: 10000, "+
		"expect: allow}]}\n"+
		"  - {name: c, request: auth, expect: deny}"), hive.Mainnet)
	if tests == nil {
		t.Fatal(problems)
	}
	p := compile(t, casesPolicy)
	if failed, n, err := p.FailedCases(t.Context(), tests, 1); len(failed) != 1 || n != 2 || err != nil ||
		failed[0].Name != "a" || failed[0].Report.Answer == "" {
		t.Errorf("%v, %d, %v", failed, n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.FailedCases(ctx, tests, 1); err == nil {
		t.Error("it goes on when nobody waits")
	}
}

func missing(c policy.Coverage) (all []string) {
	for _, one := range c.Missing {
		all = append(all, one.Name+": "+one.What)
	}
	return all
}

func TestCoverage(t *testing.T) {
	const pay = `request: sign, key_type: active, operations: [transfer: {from: alice, to: %s, ` +
		`amount: %s HBD, memo: ""}]`
	p := compile(t, `
allow:
  - {name: pay, request: sign, accounts: [alice], apps: [bot], key: active, operations: [transfer: {to: bob,
      amount: {min: 1.000 HBD, max: 5.000 HBD}}]}
  - {name: data, request: sign, apps: [bot], operations: [custom_json: {id: x, json: {each: {.to: [bob,
      carol], .n: {max: 3}}, size: {max: 2}}}]}
limits:
  - {name: day, apps: [bot], operations: [transfer], spend: 6.000 HBD per 24h}
`)
	run := func(cases ...string) policy.Coverage {
		t.Helper()
		src := "account: alice\napp: bot\ncases:\n"
		for i, one := range cases {
			src += fmt.Sprintf("  - {name: c%d, %s}\n", i, one)
		}
		tests, problems := policy.ReadCases("t.yaml", []byte(src), hive.Mainnet)
		if tests == nil {
			t.Fatal(problems)
		}
		done := p.RunCases(tests)
		for _, r := range done.Cases {
			if !r.Passed {
				t.Errorf("%s: %v", r.Name, r.Wrong)
			}
		}
		return done.Coverage
	}
	// A test is looked at only where those in front of it say yes: mallory with another app shows
	// nothing of "to".
	c := run("app: other, "+fmt.Sprintf(pay, "mallory", "9.000")+", expect: deny",
		fmt.Sprintf(pay, "bob", "2.000")+", expect: allow")
	want := []string{
		"pay: accounts never says no", "pay: key never says no", "pay: transfer never says no",
		"pay: transfer.to never says no", "pay: transfer.amount min never says no",
		"pay: transfer.amount max never says no",
		"data: no case meets it", "data: custom_json never says yes",
		"data: custom_json never says no", "data: custom_json.id never says yes", "data: custom_json.id never says no",
		"data: custom_json.json each.to never says yes", "data: custom_json.json each.to never says no",
		"data: custom_json.json each.n max never says yes", "data: custom_json.json each.n max never says no",
		"data: custom_json.json size never says yes", "data: custom_json.json size never says no",
		"day: it never refuses", "day: transfer never says no",
	}
	if got := missing(c); !sameWords(got, want) {
		t.Errorf("missing:\n%s", strings.Join(got, "\n"))
	}
	if c.Covered+len(c.Missing) != c.All || c.Percent() != 100*c.Covered/c.All {
		t.Errorf("%d of %d, %d%%, and %d missing", c.Covered, c.All, c.Percent(), len(c.Missing))
	}
	data := func(id, json string) string {
		return "request: sign, operations: [custom_json: {required_auths: [], " +
			"required_posting_auths: [alice], id: " +
			id + ", json: " + json + "}]"
	}
	all := []string{
		"app: other, " + fmt.Sprintf(pay, "bob", "2.000") + ", expect: deny",
		"account: carol, request: sign, key_type: active, operations: [transfer: {from: carol, to: bob, " +
			"amount: 2.000 HBD, memo: x}], expect: deny",
		fmt.Sprintf(pay, "mallory", "2.000") + ", expect: deny",
		fmt.Sprintf(pay, "bob", "0.999") + ", expect: deny",
		fmt.Sprintf(pay, "bob", "5.001") + ", expect: deny",
		"request: sign, key_type: active, operations: [convert: {owner: alice, requestid: 1, " +
			"amount: 1.000 HBD}], expect: deny",
		fmt.Sprintf(pay, "bob", "2.000") + ", steps: [{times: 3, expect: allow}, {expect: deny, code: limit}]",
		"request: sign, operations: [vote: {voter: alice, author: bob, permlink: p, weight: 1}], expect: deny",
		data("x", "[{to: bob, n: 3}]") + ", expect: allow",
		data("y", "[{to: bob, n: 3}]") + ", expect: deny",
		data("x", "[{to: bob, n: 4}, {to: dave, n: 3}, {to: bob, n: 1}]") + ", expect: deny",
	}
	if c := run(all...); c.Percent() != 100 || len(c.Missing) > 0 {
		t.Errorf("%d%%:\n%s", c.Percent(), strings.Join(missing(c), "\n"))
	}
	// Each of the cases is needed.
	for i := range all {
		if c := run(slices.Delete(slices.Clone(all), i, i+1)...); c.Percent() == 100 {
			t.Errorf("nobody misses %s", all[i])
		}
	}
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestCoverageOfOtherRules(t *testing.T) {
	p := compile(t, `
allow:
  - {name: post, request: sign, apps: any, accounts: [alice], transaction: [comment: {title: {glob: "a*"}},
      vote: {permlink: $1.permlink}]}
  - {name: text, request: challenge, apps: any, accounts: [alice], text: {glob: "in *", not: {glob: "*x*"}},
      until: 2027-01-01}
  - {name: other, request: sign, apps: any, accounts: [alice], on_behalf_of: [bob], broadcast: false,
      operations: [vote: {voter: bob}]}
deny:
  - {name: no, mode: observe, apps: any, operations: [delete_comment]}
`)
	src := `{account: alice, app: bot, cases: [{name: a, request: challenge, text: hello, expect: deny}]}`
	tests, problems := policy.ReadCases("t.yaml", []byte(src), hive.Mainnet)
	if tests == nil {
		t.Fatal(problems)
	}
	want := []string{
		"post: no case meets it", "post: accounts never says yes", "post: accounts never says no",
		"post: transaction never says yes", "post: transaction never says no",
		"post: transaction 1 comment.title glob never says yes", "post: transaction 1 comment.title glob never says no",
		"post: transaction 2 vote.permlink never says yes", "post: transaction 2 vote.permlink never says no",
		"text: no case meets it", "text: accounts never says no",
		"text: text glob never says yes", "text: text not never says no", "text: the time never says no",
		"other: no case meets it", "other: accounts never says yes", "other: accounts never says no",
		"other: broadcast never says yes", "other: broadcast never says no",
		"other: vote never says yes", "other: vote never says no",
		"other: vote.voter never says yes", "other: vote.voter never says no",
		"other: on_behalf_of never says yes", "other: on_behalf_of never says no",
		"no: no case meets it", "no: delete_comment never says yes", "no: delete_comment never says no",
	}
	if got := missing(p.RunCases(tests).Coverage); !sameWords(got, want) {
		t.Errorf("missing:\n%s", strings.Join(got, "\n"))
	}
}

// Doubt is a no of a rule that allows and a yes of one that denies.
func TestCoverageTakesDoubtAsTheRule(t *testing.T) {
	for _, section := range []string{"allow", "deny"} {
		p := compile(t, section+": [{name: r, request: sign, apps: any, accounts: any, "+
			"operations: [custom_json: {json: "+
			"{.n: {min: 5}}}]}]")
		tests, problems := policy.ReadCases("t.yaml", []byte("{account: alice, app: bot, cases: [{name: a, "+
			"request: sign, "+
			"operations: [custom_json: {required_auths: [], required_posting_auths: [alice], id: x, "+
			"json: {n: [1]}}], "+
			"expect: deny}]}"), hive.Mainnet)
		if tests == nil {
			t.Fatal(problems)
		}
		got := strings.Join(missing(p.RunCases(tests).Coverage), "\n")
		if yes := !strings.Contains(got, "json.n min never says yes"); yes != (section == "deny") {
			t.Errorf("%s:\n%s", section, got)
		}
	}
}

// What is denied since no rule is for the app that asks, says so: the name may be misspelt.
func TestReportOfOthers(t *testing.T) {
	p := compile(t, `
allow:
  - {name: votes, request: sign, accounts: [alice], apps: [bot], operations: [vote: {author: bob}]}
  - {name: posts, request: sign, accounts: [alice], apps: [blog], operations: [comment]}
  - {name: sessions, request: auth, apps: [bot]}
deny:
  - {name: no, operations: [vote: {author: mallory}]}
`)
	const vote = "request: sign, operations: [vote: {voter: alice, author: %s, permlink: p, weight: 1}], expect: %s"
	for one, want := range map[string]bool{
		"app: bott, " + fmt.Sprintf(vote, "bob", "deny"):       true,
		"app: bott, " + fmt.Sprintf(vote, "mallory", "deny"):   false, // a deny rule is for it
		"app: blog, " + fmt.Sprintf(vote, "bob", "deny"):       false,
		"app: bot, " + fmt.Sprintf(vote, "dave", "deny"):       false,
		"app: bot, " + fmt.Sprintf(vote, "bob", "allow"):       false,
		"app: bott, request: auth, expect: deny":               true,
		"app: bott, request: challenge, text: x, expect: deny": false, // nor is one for any other
	} {
		tests, problems := policy.ReadCases("t.yaml", []byte("{account: alice, cases: [{name: a, "+
			""+one+"}]}"), hive.Mainnet)
		if tests == nil {
			t.Fatal(problems)
		}
		if r := p.RunCases(tests).Cases[0]; r.Report.ForOthers() != want || !r.Passed {
			t.Errorf("%s: %t, %v", one, r.Report.ForOthers(), r.Wrong)
		}
	}
}
