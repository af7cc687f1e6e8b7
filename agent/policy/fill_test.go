package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// compileMeant compiles a policy of which all that is probably not meant is said to be.
func compileMeant(src string, o policy.Options) (*policy.Policy, policy.Problems) {
	p, problems := policy.Compile("policy.yaml", []byte(src), o)
	lines := strings.Split(src, "\n")
	for _, one := range problems.Errors() {
		if one.Trap {
			lines[one.Line-1] += " # pksa: meant so: by chance"
		}
	}
	if p == nil {
		p, problems = policy.Compile("policy.yaml", []byte(strings.Join(lines, "\n")), o)
	}
	return p, problems
}

// outcome2 tells how a test of version 2 comes out: of an operation, or of a challenge's text.
func outcome2(t *testing.T, lists, test string, q *policy.Request) string {
	t.Helper()
	rule := "%s: [{name: x, request: sign, apps: any, key: [posting, active], on_behalf_of: any, operations: [%s]}]"
	if q.Kind == policy.Challenge {
		rule = "%s: [{name: x, request: challenge, apps: any, text: %s}]"
	}
	judge := func(section string) policy.Decision {
		src := "version: 2\n" + lists + fmt.Sprintf(rule, section, test)
		p, problems := compileMeant(src, policy.Options{})
		if p == nil {
			t.Fatalf("%s\n%v", test, problems)
		}
		p.Report(q, nil, noon)
		return p.Decide(q, nil, noon)
	}
	allows, denies := judge("allow").Verdict == policy.Allow, judge("deny").Code == policy.CodeDenied
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

// Names of the request stand in texts and patterns, and are no pattern there.
func TestNamesAreFilledIn(t *testing.T) {
	for _, tt := range []struct{ account, test, text, want string }{
		{"alice", `"I am $account at shop"`, "I am alice at shop", "yes"},
		{"alice", `"I am $account at shop"`, "I am bob at shop", "no"},
		{"alice", `"I am $account at shop"`, "I am $account at shop", "no"},
		{"bob", `"I am $account at shop"`, "I am bob at shop", "yes"},
		{"alice", `$account at shop`, "alice at shop", "yes"},
		{"alice", `"$account/$actor"`, "alice/alice", "yes"},
		{"alice", `[no, "for $account"]`, "for alice", "yes"},
		{"alice", `{not: "for $account"}`, "for alice", "no"},
		{"alice", `{not: "for $account"}`, "for bob", "yes"},
		{"alice", `{glob: 're-$account-*'}`, "re-alice-1", "yes"},
		{"alice", `{glob: 're-$account-*'}`, "re-bob-1", "no"},
		{"alice", `{glob: '$account?$account'}`, "alice-alice", "yes"},
		{"alice", `{regexp: 'login as $account [0-9]+'}`, "login as alice 7", "yes"},
		{"alice", `{regexp: 'login as $account [0-9]+'}`, "login as bob 7", "no"},
		{"alice", `{regexp: '$account'}`, "alice", "yes"},
		{"alice", `{regexp: '^$account$'}`, "alice", "yes"},
		{"alice", `{regexp: '$account|x'}`, "x", "yes"},
		// Whatever follows a name repeats the whole of it.
		{"alice", `{regexp: '$account*'}`, "alicealice", "yes"},
		{"alice", `{regexp: '$account*'}`, "alicee", "no"},
		// A dot in a name is that dot.
		{"a.b-c", `{regexp: '$account'}`, "a.b-c", "yes"},
		{"a.b-c", `{regexp: '$account'}`, "axb-c", "no"},
		{"a.b-c", `{glob: '$account*'}`, "axb-c", "no"},
		// What is not filled in: another word, a sign that is doubled or escaped, a class.
		{"alice", `"$accounts or my$account_x"`, "", "error"},
		{"alice", `"my $account_x"`, "my $account_x", "yes"},
		{"alice", `"my $$account"`, "my $account", "yes"},
		{"alice", `"my $$account"`, "my alice", "no"},
		{"alice", `"my $$account $account"`, "my $account alice", "yes"},
		{"alice", `$$account`, "$account", "yes"},
		{"alice", `$$5 for $account`, "$5 for alice", "yes"},
		{"alice", `$$$account`, "$$account", "yes"},
		{"alice", `{glob: '$$account*'}`, "$account!", "yes"},
		{"alice", `{regexp: '\$account'}`, "$account", "yes"},
		{"alice", `{regexp: '\$account'}`, "alice", "no"},
		{"alice", `{regexp: '\\$account'}`, `\alice`, "yes"},
		{"alice", `{regexp: '[$account]+'}`, "not$cat", "yes"},
		{"alice", `{regexp: '[$account]+'}`, "alice", "no"},
		{"alice", `{regexp: '[]$account]+'}`, "taco]", "yes"},
		{"alice", `{regexp: '[^]$account]'}`, "x", "yes"},
		{"alice", `{regexp: '[[:digit:]$account]+'}`, "taco7$", "yes"},
		{"alice", `{regexp: '[\]$account]+'}`, "taco]$", "yes"},
		{"alice", `{regexp: '[x]$account'}`, "xalice", "yes"},
		{"alice", `{regexp: '\Q$account\E'}`, "$account", "yes"},
		{"alice", `{regexp: '\Q[\E$account'}`, "[alice", "yes"},
		// Inside JSON.
		{"alice", `{.from: "hive:$account"}`, `{"from":"hive:alice"}`, "yes"},
		{"alice", `{.from: "hive:$account"}`, `{"from":"hive:bob"}`, "no"},
		{"alice", `{.from: "hive:$account"}`, `{}`, "no"},
		{"alice", `{.from: "hive:$account"}`, `{"from":["hive:alice"]}`, "unclear"},
		{"alice", `{.from: {glob: "hive:$account*"}}`, `{"from":5}`, "unclear"},
		{"alice", `{.from: {glob: "hive:$account*"}}`, `{"to":"x"}`, "no"},
		{"alice", `{.from: {not: {glob: "hive:$account*"}}}`, `{"to":"x"}`, "unclear"},
		{"alice", `{.from: $actor}`, `{"from":"alice"}`, "yes"},
	} {
		q := &policy.Request{Kind: policy.Challenge, Account: hive.AccountName(tt.account), App: "app",
			Role: hive.Posting, Text: tt.text}
		if tt.want == "error" {
			_, problems := compileMeant("version: 2\nallow: [{name: x, request: challenge, apps: any, text: "+
				""+tt.test+"}]",
				policy.Options{})
			if !strings.Contains(problems.String(), "there is no list") {
				t.Errorf("%s: %v", tt.test, problems)
			}
			continue
		}
		if got := outcome2(t, "", tt.test, q); got != tt.want {
			t.Errorf("%s of %s for %s: %s, want %s", tt.test, tt.text, tt.account, got, tt.want)
		}
	}
}

// An actor is whose authority an operation needs. Of two, both have to be meant.
func TestActorIsFilledIn(t *testing.T) {
	vote := func(voter, author, permlink string) *policy.Request {
		return sign("app", hive.Posting, op(t, "vote", `{"voter":%q,"author":%q,"permlink":%q,"weight":1}`, voter,
			author, permlink))
	}
	two := sign("app", hive.Posting, op(t, "custom_json", `{"required_auths":[],"required_posting_auths":`+
		`["alice","dave"],"id":"re-dave","json":"{}"}`))
	for _, tt := range []struct {
		test string
		q    *policy.Request
		want string
	}{
		{"vote: {author: $actor}", vote("dave", "dave", "p"), "yes"},
		{"vote: {author: $actor}", vote("dave", "alice", "p"), "no"},
		{"vote: {author: $account}", vote("dave", "dave", "p"), "no"},
		{"vote: {author: {not: $actor}}", vote("dave", "dave", "p"), "no"},
		{"vote: {author: {not: [$account, $actor]}}", vote("dave", "alice", "p"), "no"},
		{"vote: {author: {not: [$account, $actor]}}", vote("dave", "bob", "p"), "yes"},
		{"vote: {permlink: {glob: 're-$actor-*'}}", vote("dave", "bob", "re-dave-1"), "yes"},
		{"vote: {permlink: {glob: 're-$actor-*'}}", vote("dave", "bob", "re-alice-1"), "no"},
		{"vote: {permlink: 're-$actor-$account'}", vote("dave", "bob", "re-dave-alice"), "yes"},
		{"vote: {author: '$account.blog'}", vote("dave", "alice.blog", "p"), "yes"},
		{"vote: {author: [bob, 'pay.$actor']}", vote("dave", "pay.dave", "p"), "yes"},
		{"custom_json: {id: {regexp: '(re|to)-$actor'}}", two, "unclear"},
		{"custom_json: {id: {not: 're-$actor'}}", two, "unclear"},
		{"custom_json: {id: 're-$account'}", two, "no"},
		{"custom_json: {id: {glob: '*$actor*'}}", vote("alice", "bob", "p"), "no"},
	} {
		if got := outcome2(t, "", tt.test, tt.q); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.test, got, tt.want)
		}
	}
}

