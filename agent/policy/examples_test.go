package policy_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// example compiles a file of testdata/good.
func example(t testing.TB, name string) *policy.Policy {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "good", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, problems := policy.Compile(name+".yaml", src, policy.Options{})
	if p == nil {
		t.Fatalf("the example has errors:\n%v", problems)
	}
	return p
}

func TestGoodFilesCompile(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d good files: %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if p, problems := policy.Compile(filepath.Base(file), src, policy.Options{}); p == nil {
			t.Errorf("%s:\n%v", file, problems)
		}
	}
}

func customJSON(t testing.TB, role hive.Role, id, json string) hive.Operation {
	t.Helper()
	active, posting := `["alice"]`, `[]`
	if role == hive.Posting {
		active, posting = posting, active
	}
	return op(t, "custom_json", `{"required_auths":%s,"required_posting_auths":%s,"id":%q,"json":%q}`, active, posting,
		id, json)
}

// step is a request in a story: what is allowed is charged before the next.
type step struct {
	name    string
	request *policy.Request
	at      time.Duration // since noon
	want    answer
}

func story(t *testing.T, p *policy.Policy, steps []step) {
	t.Helper()
	var book policy.Book
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			at := noon.Add(s.at)
			d := p.Decide(s.request, &book, at)
			s.want.check(t, d)
			if d.Verdict == policy.Allow {
				book.Add(at, d.Charges)
			}
		})
	}
}

const day = 24 * time.Hour

func TestExample1HiveEngineTrader(t *testing.T) {
	sell := func(id, json string) *policy.Request {
		return sign("trader", hive.Active, customJSON(t, hive.Active, id, json))
	}
	const id = "ssc-mainnet-hive"
	order := func(symbol, quantity, price string) string {
		return `{"contractName":"market","contractAction":"sell","contractPayload":{"symbol":"` + symbol +
			`","quantity":` + quantity + `,"price":` + price + `}}`
	}
	story(t, example(t, "1_hive_engine_trader"), []step{
		{"one order", sell(id, order("BEE", `"100.000"`, `"0.20"`)), 0, allowed},
		{"numbers without quotes", sell(id, order("BEE", `100`, `0.2`)), 0, allowed},
		{"a list of two", sell(id, "["+order("BEE", `"99"`, `"5"`)+","+order("BEE", `"1"`, `"5"`)+"]"), 0, allowed},
		{"too cheap", sell(id, order("BEE", `"1"`, `"0.19999999"`)), 0, uncovered},
		{"too many at once", sell(id, order("BEE", `"100.00000001"`, `"1"`)), 0, uncovered},
		{"another token", sell(id, order("SWAP.HIVE", `"1"`, `"1"`)), 0, uncovered},
		{"one bad one of two", sell(id, "["+order("BEE", `"1"`, `"5"`)+","+order("DEC", `"1"`, `"5"`)+"]"), 0,
			uncovered},
		{"an empty list", sell(id, "[]"), 0, uncovered},
		{"another chain", sell("ssc-other", order("BEE", `"1"`, `"1"`)), 0, uncovered},
		{"an exponent", sell(id, order("BEE", `1e1`, `1`)), 0, uncovered},
		{"a name twice", sell(id, `{"contractName":"market","contractName":"tokens","contractAction":"sell",`+
			`"contractPayload":{"symbol":"BEE","quantity":1,"price":1}}`), 0, uncovered},
		{"up to the day's sum", sell(id, "["+order("BEE", `"100"`, `"1"`)+","+order("BEE", `"100"`, `"1"`)+"]"), 0,
			allowed},
		{"one above it", sell(id, order("BEE", `"0.00000001"`, `"1"`)), 0, allowedIf(false)},
		{"the next day", sell(id, order("BEE", `"100"`, `"1"`)), day, allowed},
		{"with the posting key", sign("trader", hive.Posting, customJSON(t, hive.Posting, id,
			order("BEE", `"1"`, `"1"`))), 2 * day, uncovered},
	})
}

func allowedIf(ok bool) answer {
	if ok {
		return allowed
	}
	return limited
}

