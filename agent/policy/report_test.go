package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// What an operator reads is in golden files: testdata/report holds a policy, requests, and the
// explanation of each.
func TestReports(t *testing.T) {
	const folder = "testdata/report"
	src, err := os.ReadFile(filepath.Join(folder, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, problems := policy.Compile("/home/op/policy.yaml", src, policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.request.*"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d requests, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, problems := policy.ReadRequest(file, src, hive.Mainnet)
			if c == nil {
				t.Fatal(problems)
			}
			now := noon
			if !c.Time.IsZero() {
				now = c.Time
			}
			book, problems := p.Counters(file, c, now)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			r := p.Report(c.Request, book, now)
			d := p.Decide(c.Request, book, now)
			if code, _ := c.Request.NeverSigned(); code == "" && (d.Verdict != r.Verdict || d.Reason != r.Reason) {
				t.Errorf("the report says %v, the decision %v", r.Verdict, d.Verdict)
			}
			base, _, _ := strings.Cut(file, ".request.")
			golden(t, base+".golden", r.Text())
		})
	}
}

// Request files and files of cases come from people and machines: whatever they hold, there is a
// complaint with a place, or a request that can be judged.
func FuzzReadRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/report/*.request.*")
	if err != nil || len(files) < 12 {
		f.Fatalf("%d seeds, %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("cases: [{name: a, expect: deny, request: auth, account: alice, app: b}]"))
	f.Add([]byte("cases: [{name: a, request: auth, account: alice, app: b, time: 2026-01-01, counters: [], " +
		"steps: [" +
		"{expect: deny, times: 3}, {after: 2h, expect: deny, code: uncovered, observed: {expect: deny}, room: [" +
		"{limit: b, left: 1, window: 1h}]}, {request: challenge, text: x, expect: ask, observed: deny, " +
		"timeout: 5s}]}]"))
	p := compile(f, "allow: [{name: a, request: sign, apps: any, operations: [posting]}]\nlimits: [{name: b, "+
		"requests: 1 per 1h}]\n")
	f.Fuzz(func(t *testing.T, src []byte) {
		c, problems := policy.ReadRequest("request", src, hive.Mainnet)
		if (c == nil) != (len(problems.Errors()) > 0) {
			t.Fatalf("%v, %v", c, problems)
		}
		if tests, problems := policy.ReadCases("tests", src, hive.Mainnet); tests != nil {
			ran := p.RunCases(tests)
			failed, n, err := p.FailedCases(t.Context(), tests, len(ran.Cases))
			if err != nil || n != len(failed) {
				t.Fatalf("%d of %d failed: %v", n, len(failed), err)
			}
			for _, r := range ran.Cases {
				if !r.Passed {
					n--
				}
			}
			if all := ran.Coverage; n != 0 || all.Covered+len(all.Missing) != all.All {
				t.Fatalf("%d more failed, %d of %d covered, "+
					"and %d missing", n, all.Covered, all.All, len(all.Missing))
			}
		} else if len(problems) == 0 {
			t.Fatal("refused without a word")
		}
		if c == nil {
			return
		}
		book, _ := p.Counters("request", c, noon)
		r := p.Report(c.Request, book, noon)
		code, _ := c.Request.NeverSigned()
		if d := p.Decide(c.Request, book, noon); code == "" && d.Verdict != r.Verdict {
			t.Fatalf("the report says %v, the decision %v", r.Verdict, d.Verdict)
		}
		_ = r.Text()
		again, problems := policy.ReadRequest("request", mustJSON(t, policy.Write(c.Request, hive.Mainnet)),
			hive.Mainnet)
		if again == nil {
			t.Fatalf("what was read cannot be read again: %v", problems)
		}
	})
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The report agrees with the decision on whatever the generator comes up with.
func TestReportsAgreeWithDecisions(t *testing.T) {
	property(t, 9, func(m maker, mod *model, p *policy.Policy, book *policy.Book) {
		for range 5 {
			q := m.request(t, mod).Request
			d, r := p.Decide(q, book, noon), p.Report(q, book, noon)
			if code, reason := q.NeverSigned(); code != "" {
				if r.Verdict != policy.Deny || r.Code != code || !strings.Contains(r.Answer, reason) {
					t.Errorf("%s: %s, but the report begins %q", code, reason, r.Answer)
				}
				continue
			}
			words := map[policy.Verdict]string{policy.Allow: "Allowed", policy.Ask: "A person is asked",
				policy.Deny: "Denied"}
			if summary(d) != summary(r.Decision) || !strings.HasPrefix(r.Text(), words[d.Verdict]) {
				t.Errorf("%s, but the report begins %q", summary(d), r.Answer)
			}
			worst := policy.Allow
			for _, part := range r.Parts {
				worst = min(worst, part.Verdict)
			}
			if len(r.Parts) > 0 && d.Verdict != min(worst, d.Verdict) ||
				worst == policy.Deny && d.Verdict != policy.Deny {
				t.Errorf("%s, and the worst part is %v", summary(d), worst)
			}
			if (len(r.Needed) == 0) != (d.Verdict == policy.Allow) {
				t.Errorf("%s, and what is needed: %q", summary(d), r.Needed)
			}
		}
	})
}

// An application chooses the numbers that a limit adds up, and so how long their sum is. Whoever
// asks why must not get a panic for an answer.
func TestReportOfLongSums(t *testing.T) {
	p := compile(t, `
allow: [{name: a, request: sign, apps: [app], key: active, operations: [custom_json]}]
limits: [{name: sum, operations: [custom_json], sum: 500 per 24h, of: {list: json, field: .q}}]
`)
	long := strings.Repeat("9", 60)
	for _, numbers := range [][2]string{{long, long}, {long, "0.1"}, {"0." + strings.Repeat("0", 58) + "1", "100"}} {
		items := `[{"q":` + numbers[0] + `},{"q":` + numbers[1] + `}]`
		q := sign("app", hive.Active, op(t, "custom_json",
			`{"id":"x","json":%q,"required_auths":["alice"],"required_posting_auths":[]}`, items))
		r := p.Report(q, nil, noon)
		if d := p.Decide(q, nil, noon); r.Verdict != d.Verdict || len(r.Touched) != 1 ||
			r.Touched[0].Cost == "unclear" {
			t.Errorf("%s: %v, %+v", items, r.Verdict, r.Touched)
		}
	}
}

// Where a rule matches in doubt, its values do not fit, and the reader is told what could not be
// told.
func TestReportNamesTheDoubt(t *testing.T) {
	p := compile(t, `
allow: [{name: all, request: sign, apps: [app], operations: [custom_json, vote]}]
ask:
  - {name: two, request: sign, apps: [app], transaction: [vote, custom_json: {id: pair, json: {.a: {not: 5}}}]}
deny:
  - name: gifts
    operations:
      - custom_json: {id: other, json: {.a: 1}}
      - custom_json: {id: game, json: {.action: gift, .to: {glob: 'x*'}}}
  - {name: logins, text: {.site: evil}}
`)
	play := func(id, text string) hive.Operation {
		return op(t, "custom_json", `{"id":%q,"json":%q,"required_auths":[],"required_posting_auths":["alice"]}`,
			id, text)
	}
	for want, q := range map[string]*policy.Request{
		`gifts" (policy.yaml:7), in doubt: json.action cannot be read`: sign("app", hive.Posting,
			play("game", `{"action":"gift","action":"sell"}`)),
		`gifts" (policy.yaml:7), in doubt: json.to 5 does not fit glob "x*"`: sign("app", hive.Posting,
			play("game", `{"action":"gift","to":5}`)),
		`two" (policy.yaml:5), in doubt: operation 2 custom_json: json.a is absent`: sign("app", hive.Posting,
			vote(t, "alice", "bob", 1), play("pair", `{}`)),
		`logins" (policy.yaml:11), in doubt: text.site cannot be read`: {Kind: policy.Challenge, Account: "alice",
			App: "app", Role: hive.Posting, Text: "x"},
		"": sign("app", hive.Posting, play("game", `{"action":"gift","to":"xy"}`)),
	} {
		d, r := p.Decide(q, nil, noon), p.Report(q, nil, noon)
		if want == "" && (strings.Contains(d.Reason+r.Text(), "doubt") || d.Verdict != policy.Deny) {
			t.Errorf("%s\n%s", d.Reason, r.Text())
		}
		if !strings.Contains(d.Reason, want) || !strings.Contains(r.Text(), want) {
			t.Errorf("want %s:\n%s\n%s", want, d.Reason, r.Text())
		}
	}
}

// A report lists so many rules and no more, however many operations a request has: it is made
// inside of the wallet, too.
func TestReportOfManyRules(t *testing.T) {
	const rules = 100
	var b strings.Builder
	b.WriteString("allow:\n")
	for i := range rules {
		fmt.Fprintf(&b, "  - {name: r%d, request: sign, apps: [app], operations: [vote: {author: someone%d}]}\n", i, i)
	}
	p := compile(t, b.String())
	var votes []hive.Operation
	for range policy.MostOthers/rules + 1 {
		votes = append(votes, vote(t, "alice", "bob", 100))
	}
	r := p.Report(sign("app", hive.Posting, votes...), nil, noon)
	for i, part := range r.Parts { // the last one is above the bound
		others, left := rules, 0
		if i*rules >= policy.MostOthers {
			others, left = 0, rules
		}
		if len(part.Others) != others || part.Left != left || part.Verdict != policy.Deny {
			t.Fatalf("operation %d: %d rules listed, %d left", i, len(part.Others), part.Left)
		}
	}
	if got := len(r.Parts) * rules; got != policy.MostOthers+rules {
		t.Errorf("%d rules", got)
	}
	if text := r.Text(); strings.Count(text, "  100 other rules, which are not listed again\n") != 1 {
		t.Error("the text does not say so")
	}
	if n := len(r.Needed); n != 2*(len(r.Parts)-1) {
		t.Errorf("%d lines about what was needed", n)
	}
}

// Whoever explains a request counts what was charged to the limits that it touches, and no other.
func TestWindowsOfARequest(t *testing.T) {
	p := compile(t, `
allow: [{name: all, request: sign, apps: any, operations: [vote]}]
limits:
  - {name: votes, apps: any, operations: [vote], count: 5 per 1h}
  - {name: of bob, apps: any, operations: [vote: {author: bob}], count: 5 per 2h}
  - {name: logins, request: auth, apps: any, count: 5 per 3h}
`)
	got := p.WindowsOf(sign("app", hive.Posting, vote(t, "alice", "carol", 100)), noon)
	if len(got) != 1 || got["votes"] != time.Hour {
		t.Errorf("%v", got)
	}
	if got = p.WindowsOf(sign("app", hive.Posting), noon); len(got) > 0 {
		t.Errorf("of a request that no policy allows: %v", got)
	}
}
