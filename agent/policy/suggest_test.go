package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const tooWide = " # too wide: narrow it, pksa policy check says how"

// drafted compiles a draft. It wants version 2, and that each line that is complained of says so,
// and no other: nothing in a draft is silenced.
func drafted(t *testing.T, draft string) *policy.Policy {
	t.Helper()
	if !strings.Contains(draft, "\nversion: 2\n") {
		t.Errorf("another version:\n%s", draft)
	}
	p, problems := policy.Compile("suggested.yaml", []byte(draft), policy.Options{TrapsWarn: true})
	if p == nil || len(problems.Silenced()) > 0 {
		t.Fatalf("errors, or something is silenced:\n%s\n%v", draft, problems)
	}
	complained := map[int]bool{}
	for _, problem := range problems {
		complained[problem.Line] = true
	}
	for i, line := range strings.Split(draft, "\n") {
		if strings.HasSuffix(line, tooWide) != complained[i+1] {
			t.Errorf("line %d: complained of: %t\n%s", i+1, complained[i+1], draft)
		}
	}
	return p
}

// What is suggested must compile, and allow all it was made of.
func TestSuggestionsAllowWhatWasSeen(t *testing.T) {
	allowed := 0
	for i := range uint64(300) {
		m := maker{rand.New(rand.NewPCG(i, 77))}
		mod := m.model()
		var seen []policy.Seen
		for k := range 6 {
			q := m.request(t, mod).Request
			q.Approved, q.ManualSession = false, false
			seen = append(seen, policy.Seen{Request: q, Time: noon.Add(time.Duration(k) * time.Hour)})
		}
		text := policy.Suggest(seen, 0).YAML
		p := drafted(t, text)
		if strings.Contains(text, "which these rules do not allow") {
			t.Fatalf("seed %d: not all is allowed:\n%s", i, text)
		}
		var book policy.Book
		for _, s := range seen {
			d := p.Decide(s.Request, &book, s.Time)
			book.Add(s.Time, d.Charges)
			always := slices.Contains([]policy.Code{policy.CodeWrongKey, policy.CodeUnsupported,
				policy.CodePlainMemo}, d.Code)
			takeover := slices.ContainsFunc(s.Request.Ops, hive.Operation.Takeover)
			once := strings.HasPrefix(d.Reason, "uncovered: challenge") &&
				strings.Contains(text, "a text that will not come again")
			switch {
			case d.Verdict == policy.Allow:
				allowed++
			case !always && !takeover && !once:
				t.Fatalf("seed %d: %s\n%s", i, d.Reason, text)
			}
		}
	}
	if allowed < 500 {
		t.Errorf("%d requests were allowed; the test proves little", allowed)
	}
}

// Every operation that can be allowed gets a rule that allows it and not another of its kind.
func TestSuggestionsForEveryOperation(t *testing.T) {
	for name, op := range samples(t) {
		d, _ := hive.DefinitionOf(name)
		q := sign("bot", roleOf(op), op)
		if need := op.Required(); len(need.Owner) > 0 || need.Other || d.State != hive.Live || op.Takeover() {
			continue
		}
		text := policy.Suggest([]policy.Seen{{Request: q, Time: noon}}, 0).YAML
		p := drafted(t, text)
		if d := p.Decide(q, nil, noon); d.Verdict != policy.Allow && len(op.Required().Posting)+
			len(op.Required().Active) > 0 {
			t.Errorf("%s: %s\n%s", name, d.Reason, text)
		}
	}
}