// In a transaction, and of one operation after another, each has its own actor.
func TestEachOperationHasItsActor(t *testing.T) {
	vote := func(who string) hive.Operation {
		return op(t, "vote", `{"voter":%q,"author":"bob","permlink":"re-%s","weight":1}`, who, who)
	}
	for _, says := range []string{"operations: [vote: {permlink: 're-$actor'}]",
		"transaction: [vote: {permlink: 're-$actor'}, vote: {permlink: {glob: 're-$actor*'}}]"} {
		p, problems := compileMeant("version: 2\nallow: [{name: x, request: sign, apps: any, on_behalf_of: any, "+
			""+says+"}]",
			policy.Options{})
		if p == nil {
			t.Fatal(problems)
		}
		if d := p.Decide(sign("app", hive.Posting, vote("alice"), vote("dave")), nil, noon); d.Verdict != policy.Allow {
			t.Errorf("%s: %s", says, d.Reason)
		}
	}
}

// In version 1 a text with a name in it is what it was, and that is warned of.
func TestVersionOneFillsNothingIn(t *testing.T) {
	src := "version: 1\nallow: [{name: x, request: challenge, accounts: [alice], apps: [a], text: [login as " +
		"$account, " +
		"{glob: 'shop.example $account*'}]}]"
	p, problems := policy.Compile("p", []byte(src), policy.Options{})
	if n := strings.Count(problems.String(), `but for $account and $actor in version 2, and "$account" stands for `+
		`itself`); n != 2 {
		t.Errorf("%d warnings: %v", n, problems)
	}
	for text, want := range map[string]policy.Verdict{"login as $account": policy.Allow, "login as alice": policy.Deny,
		"shop.example $account": policy.Allow, "shop.example alice": policy.Deny} {
		q := &policy.Request{Kind: policy.Challenge, Account: "alice", App: "a", Role: hive.Posting, Text: text}
		if d := p.Decide(q, nil, noon); d.Verdict != want {
			t.Errorf("%s: %v", text, d.Verdict)
		}
	}
}

