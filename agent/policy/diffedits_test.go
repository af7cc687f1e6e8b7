package policy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
)

const beforeEdit = `version: 1
lists:
  friends: [bob, carol]
allow:
  - {name: votes, request: sign, apps: [bot], accounts: [alice], operations: [vote: {weight: {min: 1%, max: 50%}}]}
  - name: tips
    request: sign
    apps: [bot]
    accounts: [alice]
    key: active
    operations: [transfer: {to: $friends, amount: {max: 1.000 HBD}, memo: {regexp: 'tip [0-9]+'}}]
  - {name: logins, request: auth, apps: [bot], session: 30d}
  - {name: texts, request: challenge, apps: [bot], text: {.login: alice, .ts: {max: 5}}}
  - {name: fresh, request: challenge, apps: [bot], text: {.site: shop, .ts: {within: 5m}}}
  - name: post
    request: sign
    apps: [bot]
    transaction: [comment: {title: x}, comment_options: {permlink: $1.permlink}]
  - name: game
    request: sign
    apps: [bot]
    operations: [custom_json: {id: g, json: {each: {.n: {max: 10}, .to: $friends}}}]
  - name: orders
    request: sign
    apps: [bot]
    key: active
    operations: [limit_order_create: {price: {min: 0.25}, expiration: {within: 7d}}]
ask:
  - {name: others, request: sign, apps: [bot], key: active, operations: [transfer], only: uncovered, timeout: 50s}
deny:
  - {name: never, operations: [active: {payee: {any: bittrex}}]}
limits:
  - {name: day, apps: [bot], operations: [transfer], spend: 5.000 HBD per 24h}
  - {name: each, apps: [bot], operations: [transfer], count: 3 per 24h, per: [.to], over: ask}
  - {name: tokens, apps: [bot], operations: [custom_json], sum: 25 per 1h, of: {list: json, field: .n}}
  - {name: bulk, apps: [bot], operations: [vote], count: 2 per request}
`

// Each edit changes one thing. The search names it in the file, and finds a request that shows it.
var edits = []struct {
	old, new string
	changed  string   // what the file says otherwise
	kinds    []string // of the differences, each at least once
}{
	{"max: 50%", "max: 51%", "operations.vote.weight.max: 50% → 51%", []string{"deny → allow"}},
	{"min: 1%", "min: 2%", "operations.vote.weight.min: 1% → 2%", []string{"allow → deny"}},
	{"max: 1.000 HBD", "max: 0.999 HBD", "operations.transfer.amount.max: 1.000 HBD → 0.999 HBD",
		[]string{"allow → ask"}},
	{"[bob, carol]", "[bob, dave]", "without carol; with dave", []string{"ask → allow", "allow → ask"}},
	{"'tip [0-9]+'", "'tip [0-9]{1,5}'", "operations.transfer.memo.regexp: 'tip [0-9]+' → 'tip [0-9]{1,5}'",
		[]string{"allow → ask"}},
	{"session: 30d", "session: 10d", "session: 30d → 10d", []string{"another session"}},
	{"session: 30d", "session: 30d, renew: 1d", "renew: not said → 1d", []string{"another renewal"}},
	{".ts: {max: 5}", ".ts: {max: 6}", "text.ts.max: 5 → 6", []string{"deny → allow"}},
	{"$1.permlink", "x", "transaction.comment_options.permlink: $1.permlink → x", []string{"allow → deny"}},
	{".n: {max: 10}", ".n: {max: 11}", "operations.custom_json.json.each.n.max: 10 → 11", []string{"deny → allow"}},
	{"min: 0.25", "min: 0.251", "operations.limit_order_create.price.min: 0.25 → 0.251", []string{"allow → deny"}},
	{"only: uncovered, ", "", "only: uncovered → not said", []string{"allow → ask"}},
	{"timeout: 50s", "timeout: 40s", "timeout: 50s → 40s", []string{"another timeout"}},
	{"timeout: 50s", "timeout: 50s, tell_first: true", "tell_first: not said → true", []string{"another consent"}},
	{"timeout: 50s", "timeout: 50s, approvals: 2", "approvals: not said → 2", []string{"another consent"}},
	{"{name: votes, ", "{name: votes, tell: true, ", "tell: not said → true", []string{"a person is told"}},
	{"within: 5m", "within: 6m", "text.ts.within: 5m → 6m", []string{"deny → allow"}},
	{"within: 7d", "within: 6d", "operations.limit_order_create.expiration.within: 7d → 6d", []string{"allow → deny"}},
	{"any: bittrex", "any: binance", "operations.active.payee.any: bittrex → binance",
		[]string{"deny → ask", "ask → deny"}},
	{"{name: never, ", "{name: never, answer: ignore, ", "answer: not said → ignore", []string{"denied in silence"}},
	{"5.000 HBD per 24h", "6.000 HBD per 24h", "spend: 5.000 HBD per 24h → 6.000 HBD per 24h", []string{"deny → ask"}},
	{"5.000 HBD per 24h", "5.000 HBD per 48h", "spend: 5.000 HBD per 24h → 5.000 HBD per 48h",
		[]string{"allow → deny"}},
	{"3 per 24h, per: [.to], ", "3 per 24h, ", "per: [.to] → not said", []string{"allow → ask"}},
	{"over: ask}", "mode: observe}", "over: ask → not said", []string{"ask → allow"}},
	{"sum: 25", "sum: 24", "sum: 25 per 1h → 24 per 1h", []string{"allow → deny"}},
	{"count: 2 per request", "count: 3 per request", "count: 2 per request → 3 per request", []string{"deny → allow"}},
	{"{name: votes, ", "{name: votes, hours: 08:00-20:00, ", "hours: not said → 08:00-20:00", []string{"allow → deny"}},
	{"{name: votes, ", "{name: votes, until: 2027-01-01, ", "until: not said → 2027-01-01", []string{"allow → deny"}},
	{"{name: votes, ", "{name: votes, mode: observe, ", "mode: not said → observe", []string{"allow → deny"}},
	{"{name: votes, ", "{name: votes, on_behalf_of: any, ", "on_behalf_of: not said → any", []string{"deny → allow"}},
	{"{name: votes, ", "{name: votes, transaction_by: any, ", "transaction_by: not said → any",
		[]string{"deny → allow"}},
	{"{name: votes, ", "{name: votes, broadcast: any, ", "broadcast: not said → any", []string{"deny → allow"}},
	{"of: {list: json, field: .n}", "of: {list: json, field: .n, times: .p}", "of.times: not said → .p",
		[]string{"allow → deny"}},
	{"title: x", "title: [x, $actor]", "transaction.comment.title: x → [x, $actor]", []string{"deny → allow"}},
	{"version: 1\n", "version: 1\notherwise: ignore\n", "otherwise: reject → ignore", []string{"denied in silence"}},
}