func TestExample2Newsletter(t *testing.T) {
	comment := func(permlink, parent string) hive.Operation {
		return op(t, "comment", `{"parent_author":"","parent_permlink":%q,"author":"alice","permlink":%q,`+
			`"title":"t","body":"b","json_metadata":""}`, parent, permlink)
	}
	options := func(permlink, beneficiaries string) hive.Operation {
		return op(t, "comment_options",
			`{"author":"alice","permlink":%q,"max_accepted_payout":"1000000.000 `+
				`HBD","percent_hbd":10000,"allow_votes":true,"allow_curation_rewards":true,"extensions":%s}`, permlink,
			beneficiaries)
	}
	const good = `[[0,{"beneficiaries":[{"account":"bob","weight":500},{"account":"carol","weight":1000}]}]]`
	issue := func(ops ...hive.Operation) *policy.Request { return sign("news", hive.Posting, ops...) }
	story(t, example(t, "2_newsletter"), []step{
		{"without beneficiaries", issue(comment("a", "hive-123456"), options("a", `[]`)), 0, uncovered},
		{"without options", issue(comment("a", "hive-123456")), 0, uncovered},
		{"for another post", issue(comment("a", "hive-123456"), options("b", good)), 0, uncovered},
		{"in another community", issue(comment("a", "hive-1"), options("a", good)), 0, uncovered},
		{"the other way round", issue(options("a", good), comment("a", "hive-123456")), 0, uncovered},
		{"with one more", issue(comment("a", "hive-123456"), options("a", good), vote(t, "alice", "bob", 1)), 0,
			uncovered},
		{"less for bob", issue(comment("a", "hive-123456"),
			options("a", `[[0,{"beneficiaries":[{"account":"bob","weight":499},{"account":"carol","weight":1000}]}]]`)),
			0, uncovered},
		{"the issue", issue(comment("a", "hive-123456"), options("a", good)), 0, allowed},
		{"a second in the week", issue(comment("b", "hive-123456"), options("b", good)), 6*day - time.Second, limited},
		{"the next week", issue(comment("b", "hive-123456"), options("b", good)), 6 * day, allowed},
	})
}

func TestExample3Payout(t *testing.T) {
	pay := func(ops ...hive.Operation) *policy.Request { return sign("payroll", hive.Active, ops...) }
	many := func(n int, amount string) (ops []hive.Operation) {
		for range n {
			ops = append(ops, transfer(t, "bob", amount, ""))
		}
		return ops
	}
	story(t, example(t, "3_payout"), []step{
		{"two assets", pay(transfer(t, "bob", "50.000 HBD", ""), transfer(t, "carol", "200.000 HIVE", "")), 0, allowed},
		{"bob again", pay(transfer(t, "bob", "0.001 HBD", "")), 5 * day, limited},
		{"dave yet", pay(transfer(t, "dave", "0.001 HBD", "")), 5 * day, allowed},
		{"twice in one", pay(transfer(t, "bob", "0.001 HBD", ""), transfer(t, "bob", "0.001 HBD", "")), 20 * day,
			limited},
		{"a stranger", pay(transfer(t, "erin", "0.001 HBD", "")), 20 * day, uncovered},
		{"too much HBD", pay(transfer(t, "bob", "50.001 HBD", "")), 20 * day, uncovered},
		{"a request above 500", pay(many(11, "50.000 HBD")...), 20 * day, limited},
	})
}

func TestExample4Peakd(t *testing.T) {
	options := func(ext string) hive.Operation {
		return op(t, "comment_options",
			`{"author":"alice","permlink":"p","max_accepted_payout":"0.000 `+
				`HBD","percent_hbd":0,"allow_votes":true,"allow_curation_rewards":true,"extensions":%s}`, ext)
	}
	p := example(t, "4_peakd")
	story(t, p, []step{
		{"a vote", sign("peakd", hive.Posting, vote(t, "alice", "bob", -10000)), 0, allowed},
		{"options", sign("peakd", hive.Posting, options("[]")), 0, allowed},
		{"options with beneficiaries", sign("peakd", hive.Posting,
			options(`[[0,{"beneficiaries":[{"account":"bob","weight":500}]}]]`)), 0, asked},
		{"a transfer", sign("peakd", hive.Active, transfer(t, "bob", "1.000 HIVE", "")), 0, asked},
		{"custom_json", sign("peakd", hive.Posting, customJSON(t, hive.Posting, "follow", "{}")), 0, uncovered},
		{"custom_json with active", sign("peakd", hive.Active, customJSON(t, hive.Active, "x", "{}")), 0, asked},
		{"taking over", sign("peakd", hive.Active, takeover(t)), 0, uncovered},
	})
	if d := p.Decide(sign("other", hive.Posting, vote(t, "alice", "bob", 1)), nil, noon); !d.Silent {
		t.Error("otherwise: ignore is not silent")
	}
}

func takeover(t testing.TB) hive.Operation {
	t.Helper()
	return op(t, "account_update", `{"account":"alice","memo_key":"%s","json_metadata":""}`,
		hive.PrivateKeyFromSeed("memo").Public())
}