// A list that was called actor before there was the word keeps its name.
func TestListOfActors(t *testing.T) {
	const lists = "lists: {actor: [bob, carol], mine: [$account, 'pay.$account']}\n"
	vote := func(author, permlink string) *policy.Request {
		return sign("app", hive.Posting, op(t, "vote", `{"voter":"alice","author":%q,"permlink":%q,"weight":1}`, author,
			permlink))
	}
	for _, tt := range []struct {
		test, author, permlink, want string
	}{
		{"vote: {author: $actor}", "bob", "p", "yes"},
		{"vote: {author: $actor}", "alice", "p", "no"},
		{"vote: {permlink: 're-$actor'}", "bob", "re-alice", "no"},
		{"vote: {permlink: 're-$actor'}", "bob", "re-$actor", "yes"},
		{"vote: {permlink: 're-$actor-$account'}", "bob", "re-$actor-alice", "yes"},
		{"vote: {author: $mine}", "pay.alice", "p", "yes"},
		{"vote: {author: $mine}", "alice", "p", "yes"},
		{"vote: {author: $mine}", "bob", "p", "no"},
	} {
		if got := outcome2(t, lists, tt.test, vote(tt.author, tt.permlink)); got != tt.want {
			t.Errorf("%s of %s: %s, want %s", tt.test, tt.author, got, tt.want)
		}
	}
}