func compared(t *testing.T, before, after string, most int) *policy.Diff {
	t.Helper()
	d, problems, err := policy.Compare(context.Background(), policy.Draft{File: "old.yaml", Src: []byte(before)},
		policy.Draft{File: "new.yaml", Src: []byte(after)}, policy.DiffOptions{Now: noon, Most: most})
	if d == nil {
		t.Fatalf("%v %v", problems, err)
	}
	return d
}

func compiledAs(t *testing.T, file, src string) *policy.Policy {
	t.Helper()
	p, problems := policy.Compile(file, []byte(src), policy.Options{ErrorsOnly: true})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

func TestDiffFindsEdits(t *testing.T) {
	old := compiledAs(t, "old.yaml", beforeEdit)
	for _, e := range edits {
		if strings.Count(beforeEdit, e.old) != 1 {
			t.Fatalf("%q stands there %d times", e.old, strings.Count(beforeEdit, e.old))
		}
		edited := strings.Replace(beforeEdit, e.old, e.new, 1)
		now := compiledAs(t, "new.yaml", edited)
		d := compared(t, beforeEdit, edited, 500)
		if text := fmt.Sprint(d.Changes); !strings.Contains(text, e.changed) {
			t.Errorf("%s: %s", e.new, text)
		}
		kinds := map[string]bool{}
		for _, one := range d.Answers {
			kinds[one.Kind] = true
			replayed(t, old, now, one)
		}
		for _, kind := range e.kinds {
			if !kinds[kind] {
				t.Errorf("%s: nothing for %s among %v", e.new, kind, kinds)
			}
		}
		if d.Same || !d.Different() {
			t.Errorf("%s: the same %t", e.new, d.Same)
		}
	}
}

// hidden are edits of which only few requests show something: a value alone does not, or another
// rule decides most of what the changed rule is about.
var hidden = []struct{ policy, old, new, kind string }{
	// Of the changes of an account, some take it over, and need words that the rule does not say.
	{`allow: [{name: a, SAMEkey: active,
    operations: [account_update2], days: [fri]}]`,
		"fri", "sat", "allow → deny"},
	// Until tomorrow all is forbidden, and then only a vote for oneself is asked about.
	{`deny: [{name: holiday, apps: any, until: 2026-11-21}]
ask: [{name: a, request: sign, apps: [x], accounts: [alice], days: [sun], operations: [vote: {author: $account}]}]`,
		"$account}", "$account, weight: 100%}", "ask → deny"},
	{`deny: [{name: holiday, apps: any, until: 2026-11-21}, {name: late, apps: any, hours: "09:00-23:59"}]
ask: [{name: a, request: sign, apps: [x], accounts: [alice], operations: [vote: {author: $account}]}]`,
		"$account}", "$account, weight: 100%}", "ask → deny"},
	// A rule that forbids hides what changed from the first accounts.
	{`deny: [{name: b, apps: any, accounts: [alice, bob], request: sign}]
ask: [{name: a, request: sign, apps: [x], accounts: [alice, bob, carol],
    operations: [vote: {permlink: {glob: "a*"}}]}]`,
		"\"a*\"", "\"a?\"", "ask → deny"},
	{`allow: [{name: a, SAMEoperations: [comment_options: {payee: {size: 3}}]}]`,
		"3}", "3}, allow_votes: true", "allow → deny"},
	// An author whom the rule is about only where he is not the account that asks, beside texts
	// that take much room.
	{`allow:
  - {name: s, SAMEoperations: [vote]}
  - {name: a, tell: true, request: sign, apps: [x], accounts: [alice, bob], on_behalf_of: any,
      operations: [vote: {author: [{glob: '?'}, {regexp: '[a-z]{1,2}'}, {not: [dave, $account, alice]}]}]}
limits: [{name: l, accounts: [alice, bob], requests: 9 per 1h}]`, ", alice]}]}", ", carol]}]}", "deny → allow"},
	// An order gives and takes different assets.
	{`ask: [{name: a, SAMEkey: active, operations: [limit_order_create: {amount_to_sell: {max: 2.000 HBD}}]}]`,
		"2.000 HBD", "0.002 HBD", "ask → deny"},
	// A transaction of which one operation can change keys, which nothing allows.
	{`allow: [{name: a, SAMEkey: [posting, active], operations: [account_update2, transfer]}]
deny: [{name: b, apps: [x], key: active, transaction: [account_update2, transfer]}]`,
		"transaction: [account_update2, transfer]", "transaction: [transfer, account_update2]", "deny → allow"},
	// One name of many.
	{"lists: {many: [" + manyNames(120) + ", last]}\n" +
		`allow: [{name: a, SAMEkey: active, operations: [transfer: {to: $many}]}]`,
		", last", ", lost", "allow → deny"},
	{`allow: [{name: a, request: sign, apps: [x], accounts: [` + manyNames(120) + `, last], operations: [vote]}]`,
		", last", ", lost", "allow → deny"},
	// Members that a rule wants together.
	{`allow: [{name: a, SAMEoperations: [custom_json: {id: g,
      json: {.a: {.b: 1, .c: 2}, .d: {regexp: '[a-f]{3}'}}}]}]`,
		"{3}", "{4}", "allow → deny"},
	{`allow: [{name: a, SAMEoperations: [custom_json: {id: g, json: {.a: {.b: 1, .c: 2}}}]}]`,
		".c: 2", ".c: 3", "allow → deny"},
	// A rule that forbids shows only where another one allows.
	{`allow: [{name: a, SAMEoperations: [custom_json: {id: g}]}]
deny: [{name: b, apps: [x], operations: [custom_json: {json: {any: {.n: {min: 5}}}}]}]`,
		"min: 5", "min: 6", "deny → allow"},
	{`allow: [{name: a, SAMEon_behalf_of: [bob], operations: [vote]}]`,
		"[bob]", "[carol]", "allow → deny"},
	// A day that is in force for an hour.
	{`allow: [{name: a, SAMEoperations: [vote], hours: 03:10-03:20}]`,
		"03:20", "03:21", "deny → allow"},
}

// Values that no file has as they are: a name within a text, an element twice, a member that
// nobody tests.
var between = []struct{ rules, old, new, kind string }{
	{`allow: [{name: a, request: challenge, apps: [x], text: "log in $account"}]
deny: [{name: b, request: challenge, apps: [x], text: "log in alice"}]`, "log in alice", "log in bobby",
		"deny → allow"},
	{`allow: [{name: a, request: challenge, apps: [x], text: "log in alice"}]
deny: [{name: b, request: challenge, apps: [x], text: "log in $account"}]`, "log in $account", "log out $account",
		"deny → allow"},
	{`allow: [{name: a, request: challenge, apps: [x], text: "log in alice"}]
deny: [{name: b, request: challenge, apps: [x], text: {glob: "* $account"}}]`, "* $account", "*x $account",
		"deny → allow"},
	{`allow: [{name: a, GAME{.a: {exactly: [1]}}}]}]`, "exactly: [1]", "each: 1", "deny → allow"},
	{`allow: [{name: a, GAME{.a: {.b: 1, members: [b]}}}]}]`, "[b]", "[b, c]", "deny → allow"},
	{`allow: [{name: a, GAME{.a: {.b: 1, members: [b]}}}]}]`, ", members: [b]", "", "deny → allow"},
	{`allow: [{name: a, GAME{.b: 1, members: [b]}}]}]`, "[b]", "[b, c]", "deny → allow"},
	{`allow: [{name: a, GAME{.b: 1}}]}]`, ".b: 1", ".b: 1, members: [b]", "allow → deny"},
}

func TestDiffFindsWhatIsBetween(t *testing.T) {
	const game = "request: sign, apps: [x], accounts: [carol], operations: [custom_json: {id: g, json: "
	for _, e := range between {
		before := "version: 2\n" + strings.ReplaceAll(e.rules, "GAME", game) + "\n"
		if strings.Count(before, e.old) != 1 {
			t.Fatalf("%q stands there %d times", e.old, strings.Count(before, e.old))
		}
		after := strings.Replace(before, e.old, e.new, 1)
		d := compared(t, before, after, 0)
		if !slices.ContainsFunc(d.Answers, func(one *policy.Difference) bool { return one.Kind == e.kind }) {
			t.Errorf("%s: %s → %s: no %s among %d answers of %d requests", e.rules, e.old, e.new, e.kind,
				len(d.Answers), d.Tried)
		}
		for _, one := range d.Answers {
			replayed(t, compiledAs(t, "old.yaml", before), compiledAs(t, "new.yaml", after), one)
		}
	}
}

func manyNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("name%d", i))
	}
	return strings.Join(names, ", ")
}

