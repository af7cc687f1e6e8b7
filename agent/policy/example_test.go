package policy_test

import (
	"fmt"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const tipsYAML = `version: 1
allow:
  - name: tips
    request: sign
    apps: [tipbot]
    key: active
    operations:
      - transfer: {to: [bob, carol], amount: {max: 1.000 HBD}}
limits:
  - name: tips per day
    apps: [tipbot]
    spend: 1.500 HBD per 24h
`

// tip is a request of the app tipbot: alice pays bob.
func tip(amount string) *policy.Request {
	raw := fmt.Sprintf(`["transfer",{"from":"alice","to":"bob","amount":%q,"memo":""}]`, amount)
	op, err := hive.Mainnet.ParseOperation([]byte(raw))
	if err != nil {
		panic(err)
	}
	return &policy.Request{Kind: policy.Sign, Account: "alice", App: "tipbot", Role: hive.Active, Broadcast: true,
		Ops: []hive.Operation{op}}
}

// A policy is compiled once, and then judges requests. What is allowed is charged to the book, so
// that the next decision knows of it.
func Example() {
	p, problems := policy.Compile("policy.yaml", []byte(tipsYAML), policy.Options{})
	if p == nil {
		fmt.Print(problems)
		return
	}
	var book policy.Book
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, amount := range []string{"1.000 HBD", "2.000 HBD", "0.800 HBD"} {
		d := p.Decide(tip(amount), &book, now)
		if d.Verdict == policy.Allow {
			book.Add(now, d.Charges)
			fmt.Println(amount, "allow:", d.Rules[0].Name)
			continue
		}
		fmt.Println(amount, "deny:", d.Code)
	}
	// Output:
	// 1.000 HBD allow: tips
	// 2.000 HBD deny: uncovered
	// 0.800 HBD deny: limit
}

// The first half of a decision knows no counters. It is made before the request waits for its turn.
func ExamplePolicy_Prospect() {
	p, _ := policy.Compile("policy.yaml", []byte(tipsYAML), policy.Options{})
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	fmt.Println(p.Prospect(tip("2.000 HBD"), now).Outlook())

	prospect := p.Prospect(tip("1.000 HBD"), now)
	fmt.Println(prospect.Outlook())
	var book policy.Book
	fmt.Println(prospect.Conclude(p, &book, now.Add(time.Second)).Verdict)
	// Output:
	// surely denied
	// open
	// allow
}