// What is probably not meant is not meant with a name in it either, and the complaint names it as
// the file does.
func TestFilledTextsAreReviewed(t *testing.T) {
	for rule, want := range map[string]string{
		`request: challenge, text: {glob: 'Login as $account *'}`: "text: no word of this says for which site it is",
		`request: challenge, text: {regexp: '/login at shop.example $account/'}`: `the slashes count as they stand; ` +
			`a regular expression is written {regexp: 'login at shop.example $account.*'}`,
		`request: sign, operations: [vote: {author: 'x$account@y'}]`: `"x$account@y": no account has such a name`,
		`request: sign, operations: [vote: {weight: $actor}]`:        "$actor is a name, and weight is a whole number",
		`request: sign, operations: [vote: {permlink: '$acount-x'}]`: `there is no list "acount-x"`,
		`request: challenge, text: {regexp: '$account(|.*)|.*'}`:     `regexp "$account(|.*)|.*" takes every text`,
		`request: challenge, text: {regexp: '($account'}`:            `missing closing )`,
	} {
		_, problems := policy.Compile("p", []byte("version: 2\nallow: [{name: x, accounts: [alice], apps: [a], "+
			""+rule+"}]"),
			policy.Options{})
		if !strings.Contains(problems.String(), want) {
			t.Errorf("%s: %v", rule, problems)
		}
	}
	_, problems := policy.Compile("p", []byte("version: 2\nallow: [{name: x, accounts: [$actor], apps: [a], "+
		"request: decrypt}]"), policy.Options{})
	if want := "$actor has no meaning in accounts"; !strings.Contains(problems.String(), want) {
		t.Error(problems)
	}
	// What is written well is not complained about.
	const good = `version: 2
allow:
  - name: login
    request: challenge
    apps: [a]
    accounts: [alice, bob]
    text: {glob: 'Login to shop.example as $account *'}
  - {name: own, request: sign, apps: [a], accounts: [alice], operations: [vote: {permlink: {glob: 're-$actor-*'}}]}
`
	if p, problems := policy.Compile("p", []byte(good), policy.Options{}); p == nil || len(problems) > 0 {
		t.Error(problems)
	}
}

// A refusal says what was wanted, as the file writes it.
func TestReasonNamesWhatIsFilledIn(t *testing.T) {
	for test, want := range map[string]string{
		"vote: {permlink: 're-$actor'}":           `permlink "p" is not "re-$actor"`,
		"vote: {permlink: {glob: 're-$account'}}": `permlink "p" does not fit glob "re-$account"`,
		"vote: {author: $actor}":                  `author "bob" is not $actor "alice"`,
	} {
		p, problems := compileMeant("version: 2\nallow: [{name: x, request: sign, apps: any, operations: ["+test+"]}]",
			policy.Options{})
		if p == nil {
			t.Fatal(problems)
		}
		q := sign("app", hive.Posting, op(t, "vote", `{"voter":"alice","author":"bob","permlink":"p","weight":1}`))
		if d := p.Decide(q, nil, noon); !strings.Contains(d.Reason, want) {
			t.Errorf("%s: %s", test, d.Reason)
		}
	}
}