func TestDiffFindsWhatIsHidden(t *testing.T) {
	for _, e := range hidden {
		const same = "request: sign, apps: [x], accounts: [alice], "
		before := "version: 1\n" + strings.ReplaceAll(e.policy, "SAME", same) + "\n"
		if strings.Count(before, e.old) != 1 {
			t.Fatalf("%q stands there %d times", e.old, strings.Count(before, e.old))
		}
		after := strings.Replace(before, e.old, e.new, 1)
		d := compared(t, before, after, 30) // so few that chance finds none
		if !slices.ContainsFunc(d.Answers, func(one *policy.Difference) bool { return one.Kind == e.kind }) {
			t.Errorf("%s → %s: no %s among %d answers of %d requests", e.old, e.new, e.kind, len(d.Answers), d.Tried)
		}
		for _, one := range d.Answers {
			replayed(t, compiledAs(t, "old.yaml", before), compiledAs(t, "new.yaml", after), one)
			if code, why := one.Request.NeverSigned(); code != "" {
				t.Errorf("%s is never signed: %s", one.Kind, why)
			}
		}
	}
}

// replayed judges what the comparison shows by both policies: request by request, with counters of
// their own.
func replayed(t *testing.T, old, now *policy.Policy, one *policy.Difference) {
	t.Helper()
	var decisions [2]policy.Decision
	for i, p := range []*policy.Policy{old, now} {
		var book policy.Book
		for n := range one.Times {
			at := one.Time.Add(-one.After)
			d := p.Decide(one.Before, &book, at)
			if d.Verdict != policy.Allow {
				t.Errorf("%s: the %d. of %d requests before is not allowed: %s", one.Kind, n+1, one.Times, d.Reason)
				return
			}
			book.Add(at, d.Charges)
		}
		decisions[i] = p.Decide(one.Request, &book, one.Time)
	}
	if judgedAlike(decisions[0], decisions[1]) {
		t.Errorf("%s: both say %v %s", one.Kind, decisions[0].Verdict, decisions[0].Reason)
	}
	for i, answer := range []policy.Answer{one.Was, one.Is} {
		if d := decisions[i]; d.Verdict != answer.Verdict || d.Reason != answer.Reason || d.Session != answer.Session {
			t.Errorf("%s: %+v, shown as %+v", one.Kind, d, answer)
		}
	}
}

