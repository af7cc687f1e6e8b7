package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/guard"
)

var lineTime = time.Date(2026, 11, 26, 7, 40, 2, 0, time.UTC)

// askedEntry returns a request of the trail with these effects, and what became of it.
func askedEntry(number uint64, app, account, verdict string, effects []string, more ...audit.Record) entry {
	content, _ := json.Marshal(map[string]any{"effects": effects,
		"code":  map[string]string{"denied": "uncovered"}[verdict],
		"rules": []map[string]any{{"name": "tips", "line": 3}}})
	result := map[string]string{"denied": "refused"}[verdict]
	first := audit.Record{Number: number, Time: lineTime, Type: "request", Kind: "sign", App: app, Account: account,
		Verdict: verdict, Result: result, Content: content, TxID: strings.Repeat("ab", 20)}
	return entry{number, append([]audit.Record{first}, more...)}
}

func ended(request uint64, outcome, result string) audit.Record {
	return audit.Record{Number: request + 1, Type: "outcome", Request: request, Outcome: outcome, Result: result}
}

func refusedBy(relay string, request uint64, certain bool) audit.Record {
	content := fmt.Sprintf(`{"relay":%q,"text":"invalid proof of key","requests":[%d],"certain":%t}`, relay, request,
		certain)
	return audit.Record{Number: request + 2, Type: "event", Outcome: audit.AnswerRefused, Content: []byte(content)}
}

// A line fits 80 columns and tells number, time, amount, receiver and outcome, whatever else there
// is to tell.
func TestAuditLines(t *testing.T) {
	const long, longest = "a-very-long-name-of-an-app-12345", "abcdefghijklmno1"
	memo := `, with the memo "` + strings.Repeat("thank you ", 20) + `"`
	for _, c := range []struct {
		name string
		e    entry
		want string // the whole line, or parts with … between them
	}{
		{"plain", askedEntry(5, "tipbot", "alice", "admitted", []string{"pays 0.500 HBD from alice to bob"},
			ended(5, "accepted", "answered")), "     5 07:40:02 tipbot/alice pays 0.500 HBD to bob: accepted"},
		{"with a memo", askedEntry(5, "tipbot", "alice", "admitted",
			[]string{`pays 0.500 HBD from alice to bob` + memo},
			ended(5, "accepted", "answered")), "5 07:40:02|tipbot/alice pays 0.500 HBD to bob, with|…: accepted"},
		{"everything is long", askedEntry(1234567, long, longest, "admitted",
			[]string{"pays 1000000.000 HIVE from " + longest + " to abcdefghijklmno2" + memo},
			ended(5, "accepted", "answered")),
			"1234567 07:40:02|pays 1000000.000 HIVE to abcdefghijklmno2|: accepted"},
		{"refused", askedEntry(7, "tipbot", "alice", "denied", []string{"pays 1.000 HIVE from alice to bob"},
			ended(7, "refused", "refused")), "     7 07:40:02 tipbot/alice pays 1.000 HIVE to bob: refused, uncovered"},
		{"failed", askedEntry(7, "tipbot", "alice", "admitted", []string{"pays 1.000 HIVE from alice to bob"},
			ended(7, "expired", "failed")), "pays 1.000 HIVE to bob: failed, expired"},
		{"several", askedEntry(7, "tipbot", "alice", "admitted", []string{"pays 1.000 HIVE from alice to bob",
			"votes 1% for @bob/p as alice"}, ended(7, "accepted", "answered")), "to bob, and 1 more: accepted"},
		{"a long permlink", askedEntry(7, "tipbot", "alice", "admitted",
			[]string{"votes 100% for @bob/" + strings.Repeat("long-", 30) + "link as alice"},
			ended(7, "accepted", "answered")),
			"votes 100% for @bob/|…|-link: accepted"},
		{"not ended", askedEntry(7, "tipbot", "alice", "admitted", []string{"pays 1.000 HIVE from alice to bob"}),
			"pays 1.000 HIVE to bob|: admitted, not ended"},
		{"waits", askedEntry(7, "tipbot", "alice", "pending", []string{"pays 1.000 HIVE from alice to bob"}),
			"pays 1.000 HIVE to bob: waits for a person"},
		{"the relay refused the answer", askedEntry(7, "bot", "alice", "admitted",
			[]string{"pays 1.000 HIVE from alice to bob"},
			ended(7, "accepted", "answered"), refusedBy("wss://relay.example", 7, true)),
			"1.000 HIVE|accepted; refused by the relay"},
		{"the relay refused one of several", askedEntry(7, "bot", "alice", "admitted",
			[]string{"pays 1.000 HIVE from alice to bob"}, ended(7, "accepted", "answered"),
			refusedBy("wss://relay.example", 7, false)), "1.000 HIVE|accepted; refused by the relay?"},
		{"an act", entry{1, []audit.Record{{Number: 1, Time: lineTime, Type: "admin", Outcome: "slot added",
			App: "tipbot"}}},
			"     1 07:40:02 tipbot app added"},
		{"an approver", entry{1, []audit.Record{{Number: 1, Time: lineTime, Type: "admin", Outcome: "approver enrolled",
			Content: []byte(`{"approver":"anna","fingerprint":"a6cf 54e6","invitation":3}`)}}},
			"     1 07:40:02 approver enrolled: anna"},
		{"an event", entry{9, []audit.Record{{Number: 9, Time: lineTime, Type: "event", Outcome: "relay key changed",
			Content: []byte(`{"relay":"wss://relay.example/` + strings.Repeat("x", 90) + `"}`)}}},
			"     9 07:40:02 relay key changed: |…"},
		{"signs", askedEntry(5, "tipbot", "alice", "admitted",
			[]string{"pays 0.500 HBD from alice to bob, with the memo \"\x1b[2J\""},
			ended(5, "accepted", "answered")), "pays 0.500 HBD"},
	} {
		line := c.e.line(80)
		if n := utf8.RuneCountInString(line); n > 80 || strings.ContainsAny(line, "\n\x1b") {
			t.Errorf("%s: %d columns: %q", c.name, n, line)
		}
		rest := line
		for _, part := range strings.Split(c.want, "|") {
			_, after, found := strings.Cut(rest, part)
			if !found {
				t.Errorf("%s: no %q in %q", c.name, part, line)
			}
			rest = after
		}
		if strings.HasPrefix(c.want, "   ") && !strings.Contains(c.want, "|") && line != c.want {
			t.Errorf("%s: %q, want %q", c.name, line, c.want)
		}
	}
}