func TestSuggestionsAreNarrow(t *testing.T) {
	seen := []policy.Seen{
		{Request: sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 1"),
			transfer(t, "carol", "0.500 HBD", "tip 2")), Time: noon},
		{Request: sign("tipbot", hive.Active, transfer(t, "bob", "2.000 HBD", "tip 3")),
			Time: noon.Add(23 * time.Hour)},
		{Request: sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", "tip 4")),
			Time: noon.Add(40 * time.Hour)},
		{Request: sign("curator", hive.Posting, vote(t, "alice", "bob", 5000)), Time: noon},
		{Request: sign("curator", hive.Posting, vote(t, "alice", "alice", 2500)), Time: noon},
		{Request: sign("game", hive.Posting, customJSON(t, hive.Posting, "sm_buy",
			`{"items":["a-1"],"price":5,"currency":"DEC"}`)), Time: noon},
		{Request: sign("game", hive.Posting, customJSON(t, hive.Posting, "sm_buy",
			`{"items":["a-2","a-3"],"price":7.5,"currency":"DEC","note":"$x: 'q'"}`)), Time: noon},
		{Request: sign("curator", hive.Posting, vote(t, "carol", "bob", 100)), Time: noon},
		{Request: sign("curator", hive.Active, vote(t, "alice", "bob", 100)), Time: noon},
		{Request: sign("any", hive.Active, takeover(t)), Time: noon},
		{Request: &policy.Request{Kind: policy.Auth, Account: "alice", App: "web",
			AuthChallenge: &policy.AuthChallenge{Role: hive.Posting, Text: "$login\n1"}}, Time: noon},
	}
	golden(t, "testdata/suggest.golden", policy.Suggest(seen, 0).YAML)
	golden(t, "testdata/suggestroom.golden", policy.Suggest(seen, policy.Headroom).YAML)
}

// engine is a request for actions of Hive-Engine.
func engine(t *testing.T, account hive.AccountName, id string, actions ...string) policy.Seen {
	t.Helper()
	json := strings.Join(actions, ",")
	if len(actions) > 1 {
		json = "[" + json + "]"
	}
	text, err := hive.Mainnet.ParseOperation(fmt.Appendf(nil, `["custom_json",{"required_auths":[%q],`+
		`"required_posting_auths":[],"id":%q,"json":%q}]`, account, id, json))
	if err != nil {
		t.Fatal(err)
	}
	q := sign("trader", hive.Active, text)
	q.Account = account
	return policy.Seen{Request: q, Time: noon}
}

func market(action, payload string) string {
	return fmt.Sprintf(`{"contractName":"market","contractAction":%q,"contractPayload":{%s}}`, action, payload)
}