// What a limit goes on counting and what it forgets is so by the counters themselves.
func TestDiffTellsWhatLimitsForget(t *testing.T) {
	const limit = "{name: day, apps: [bot], operations: [transfer], spend: 5.000 HBD per 24h}"
	for _, tt := range []struct {
		now     string
		says    string
		forgets bool
	}{
		{strings.Replace(limit, "day", "a day", 1), `what was used under "day" is forgotten`, true},
		{strings.Replace(limit, "spend: 5.000 HBD per 24h", "count: 1 per 24h", 1),
			"it counted spend and now counts count", true},
		{strings.Replace(limit, "5.000", "1.000", 1), "it goes on with what it has counted", false},
		{strings.Replace(limit, "}", ", per: [.to]}", 1), "counts in each of its counters", false},
		{strings.Replace(limit, "24h", "60d", 1), "what is older than 31d is not known", false},
		{strings.Replace(limit, "[transfer]", "[transfer: {to: bob}]", 1),
			"what it did not match before, it has not counted", false},
	} {
		edited := strings.Replace(beforeEdit, limit, tt.now, 1)
		d := compared(t, beforeEdit, edited, 300)
		if len(d.Changes) != 1 || d.Changes[0].Forgets != tt.forgets ||
			!strings.Contains(strings.Join(d.Changes[0].Counters, "; "), tt.says) {
			t.Errorf("%s: %+v", tt.now, d.Changes)
		}
		// A spent budget under the old policy, judged by the new one.
		old, now := compiledAs(t, "old.yaml", beforeEdit), compiledAs(t, "new.yaml", edited)
		var book policy.Book
		q := sign("bot", 3, transfer(t, "bob", "1.000 HBD", "tip 7"))
		q.Approved = true
		for range 5 {
			book.Add(noon, old.Decide(q, &book, noon).Charges)
		}
		if got := now.Decide(q, &book, noon.Add(time.Minute)).Code == policy.CodeLimit; got == tt.forgets {
			t.Errorf("%s: refused %t", tt.now, got)
		}
	}
}