// What changed of an account stands on the line, and what it was if there is room.
func TestAuditLineOfAChange(t *testing.T) {
	e := entry{37, []audit.Record{{Number: 37, Time: lineTime, Type: "event", Outcome: guard.RecordChanged,
		Account: "alice", Content: []byte(`{"what":"proxy","was":"none","now":"bob"}`)}}}
	const want = "    37  2026-11-26 07:40:02Z  alice  account changed: proxy: was none, is bob"
	if got := e.line(0); got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	const short = "    37 07:40:02 alice account changed: proxy: was none, is bob"
	if got := e.line(80); got != short {
		t.Errorf("the short line is %q, want %q", got, short)
	}
}

// A rule that asked a person and let the request pass at the yes is named once.
func TestRuleIsNamedOnce(t *testing.T) {
	e := askedEntry(46, "mybot", "alice", "pending", []string{"pays 2.000 HBD from alice to dave"},
		audit.Record{Number: 47, Type: "decision", Request: 46, Verdict: "admitted",
			Content: []byte(`{"rules":[{"name":"tips","line":3},{"name":"also","line":9}]}`)},
		ended(46, "accepted", "answered"))
	if got, want := e.details(), `  rule="tips"  rule="also"  tx=`; !strings.HasPrefix(got, want) {
		t.Errorf("the details are %q, want %q…", got, want)
	}
}

// TestAuditLineNamesMoneyFirst: what weighs most stands on a short line, wherever it is in the
// request.
func TestAuditLineNamesMoneyFirst(t *testing.T) {
	const (
		vote   = `["vote",{"voter":"alice","author":"bob","permlink":"a3","weight":10000}]`
		reward = `["claim_reward_balance",{"account":"alice","reward_hive":"9.000 HIVE","reward_hbd":"0.000 HBD",` +
			`"reward_vests":"0.000000 VESTS"}]`
		active = `["account_witness_vote",{"account":"alice","witness":"bob","approve":true}]`
		pays   = `["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":""}]`
		more   = `["transfer",{"from":"alice","to":"bob","amount":"5.000 HBD","memo":""}]`
		other  = `["transfer",{"from":"alice","to":"bob","amount":"5.000 TESTS","memo":""}]`
	)
	for _, c := range []struct {
		name string
		ops  []string
		want int
	}{
		{"a payment behind a vote", []string{vote, pays}, 1},
		{"a payment before a vote", []string{pays, vote}, 0},
		{"a payment behind a reward", []string{reward, vote, pays}, 2},
		{"a payment behind what needs active", []string{active, pays}, 1},
		{"what needs active behind a reward", []string{reward, active}, 1},
		{"a reward behind a vote", []string{vote, reward}, 1},
		{"the larger payment", []string{vote, pays, more, pays}, 2},
		{"votes alone", []string{vote, vote}, 0},
		{"of another chain", []string{vote, other}, 1},
	} {
		effects, ops := make([]string, len(c.ops)), make([]json.RawMessage, len(c.ops))
		for i, op := range c.ops {
			effects[i], ops[i] = fmt.Sprintf("effect %d", i), json.RawMessage(op)
		}
		e := askedEntry(5, "bot", "alice", "admitted", effects, ended(5, "accepted", "answered"))
		e.records[0].Content, _ = json.Marshal(map[string]any{"effects": effects, "operations": ops})
		want := fmt.Sprintf("bot/alice effect %d, and %d more: accepted", c.want, len(ops)-1)
		if line := e.line(80); !strings.Contains(line, want) {
			t.Errorf("%s: %q, want %q", c.name, line, want)
		}
	}
}