// JSON is held to the forms that it had: each action with its own members, token, quantity and
// price. What else an application could ask for is not allowed.
func TestSuggestedForms(t *testing.T) {
	sell := func(symbol, quantity, price string) string {
		return market("sell", fmt.Sprintf(`"symbol":%q,"quantity":%q,"price":%q`, symbol, quantity, price))
	}
	cancel := market("cancel", `"type":"sell","id":"0123456789"`)
	seen := []policy.Seen{
		engine(t, "alice", "ssc-mainnet-hive", sell("BEE", "10", "0.5")),
		engine(t, "alice", "ssc-mainnet-hive", sell("BEE", "12.5", "0.51")),
		engine(t, "alice", "ssc-mainnet-hive", market("buy", `"symbol":"BEE","quantity":"3","price":"0.4"`)),
		engine(t, "alice", "ssc-mainnet-hive", cancel, sell("DEC", "1000", "0.0005")),
		engine(t, "alice", "rc", `["delegate_rc",{"from":"alice","delegatees":["bob"],"max_rc":5}]`),
		engine(t, "alice", "sm_token_transfer", `{"to":"bob","qty":5,"token":"DEC"}`),
		engine(t, "bob", "sm_token_transfer", `{"to":"bob","qty":5,"token":"DEC"}`),
	}
	for i := range seen {
		seen[i].Time = noon.Add(time.Duration(i) * time.Minute)
	}
	golden(t, "testdata/suggestforms.golden", policy.Suggest(seen, 0).YAML)
	draft := policy.Suggest(seen, policy.Headroom).YAML
	golden(t, "testdata/suggestformsroom.golden", draft)
	p := drafted(t, draft)
	for name, other := range map[string]policy.Seen{
		"another token":        engine(t, "alice", "ssc-mainnet-hive", sell("SWAP.BTC", "1", "0.5")),
		"the price of another": engine(t, "alice", "ssc-mainnet-hive", sell("DEC", "10", "0.00001")),
		"for nothing":          engine(t, "alice", "ssc-mainnet-hive", sell("BEE", "10", "0.00000001")),
		"more of it":           engine(t, "alice", "ssc-mainnet-hive", sell("BEE", "1000000", "0.5")),
		"bought at any price": engine(t, "alice", "ssc-mainnet-hive",
			market("buy", `"symbol":"BEE","quantity":"3","price":"9"`)),
		"a transfer": engine(t, "alice", "ssc-mainnet-hive", `{"contractName":"tokens","contractAction":"transfer",`+
			`"contractPayload":{"symbol":"BEE","quantity":"1","to":"mallory"}}`),
		"another id":      engine(t, "alice", "sm_gift_cards", `{"to":"bob","qty":5,"token":"DEC"}`),
		"to another":      engine(t, "alice", "sm_token_transfer", `{"to":"mallory","qty":5,"token":"DEC"}`),
		"another command": engine(t, "alice", "rc", `["other",{"from":"alice","delegatees":["bob"],"max_rc":5}]`),
		"to a stranger": engine(t, "alice", "rc", `["delegate_rc",{"from":"alice",`+
			`"delegatees":["mallory"],"max_rc":5}]`),
		"another account": engine(t, "carol", "sm_token_transfer", `{"to":"bob","qty":5,"token":"DEC"}`),
	} {
		if d := p.Decide(other.Request, nil, noon); d.Verdict == policy.Allow {
			t.Errorf("%s is allowed", name)
		}
	}
}

// A draft that would have to leave JSON free is none.
func TestSuggestedFormsEnd(t *testing.T) {
	for _, n := range []int{12, 13} {
		var seen []policy.Seen
		for i := range n {
			seen = append(seen, engine(t, "alice", "x", fmt.Sprintf(`{"member%d":1}`, i)))
		}
		draft := policy.Suggest(seen, 0).YAML
		drafted(t, draft)
		left := strings.Contains(draft, "custom_json of trader for alice: 13 forms of JSON in json; write rules")
		if left != (n > 12) || strings.Contains(draft, "- custom_json:") == left {
			t.Errorf("%d forms:\n%s", n, draft)
		}
	}
}

