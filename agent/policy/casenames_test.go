package policy_test

import (
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// A case that expects a denial and misspells the app or the account passes whatever the rules say.
func TestMisspeltNamesInCases(t *testing.T) {
	const pay = `request: sign, key_type: active, operations: [transfer: {from: alice, to: dave, ` +
		`amount: 2.000 HBD, memo: ""}]`
	const vote = `request: sign, operations: [vote: {voter: alicee, author: bob, permlink: p, weight: 1}]`
	for one, meant := range map[string]string{
		pay + `, app: tip-bott, expect: deny`:                 `nothing of the rules; did you mean "tipbot"?`,
		pay + `, app: TipBot, expect: deny`:                   `did you mean "tipbot"?`,
		pay + `, app: clok, expect: deny`:                     `did you mean "clock"?`, // of a limit
		vote + `, account: alicee, expect: deny`:              `the account "alicee", so it proves nothing`,
		`steps: [{` + pay + `, app: tibpot, expect: deny}]`:   `did you mean "tipbot"?`,
		`request: auth, app: tipbt, expect: deny`:             `did you mean "tipbot"?`,
		pay + `, app: tipbott, expect: deny, code: uncovered`: "",
		pay + `, expect: deny`:                                "",
		pay + `, app: stranger, expect: deny`:                 "",
		pay + `, app: tipbot2, expect: deny`:                  "", // another app
		`request: auth, account: alice2, expect: deny`:        "",
		vote + `, account: alicee, app: tibpot, expect: deny`: `the app "tibpot"`, // one is enough
		pay + `, app: tipbott, expect: allow`:                 "want allow, got deny",
		`request: sign, app: tipbott, expect: deny, operations: [` +
			`vote: {voter: alice, author: spammer, permlink: p, weight: 1}]`: "", // a rule denies it to all apps
	} {
		for _, version := range []string{"1", "2"} {
			src := "account: alice\napp: tipbot\ncases:\n  - {name: c, " + one + "}\n"
			tests, problems := policy.ReadCases("t.yaml", []byte(src), hive.Mainnet)
			if tests == nil {
				t.Fatalf("%v", problems)
			}
			p, problems := policy.Compile("policy.yaml", []byte("version: "+version+`
allow:
  - {name: pay, request: sign, accounts: [alice], apps: [tipbot], key: active,
      operations: [transfer: {to: bob, amount: {max: 5.000 HBD}}]}
deny:
  - {name: spam, operations: [vote: {author: spammer}]}
limits:
  - {name: day, apps: [tipbot], spend: 10.000 HBD per 24h}
  - {name: none, apps: [clock], count: 1 per 1h} # pksa: meant so: a name that only a limit has
`), policy.Options{})
			if p == nil {
				t.Fatalf("%v", problems)
			}
			// A file of tests that a policy of version 1 has passes as it always did.
			r := p.RunCases(tests).Cases[0]
			fails := version == "2" && meant != "" || strings.HasPrefix(meant, "want")
			says := r.Doubt
			if fails {
				says = strings.Join(r.Wrong, "\n")
			}
			if r.Passed == fails || !strings.Contains(says, meant) || meant == "" && says != "" {
				t.Errorf("%s, by version %s: passed %t, %q, %q", one, version, r.Passed, r.Wrong, r.Doubt)
			}
		}
	}
}
