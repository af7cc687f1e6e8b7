package policy_test

import (
	"fmt"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// compile reads a policy that must be without errors; "version: 1" is put before it.
func compile(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, problems := policy.Compile("policy.yaml", []byte("version: 1\n"+src), policy.Options{})
	if p == nil {
		t.Fatalf("the policy has errors:\n%v", problems)
	}
	return p
}

// op parses an operation: its name, and its fields as JSON.
func op(t testing.TB, name, fields string, args ...any) hive.Operation {
	t.Helper()
	raw := fmt.Sprintf(`[%q,%s]`, name, fmt.Sprintf(fields, args...))
	o, err := hive.Mainnet.ParseOperation([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return o
}

func transfer(t testing.TB, to, amount, memo string) hive.Operation {
	t.Helper()
	return op(t, "transfer", `{"from":"alice","to":%q,"amount":%q,"memo":%q}`, to, amount, memo)
}

func vote(t testing.TB, voter, author string, weight int) hive.Operation {
	t.Helper()
	return op(t, "vote", `{"voter":%q,"author":%q,"permlink":"p","weight":%d}`, voter, author, weight)
}

// sign is a request of alice to sign and broadcast.
func sign(app string, role hive.Role, ops ...hive.Operation) *policy.Request {
	return &policy.Request{Kind: policy.Sign, Account: "alice", App: app, Role: role, Broadcast: true, Ops: ops}
}

func (want answer) check(t *testing.T, d policy.Decision) {
	t.Helper()
	if d.Verdict != want.verdict || d.Code != want.code {
		t.Errorf("got %v %q (%s), want %v %q", d.Verdict, d.Code, d.Reason, want.verdict, want.code)
	}
}

type answer struct {
	verdict policy.Verdict
	code    policy.Code
}

var (
	allowed   = answer{policy.Allow, ""}
	asked     = answer{policy.Ask, ""}
	uncovered = answer{policy.Deny, policy.CodeUncovered}
	denied    = answer{policy.Deny, policy.CodeDenied}
	limited   = answer{policy.Deny, policy.CodeLimit}
)

func TestTheFirstPage(t *testing.T) {
	p := compile(t, firstPage)
	login := func(text string, role hive.Role) *policy.Request {
		return &policy.Request{Kind: policy.Challenge, Account: "alice", App: "tipbot", Role: role, Text: text}
	}
	signOnly := sign("curator", hive.Posting, vote(t, "alice", "bob", 100))
	signOnly.Broadcast = false
	approved := sign("tipbot", hive.Active, transfer(t, "dave", "1.000 HBD", "x"))
	approved.Approved = true
	for _, tt := range []struct {
		name    string
		request *policy.Request
		want    answer
	}{
		{"a vote within bounds", sign("curator", hive.Posting, vote(t, "alice", "bob", 100)), allowed},
		{"a vote too light", sign("curator", hive.Posting, vote(t, "alice", "bob", 99)), uncovered},
		{"a vote for the voter", sign("curator", hive.Posting, vote(t, "alice", "alice", 100)), uncovered},
		{"a vote for the spammer", sign("curator", hive.Posting, vote(t, "alice", "spammer", 100)), uncovered},
		{"a vote with the active key", sign("curator", hive.Active, vote(t, "alice", "bob", 100)),
			answer{policy.Deny, policy.CodeWrongKey}},
		{"a vote of another app", sign("other", hive.Posting, vote(t, "alice", "bob", 100)), uncovered},
		{"a vote of another account", sign("curator", hive.Posting, vote(t, "carol", "bob", 100)),
			answer{policy.Deny, policy.CodeForeignAuthority}},
		{"a vote that is not broadcast", signOnly, uncovered},
		{"a tip", sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 7")), allowed},
		{"a tip too large", sign("tipbot", hive.Active, transfer(t, "bob", "1.001 HBD", "tip 7")), asked},
		{"a tip in HIVE", sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HIVE", "tip 7")), limited},
		{"a tip to a stranger", sign("tipbot", hive.Active, transfer(t, "dave", "1.000 HBD", "tip 7")), asked},
		{"a tip with another memo", sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 7 ")), asked},
		{"a person said yes", approved, allowed},
		{"to the exchange", sign("tipbot", hive.Active, transfer(t, "bittrex", "1.000 HBD", "tip 7")), denied},
		{"four at once", sign("tipbot", hive.Active, transfer(t, "bob", "0.001 HBD", "tip 7"),
			transfer(t, "bob", "0.001 HBD", "tip 7"),
			transfer(t, "bob", "0.001 HBD", "tip 7"), transfer(t, "bob", "0.001 HBD", "tip 7")), limited},
		{"more for one friend", sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 7"),
			transfer(t, "bob", "1.000 HBD", "tip 7"),
			transfer(t, "bob", "0.001 HBD", "tip 7")), asked},
		{"a login", login(`{"login":"alice","ts":17}`, hive.Posting), allowed},
		{"a login with more behind it", login(`{"login":"alice","ts":17} `, hive.Posting), uncovered},
		{"a login with the active key", login(`{"login":"alice","ts":17}`, hive.Active), uncovered},
		{"a session", &policy.Request{Kind: policy.Auth, Account: "alice", App: "curator"}, allowed},
		{"a session of a stranger", &policy.Request{Kind: policy.Auth, Account: "alice", App: "other"}, uncovered},
		{"a session with a login", &policy.Request{Kind: policy.Auth, Account: "alice", App: "tipbot",
			AuthChallenge: &policy.AuthChallenge{Role: hive.Posting, Text: `{"login":"alice","ts":17}`}}, allowed},
		{"a session with another text", &policy.Request{Kind: policy.Auth, Account: "alice", App: "tipbot",
			AuthChallenge: &policy.AuthChallenge{Role: hive.Posting, Text: `hello`}}, uncovered},
		{"nothing", &policy.Request{}, answer{policy.Deny, policy.CodeUnsupported}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, p.Decide(tt.request, nil, noon)) })
	}
}

const firstPage = `
lists:
  friends: [bob, carol]
allow:
  - name: curation
    comment: the curator votes for alice
    request: sign
    accounts: [alice]
    apps: [curator]
    operations:
      - vote: {weight: {min: 1%, max: 100%}, author: {not: [$account, spammer]}}
  - name: tips
    request: sign
    apps: [tipbot]
    key: active
    operations:
      - transfer:
          to: $friends
          amount: {max: 1.000 HBD}
          memo: {regexp: 'tip [0-9]+'}
  - name: logins
    request: challenge
    apps: [tipbot]
    text: {regexp: '\{"login":"alice","ts":[0-9]+\}'}
  - name: sessions
    request: auth
    apps: [curator, tipbot]
    session: 30d
ask:
  - name: other tips
    request: sign
    apps: [tipbot]
    key: active
    operations: [transfer]
    only: uncovered
    timeout: 50s
deny:
  - name: never to the exchange
    operations:
      - active: {payee: {any: bittrex}}
      - posting: {payee: {any: bittrex}}
    answer: reject
limits:
  - name: tips per day
    apps: [tipbot]
    spend: 10.000 HBD per 24h
  - name: tips per friend
    apps: [tipbot]
    operations: [transfer]
    spend: 2.000 HBD per 24h
    per: [.to]
    over: ask
  - name: no bulk
    apps: [tipbot]
    operations: [transfer]
    count: 3 per request
`

// TestRulesOnOneLine: a file may hold all its rules on one line.
func TestRulesOnOneLine(t *testing.T) {
	p := compile(t, `allow: [{name: b, request: sign, apps: any, operations: [vote]}, {name: a, request: sign, `+
		`apps: any, operations: [posting]}]`)
	d := p.Decide(sign("x", hive.Posting, vote(t, "alice", "bob", 1), vote(t, "alice", "carol", 1)), nil, noon)
	if fmt.Sprint(d.Rules) != "[{a 2} {b 2}]" {
		t.Errorf("rules %v", d.Rules)
	}
}

// TestRulesThatGaveADecision: those that allowed are not to blame for what a limit denies.
func TestRulesThatGaveADecision(t *testing.T) {
	p := compile(t, firstPage)
	for _, tt := range []struct {
		q    *policy.Request
		want string
	}{
		{sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 7")), "[{tips 13}]"},
		{sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HIVE", "tip 7")), "[{tips per day 45}]"},
		{sign("tipbot", hive.Active, transfer(t, "dave", "9.000 HBD", "tip 7")),
			"[{other tips 31} {tips per friend 48}]"},
		{sign("tipbot", hive.Active, transfer(t, "dave", "11.000 HBD", "tip 7")), "[{tips per day 45}]"},
		{sign("tipbot", hive.Active, transfer(t, "bittrex", "9.000 HBD", "tip 7")), "[{never to the exchange 39}]"},
		{sign("curator", hive.Posting, vote(t, "alice", "bob", 1)), "[]"},
	} {
		if got := fmt.Sprint(p.Decide(tt.q, nil, noon).Rules); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.q.Ops, got, tt.want)
		}
	}
}

func TestVerdictsAsText(t *testing.T) {
	for _, v := range []policy.Verdict{policy.Deny, policy.Ask, policy.Allow} {
		text, err := v.MarshalText()
		got := policy.Allow
		if err != nil || got.UnmarshalText(text) != nil || got != v {
			t.Errorf("%v: %q %v, read back as %v", v, text, err, got)
		}
	}
	got := policy.Allow
	if got.UnmarshalText([]byte("Allow")) == nil || got != policy.Deny {
		t.Errorf("an unknown word is %v", got)
	}
}