// Texts of every length fit every width, and no amount is cut.
func TestFit(t *testing.T) {
	texts := []string{"", "x", strings.Repeat("x", 300), "pays 1000000.000 HIVE to bob, with the memo \"" +
		strings.Repeat("ä", 100) + "\"", "votes 12.34% for @bob/" + strings.Repeat("p-", 100),
		"1.000 HBD and 2.000 HIVE"}
	for _, text := range texts {
		for width := 1; width < 120; width++ {
			got := fit(text, width)
			if n := utf8.RuneCountInString(got); n > width && n > 1 || !utf8.ValidString(got) {
				t.Errorf("%d columns of %d: %q", n, width, got)
			}
			if utf8.RuneCountInString(text) <= width && got != text {
				t.Errorf("%q became %q", text, got)
			}
			whole := amounts.FindAllString(text, -1)
			for _, part := range amounts.FindAllString(strings.TrimSuffix(got, "…"), -1) {
				if !containsText(whole, part) {
					t.Errorf("width %d: the amount %q in %q is cut", width, part, got)
				}
			}
		}
	}
}

func containsText(list []string, text string) bool {
	for _, one := range list {
		if one == text {
			return true
		}
	}
	return false
}

// growingTrail serves a trail that grows with each question that follows it.
type growingTrail struct {
	records []audit.Record
	shown   int // so many of them exist
	step    []int
}

func (p *growingTrail) page(_ context.Context, params []byte) (any, error) {
	var q audit.Query
	if err := control.Decode(params, &q); err != nil {
		return nil, err
	}
	if !q.Last && q.Request == 0 && q.To == 0 && len(p.step) > 0 {
		p.shown, p.step = p.step[0], p.step[1:]
	}
	page := audit.Page{Head: uint64(p.shown), Next: uint64(p.shown) + 1, End: true}
	for _, r := range p.records[:p.shown] {
		if r.Number < q.From || q.To != 0 && r.Number > q.To || q.Request != 0 && r.Number != q.Request &&
			r.Request != q.Request {
			continue
		}
		page.Records = append(page.Records, r)
	}
	return page, nil
}

// With -f a request has one line, when its outcome comes; one that waits longer has a second line
// with its outcome.
func TestFollowedRequestHasOneLine(t *testing.T) {
	fast, slow := askedEntry(1, "fast", "alice", "admitted", []string{"votes"}), askedEntry(2, "slow", "alice",
		"admitted",
		[]string{"pays"})
	p := &growingTrail{records: []audit.Record{fast.records[0], slow.records[0], {Number: 3, Type: "outcome",
		Request: 1,
		Outcome: "accepted", Result: "answered", Time: lineTime}, {Number: 4, Type: "outcome", Request: 2,
		Outcome: "accepted", Result: "answered", Time: lineTime}, {Number: 5, Type: "event", Outcome: "the end",
		Time: lineTime}}, step: []int{1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5}}
	was := followEvery
	followEvery = time.Millisecond
	defer func() { followEvery = was }()
	home := serveMethods(t, map[string]control.Handler{agent.MethodAuditPage: p.page})
	ctx, cancel := context.WithCancel(t.Context())
	out := &until{text: "the end", stop: cancel}
	var errs bytes.Buffer
	if status := run(ctx, []string{"audit", "tail", "-f", "-n", "0", "--home", home},
		streams{strings.NewReader(""), out,
			&errs}); status != exitOK {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range []string{"votes: accepted", "pays: admitted, not ended", "pays: accepted",
		"the end"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %q, want %q", i, lines[i], want)
		}
	}
}

// What a relay did not take stands in the story of the request, not as told.
func TestStoryOfRefusedAnswer(t *testing.T) {
	var out bytes.Buffer
	e := askedEntry(7, "bot", "alice", "admitted", []string{"votes"}, ended(7, "accepted", "answered"),
		refusedBy("wss://relay.example", 7, true))
	printStory(&out, e.records)
	if !strings.Contains(out.String(), "But          the relay refused the answer after ") ||
		!strings.Contains(out.String(), "(record 9): invalid proof of key. The application did not get it then.") {
		t.Errorf("%s", out.String())
	}
}
