package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// by is a custom_json that needs the posting authority of several accounts.
func by(t testing.TB, actors ...string) hive.Operation {
	t.Helper()
	return op(t, "custom_json", `{"id":"x","json":"{}","required_auths":[],"required_posting_auths":["%s"]}`,
		strings.Join(actors, `","`))
}

// Every account whose authority is needed has to be the request's or one that the rule names; one
// of them that is does not speak for the others. What forbids or counts is not evaded by one more.
func TestSeveralActors(t *testing.T) {
	p := compile(t, `
allow:
  - {name: for bob, request: sign, apps: [app], on_behalf_of: [bob], operations: [custom_json]}
  - {name: for any, request: sign, apps: [any-app], on_behalf_of: any, operations: [custom_json]}
deny:
  - {name: not for dave, apps: [any-app], on_behalf_of: [dave], operations: [custom_json: {id: x}], accounts: [zoe]}
`)
	foreign := answer{policy.Deny, policy.CodeForeignAuthority}
	for _, c := range []struct {
		app    string
		actors []string
		want   answer
	}{
		{"app", []string{"alice"}, allowed},
		{"app", []string{"bob"}, allowed},
		{"app", []string{"alice", "bob"}, allowed},
		{"app", []string{"aaron", "alice"}, foreign},
		{"app", []string{"aaron", "bob"}, foreign},
		{"app", []string{"bob", "carol"}, foreign},
		{"app", []string{"alice", "bob", "carol"}, foreign},
		{"app", []string{"carol"}, foreign},
		{"any-app", []string{"aaron", "bob", "carol"}, allowed},
	} {
		t.Run(fmt.Sprint(c.app, c.actors), func(t *testing.T) {
			c.want.check(t, p.Decide(sign(c.app, hive.Posting, by(t, c.actors...)), nil, noon))
		})
	}
	q := sign("any-app", hive.Posting, by(t, "carol", "dave", "erin"))
	q.Account = "zoe"
	denied.check(t, p.Decide(q, nil, noon))
}

// A limit per actor counts for each of several, and needs room with each.
func TestLimitOfSeveralActors(t *testing.T) {
	p := compile(t, `
allow: [{name: for any, request: sign, apps: [app], on_behalf_of: any, operations: [custom_json]}]
limits: [{name: each, apps: [app], count: 2 per 1h, per: [actor]}]
`)
	var book policy.Book
	for i, c := range []struct {
		actors []string
		want   answer
	}{
		{[]string{"alice", "bob"}, allowed},
		{[]string{"alice"}, allowed},
		{[]string{"alice", "carol"}, limited}, // and carol is not charged
		{[]string{"bob", "carol"}, allowed},
		{[]string{"bob"}, limited},
		{[]string{"carol"}, allowed},
		{[]string{"carol", "dave"}, limited},
		{[]string{"dave"}, allowed},
	} {
		d := p.Decide(sign("app", hive.Posting, by(t, c.actors...)), &book, noon)
		c.want.check(t, d)
		if book.Add(noon, d.Charges); t.Failed() {
			t.Fatalf("request %d of %v", i, c.actors)
		}
	}
}

// What costs nothing has room, also where a counter holds more than the limit now says.
func TestCostOfNothingHasRoom(t *testing.T) {
	const text = `
allow: [{name: all, request: sign, apps: [app], key: [posting, active],
  operations: [vote, transfer, recurrent_transfer, custom_json]}]
limits:
  - {name: value, apps: [app], spend: %s HBD per 24h}
  - {name: tokens, apps: [app], operations: [custom_json], sum: %s per 24h, of: {list: json, field: .q}}
`
	tokens := func(q string) *policy.Request {
		return sign("app", hive.Posting,
			op(t, "custom_json", `{"id":"x","json":"{\"q\":%s}","required_auths":[],`+
				`"required_posting_auths":["alice"]}`, q))
	}
	var book policy.Book
	before := compile(t, fmt.Sprintf(text, "10.000", "10"))
	book.Add(noon, before.Decide(sign("app", hive.Active, transfer(t, "bob", "9.000 HBD", "")), &book, noon).Charges)
	book.Add(noon, before.Decide(tokens("9"), &book, noon).Charges)
	after, now := compile(t, fmt.Sprintf(text, "5.000", "5")), noon.Add(time.Hour)
	nothing := op(t, "recurrent_transfer",
		`{"from":"alice","to":"bob","amount":"0.000 HBD","memo":"","recurrence":24,"executions":9,"extensions":[]}`)
	allowed.check(t, after.Decide(sign("app", hive.Posting, vote(t, "alice", "bob", 1)), &book, now))
	allowed.check(t, after.Decide(sign("app", hive.Active, nothing), &book, now))
	allowed.check(t, after.Decide(tokens("0"), &book, now))
	limited.check(t, after.Decide(sign("app", hive.Active, transfer(t, "bob", "0.001 HBD", "")), &book, now))
	limited.check(t, after.Decide(tokens("0.1"), &book, now))
}