// The options of a post are allowed for that post only, and what does not come again is left free.
func TestSuggestedPosts(t *testing.T) {
	post := func(title, permlink, options string) policy.Seen {
		var ops []hive.Operation
		for _, text := range []string{
			fmt.Sprintf(`["comment",{"parent_author":"","parent_permlink":"hive-1","author":"alice","permlink":%q,`+
				`"title":%q,"body":"text","json_metadata":"{\"app\":\"writer\"}"}]`, permlink, title),
			fmt.Sprintf(`["comment_options",{"author":"alice","permlink":%q,"max_accepted_payout":"1000000.000 HBD",`+
				`"percent_hbd":10000,"allow_votes":true,"allow_curation_rewards":true,`+
				`"extensions":[[0,{"beneficiaries":[{"account":"bob","weight":500}]}]]}]`, options),
		} {
			op, err := hive.Mainnet.ParseOperation([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, op)
		}
		return policy.Seen{Request: sign("writer", hive.Posting, ops...), Time: noon}
	}
	seen := []policy.Seen{post("First", "first", "first"), post("Second", "second", "second")}
	p := drafted(t, policy.Suggest(seen, 0).YAML)
	if d := p.Decide(post("Third", "third", "third").Request, nil, noon.Add(48*time.Hour)); d.Verdict != policy.Allow {
		t.Errorf("the next post: %s", d.Reason)
	}
	if d := p.Decide(post("Third", "third", "second").Request, nil, noon.Add(48*time.Hour)); d.Verdict == policy.Allow {
		t.Error("options for another post are allowed")
	}
}

// A rule lists no more texts than a person reads, and never allows all of them: beyond that there
// is no rule, and a line says so.
func TestSuggestedTexts(t *testing.T) {
	for _, c := range []struct {
		texts, bytes int
		left         string // empty: there is a rule
	}{
		{19, 2047, ""},
		{20, 2048, ""},
		{21, 2048, "#   1 × challenge of web for alice: 21 different texts;"},
		{1, 2049, "#   1 × challenge of web for alice: a text of more than 2048 bytes;"},
	} {
		var seen []policy.Seen
		for i := range c.texts {
			text := fmt.Sprintf("%*d", c.bytes, i)
			seen = append(seen, policy.Seen{Time: noon, Request: &policy.Request{Kind: policy.Challenge,
				Account: "alice", App: "web", Role: hive.Posting, Text: text}})
		}
		draft := policy.Suggest(seen, 0).YAML
		p := drafted(t, draft)
		allowed := p.Decide(seen[0].Request, nil, noon).Verdict == policy.Allow
		if allowed != (c.left == "") || !strings.Contains(draft, c.left) || strings.Count(draft, " × ") != min(1,
			len(c.left)) {
			t.Errorf("%d texts of %d bytes: allowed %t; the end of the draft: %s", c.texts, c.bytes, allowed,
				draft[max(0, len(draft)-500):])
		}
	}
}

// Texts that do not come again are in no rule: a line asks for a pattern. JSON is held to its
// members.
func TestSuggestedLogins(t *testing.T) {
	for text, want := range map[string]string{
		"log in to shop":               "      - log in to shop\n",
		"log in to shop at 1795667805": "a text that will not come again, such as \"log in to shop at 1795667805\"",
		"shop 2026-11-20":              "a text that will not come again",
		`{"site":"shop","ts":1795667805502,"nonce":"1f0c9c8e-4d1a-4f7e-9c47-6f2d6c1d9c10"}`: "" +
			"    text: {.site: 'shop', members: [nonce, site, ts]}\n" +
			"    # text.nonce: new each time, left free\n    # text.ts: new each time, left free\n",
	} {
		draft := policy.Suggest([]policy.Seen{challengeOf("web", text)}, 0).YAML
		drafted(t, draft)
		if !strings.Contains(strings.ReplaceAll(draft, tooWide, ""), want) {
			t.Errorf("%s:\n%s", text, draft)
		}
	}
}

// A request that is written down is read back as the same.
func TestWrittenRequestsComeBack(t *testing.T) {
	for i := range uint64(300) {
		m := maker{rand.New(rand.NewPCG(i, 78))}
		mod := m.model()
		q := m.request(t, mod).Request
		if _, err := hive.ParseAccountName(string(q.Account)); err != nil {
			continue
		}
		w := policy.Write(q, hive.Mainnet)
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		back, err := w.Read(hive.Mainnet)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		c, problems := policy.ReadRequest("request.json", text, hive.Mainnet)
		if c == nil {
			t.Fatalf("%s: %v", text, problems)
		}
		for _, other := range []*policy.Request{back, c.Request} {
			again, _ := json.Marshal(policy.Write(other, hive.Mainnet))
			if string(again) != string(text) {
				t.Fatalf("%s\nbecame\n%s", text, again)
			}
		}
	}
}

// A draft says which rule in force would do with a change, and is the same otherwise.
func TestSuggestionsKnowTheRulesInForce(t *testing.T) {
	inForce, problems := policy.Compile("home/policy.yaml", []byte(`version: 1
allow:
  - {name: tips, request: sign, apps: [tipbot], key: active,
     operations: [transfer: {to: [bob, carol], amount: {max: 1.000 HBD}}]}
  - {name: logins, request: auth, apps: [tipbot]}
  - {name: texts, request: challenge, apps: [tipbot], text: hello}
`), policy.Options{})
	if inForce == nil {
		t.Fatal(problems)
	}
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	seen := []policy.Seen{
		{Request: sign("tipbot", hive.Active, transfer(t, "bob", "1.000 HBD", ""),
			transfer(t, "bob", "2.500 HBD", "")), Time: at(1)},
		{Request: &policy.Request{Kind: policy.Auth, Account: "alice", App: "tipbot",
			AuthChallenge: &policy.AuthChallenge{Role: hive.Posting, Text: "hello, world"}}, Time: at(0)},
		{Request: sign("tipbot", hive.Active, transfer(t, "bob", "1.500 HBD", "")), Time: at(0)},
		{Request: sign("tipbot", hive.Posting, vote(t, "alice", "bob", 100)), Time: at(0)},
		{Request: sign("other", hive.Active, transfer(t, "bob", "1.000 HBD", "")), Time: at(0)},
	}
	const want = `  # The rule "tips" (policy.yaml:3) would do, but for: amount 2.500 HBD > max 1.000 HBD
  # What it names was seen.
  # Anything within bounds: amount.
  - name: transfer of tipbot for alice
`
	text := strings.ReplaceAll(inForce.Suggest(seen, 0).YAML, tooWide, "")
	if !strings.Contains(text, want) || strings.Count(text, "# The rule") != 2 ||
		!strings.Contains(text, "  # The rule \"texts\" (policy.yaml:6) would do, but for: ") {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	near := 0
	for i := range uint64(60) {
		m := maker{rand.New(rand.NewPCG(i, 78))}
		mod := m.model()
		inForce, _ := policy.Compile("policy.yaml", []byte(pen{Rand: m.Rand}.model(mod)),
			policy.Options{ErrorsOnly: true})
		var seen []policy.Seen
		for k := range 6 {
			seen = append(seen, policy.Seen{Request: m.request(t, mod).Request, Time: at(k)})
		}
		// The rules of a draft, but for their names, which are new beside those in force.
		rules := func(draft string) (rest []string) {
			draft, _, _ = strings.Cut(draft, "\nlimits:\n")
			draft, _, _ = strings.Cut(draft, "\n# Not suggested:")
			for line := range strings.Lines(draft) {
				switch {
				case strings.HasPrefix(line, "  # The rule "):
					near++
				case !strings.HasPrefix(line, "  - name: "):
					rest = append(rest, strings.TrimRight(strings.TrimSuffix(line, tooWide+"\n"), "\n"))
				}
			}
			return rest
		}
		got, want := inForce.Suggest(seen, 0).YAML, policy.Suggest(seen, 0).YAML
		if !slices.Equal(rules(got), rules(want)) {
			t.Fatalf("seed %d: the draft is another one:\n%s\nwant\n%s", i, got, want)
		}
	}
	if near < 20 {
		t.Errorf("%d rules were near; the test proves little", near)
	}
}

// A limit leaves room for what counts longer, since its transaction may be carried out later.
func TestSuggestedLimitsOfWhatCountsLater(t *testing.T) {
	for _, c := range []struct {
		life time.Duration
		want string
	}{{0, "1.000 HBD per 24h"}, {time.Minute, "1.000 HBD per 24h"}, {2 * time.Hour, "2.000 HBD per 24h"}} {
		first, second := tipTo(t, "bob", "1.000 HBD"), tipTo(t, "bob", "1.000 HBD")
		first.Until, second.Time = first.Time.Add(c.life), first.Time.Add(25*time.Hour)
		draft := policy.Suggest([]policy.Seen{first, second}, 0)
		if !strings.Contains(draft.YAML, c.want) || strings.Contains(draft.YAML, "do not allow") {
			t.Errorf("a life of %v: not %q:\n%s", c.life, c.want, draft.YAML)
		}
	}
}