func TestDiffOfTheSame(t *testing.T) {
	reordered := strings.Replace(beforeEdit, "[bob, carol]", "[carol, bob]", 1)
	reordered = strings.Replace(reordered, "{name: votes, request: sign, apps: [bot]",
		"{apps: [bot], request: sign, name: ballots", 1)
	d := compared(t, beforeEdit, reordered, 0)
	if !d.Same || d.Different() || d.Tried != 0 || len(d.Changes) != 1 || d.Changes[0].How != "renamed" {
		t.Errorf("%+v", d)
	}
	// What only looks alike is not: a text and a number, an order that matters.
	for _, pair := range [][2]string{{".ts: {max: 5}", ".ts: 5"}, {".login: alice", ".login: 'alice'"}} {
		if d := compared(t, beforeEdit, strings.Replace(beforeEdit, pair[0], pair[1], 1), 300); d.Same {
			t.Errorf("%s passes for %s", pair[1], pair[0])
		}
	}
	bad, worse := policy.Draft{File: "old.yaml", Src: []byte("version: 3\n")}, policy.Draft{File: "new.yaml",
		Src: []byte("alow: []\n")}
	_, problems, err := policy.Compare(context.Background(), bad, worse, policy.DiffOptions{Now: noon})
	for _, place := range []string{"old.yaml:1:", "new.yaml:1:"} {
		if err != nil || !strings.Contains(problems.String(), place) {
			t.Errorf("%v %s", err, problems)
		}
	}
}

// The same files have the same result, however often they are compared, and it ends when nobody
// waits for it any more.
func TestDiffIsRepeatable(t *testing.T) {
	edited := strings.Replace(beforeEdit, "[bob, carol]", "[bob, dave]", 1)
	show := func(d *policy.Diff) (text string) {
		for _, one := range d.Answers {
			text += fmt.Sprintln(one.Kind, one.Request.Ops, one.Time, one.Times, one.After)
		}
		return text
	}
	if a, b := show(compared(t, beforeEdit, edited, 600)), show(compared(t, beforeEdit, edited, 600)); a != b {
		t.Errorf("%s\n%s", a, b)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, _, err := policy.Compare(ctx, policy.Draft{File: "a", Src: []byte(beforeEdit)}, policy.Draft{File: "b",
		Src: []byte(edited)}, policy.DiffOptions{Now: noon, Progress: func(int, int) { cancel() }})
	if err == nil {
		t.Error("it goes on")
	}
}