func TestExample5OnBehalfOf(t *testing.T) {
	comment := func(metadata string) hive.Operation {
		return op(t, "comment", `{"parent_author":"","parent_permlink":"x","author":"carol","permlink":"p",`+
			`"title":"","body":"b","json_metadata":%q}`, metadata)
	}
	bob := func(ops ...hive.Operation) *policy.Request {
		q := sign("backend", hive.Posting, ops...)
		q.Account = "bob"
		return q
	}
	steps := []step{
		{"a post of the app", bob(comment(`{"app":"backend/1.0"}`)), 0, allowed},
		{"a post of another app", bob(comment(`{"app":"other/1.0"}`)), 0, uncovered},
		{"a post without metadata", bob(comment(``)), 0, uncovered},
		{"a post with the name twice", bob(comment(`{"app":"other/1.0","app":"backend/1.0"}`)), 0, uncovered},
	}
	for range 19 {
		steps = append(steps, step{"a vote of carol", bob(vote(t, "carol", "dave", 1)), 0, allowed})
	}
	steps = append(steps,
		step{"one more of carol", bob(vote(t, "carol", "dave", 1)), 0, limited},
		step{"one of erin", bob(vote(t, "erin", "dave", 1)), 0, allowed},
		step{"both", bob(vote(t, "erin", "dave", 1), vote(t, "carol", "dave", 1)), 0, limited},
		step{"an hour later", bob(vote(t, "carol", "dave", 1)), time.Hour, allowed})
	story(t, example(t, "5_on_behalf_of"), steps)
}

func TestExample6Witness(t *testing.T) {
	cron := func(ops ...hive.Operation) *policy.Request { return sign("cron", hive.Active, ops...) }
	feed := func(base, quote string) *policy.Request {
		return cron(op(t, "feed_publish", `{"publisher":"alice","exchange_rate":{"base":%q,"quote":%q}}`, base, quote))
	}
	votes := func(ids string, approve bool) *policy.Request {
		return cron(op(t, "update_proposal_votes", `{"voter":"alice","proposal_ids":%s,"approve":%t,"extensions":[]}`,
			ids, approve))
	}
	claim := op(t, "claim_reward_balance",
		`{"account":"alice","reward_hive":"0.000 HIVE","reward_hbd":"0.001 HBD","reward_vests":"0.000000 VESTS"}`)
	story(t, example(t, "6_witness"), []step{
		{"rewards", sign("cron", hive.Posting, claim), 0, allowed},
		{"a price", feed("0.250 HBD", "1.000 HIVE"), 0, allowed},
		{"the lowest", feed("0.001 HBD", "0.010 HIVE"), 0, allowed},
		{"below it", feed("0.099 HBD", "1.000 HIVE"), 0, uncovered},
		{"just below it", feed("1.000 HBD", "10.001 HIVE"), 0, uncovered},
		{"the highest", feed("5.000 HBD", "5.000 HIVE"), 0, allowed},
		{"just above it", feed("1000.001 HBD", "1000.000 HIVE"), 0, uncovered},
		{"a vote", votes("[0,345]", true), 0, allowed},
		{"another proposal", votes("[0,346]", true), 0, uncovered},
		{"a vote taken back", votes("[0]", false), 0, uncovered},
	})
}

func TestExample7CardGame(t *testing.T) {
	game := func(role hive.Role, id, json string) *policy.Request {
		return sign("game", role, customJSON(t, role, id, json))
	}
	story(t, example(t, "7_card_game"), []step{
		{"a move", game(hive.Posting, "sm_find_match", `{}`), 0, allowed},
		{"another game", game(hive.Posting, "xm_find_match", `{}`), 0, uncovered},
		{"a purchase", game(hive.Active, "sm_market_purchase", `{"currency":"DEC","price":50}`), 0, allowed},
		{"a dear purchase", game(hive.Active, "sm_market_purchase", `{"currency":"DEC","price":50.01}`), 0, uncovered},
		{"a purchase of unknown price", game(hive.Active, "sm_market_purchase", `{"currency":"DEC","price":null}`), 0,
			uncovered},
		{"a transfer of tokens", game(hive.Active, "sm_token_transfer", `{"currency":"DEC","price":1}`), 0, uncovered},
	})
}

func TestExample8SupportDesk(t *testing.T) {
	p := example(t, "8_support_desk")
	read := &policy.Request{Kind: policy.Decrypt, Account: "alice", App: "support", Role: hive.Memo, Text: "#abc"}
	var book policy.Book
	for i := range 201 {
		d := p.Decide(read, &book, noon)
		if want := allowedIf(i < 200); d.Verdict != want.verdict || d.Code != want.code {
			t.Fatalf("read %d: %v %s", i+1, d.Verdict, d.Reason)
		}
		if differs := d.Observed != nil; differs != (i >= 50 && i < 200) {
			t.Fatalf("read %d: observed differs: %t", i+1, differs)
		}
		if d.Verdict == policy.Allow {
			book.Add(noon, d.Charges)
		}
	}
	challenge := &policy.Request{Kind: policy.Challenge, Account: "alice", App: "support", Role: hive.Memo,
		Text: "#abc"}
	uncovered.check(t, p.Decide(challenge, &book, noon))
	posting := *read
	posting.Role = hive.Posting
	answer{policy.Deny, policy.CodeWrongKey}.check(t, p.Decide(&posting, &book, noon))
}
