package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Instants in JSON are compared with now, which is noon of 20 November 2026: 1795176000.
func TestWithin(t *testing.T) {
	for _, tt := range []struct{ test, json, want string }{
		// Seconds, to the edge and beyond, on both sides.
		{`.ts: {within: 5m}`, `{"ts":1795176000}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":1795176300}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":1795175700}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":1795176300.000000001}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":1795175699.999999999}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":"1795176300"}`, "yes"},
		{`.ts: {within: 1s}`, `{"ts":1795176001.5}`, "no"},
		{`.ts: {within: 366d}`, `{"ts":1826798400}`, "yes"},
		{`.ts: {within: 366d}`, `{"ts":1826798401}`, "no"},
		// Milliseconds.
		{`.ts: {within: 5m}`, `{"ts":1795176300000}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":1795176300001}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":"1795175700000"}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":1795175699999}`, "no"},
		// Seconds are less than 10^11, milliseconds less than 10^14.
		{`.ts: {within: 5m}`, `{"ts":99999999999}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":100000000000}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":99999999999999}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":100000000000000}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":1795176000000000}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":0}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":-1}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":1795176e3}`, "unclear"},
		// ISO 8601, with and without zone and fraction.
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T12:05:00Z"}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T12:05:00"}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T12:05:00.001Z"}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T11:55:00.000"}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T13:05:00+01:00"}`, "yes"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T12:05:00+01:00"}`, "no"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T06:30:00.5-05:30"}`, "yes"},
		// What is none of these.
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20 12:00:00"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20t12:00:00z"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":"2026-13-20T12:00:00Z"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T12:00:60Z"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":"2026-11-20T12:00:00+0100"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":" 1795176000"}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":true}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":null}`, "unclear"},
		{`.ts: {within: 5m}`, `{"ts":[1795176000]}`, "unclear"},
		{`.ts: {within: 5m}`, `{"t":1795176000}`, "no"},
		// With others, and turned around.
		{`.ts: {within: 5m, max: 1795176001}`, `{"ts":1795176002}`, "no"},
		{`.ts: [{within: 5m}, now]`, `{"ts":"now"}`, "yes"},
		{`.ts: {not: {within: 5m}}`, `{"ts":1795176000}`, "no"},
		{`.ts: {not: {within: 5m}}`, `{"ts":1795175000}`, "yes"},
		{`.ts: {not: {within: 5m}}`, `{}`, "unclear"},
	} {
		o := customJSON(t, hive.Posting, "x", tt.json)
		if got := outcome(t, "custom_json: {id: x, json: {"+tt.test+"}}", o); got != tt.want {
			t.Errorf("%s of %s: %s, want %s", tt.test, tt.json, got, tt.want)
		}
	}
}

// Fields of the chain that are instants take the test, too.
func TestWithinOfFields(t *testing.T) {
	for expiration, want := range map[string]string{"2026-11-27T12:00:00": "yes", "2026-11-27T12:00:01": "no",
		"2026-11-13T12:00:00": "yes", "2026-11-13T11:59:59": "no"} {
		o := op(t, "limit_order_create", `{"owner":"alice","orderid":1,"amount_to_sell":"1.000 HIVE",`+
			`"min_to_receive":"1.000 HBD","fill_or_kill":false,"expiration":%q}`, expiration)
		if got := outcome(t, "limit_order_create: {expiration: {within: 7d}}", o); got != want {
			t.Errorf("%s: %s, want %s", expiration, got, want)
		}
	}
}

// What within says is what it said before the turn. If it says something else by then, nothing is
// judged again: the request is refused, in whichever direction that is.
func TestProspectOfTheClock(t *testing.T) {
	p := compile(t, `
allow:
  - {name: login, request: challenge, apps: [app], key: posting, text: {.site: shop.example, .ts: {within: 10s}}}
ask:
  - name: late
    request: challenge
    apps: [app]
    key: posting
    only: uncovered
    text: {.site: shop.example, .ts: {within: 1h}}
`)
	login := func(at time.Time) *policy.Request {
		return &policy.Request{Kind: policy.Challenge, Account: "alice", App: "app", Role: hive.Posting,
			Text: fmt.Sprintf(`{"site":"shop.example","ts":%d}`, at.Unix())}
	}
	for _, tt := range []struct {
		judged, turn time.Duration // after noon, which is the instant in the request
		want         policy.Verdict
		code         policy.Code
	}{
		{0, 10 * time.Second, policy.Allow, ""},
		{0, 10*time.Second + 1, policy.Deny, policy.CodeClock},
		{10 * time.Second, 10*time.Second + 1, policy.Deny, policy.CodeClock},
		{10*time.Second + 1, time.Hour, policy.Ask, ""},
		{10*time.Second + 1, 10 * time.Second, policy.Deny, policy.CodeClock},
		{-10*time.Second - 1, -10 * time.Second, policy.Deny, policy.CodeClock},
		{-10 * time.Second, -10 * time.Second, policy.Allow, ""},
		{time.Hour, time.Hour + 1, policy.Deny, policy.CodeClock},
		{2 * time.Hour, 2*time.Hour + 1, policy.Deny, policy.CodeUncovered},
	} {
		s := p.Prospect(login(noon), noon.Add(tt.judged))
		if got := s.Outlook(); got != policy.PerhapsAsked {
			t.Errorf("%+v: %v", tt, got)
		}
		for range 2 {
			got := s.Conclude(p, nil, noon.Add(tt.turn))
			if got.Verdict != tt.want || got.Code != tt.code || len(got.Charges) > 0 {
				t.Errorf("%+v: %v, %s", tt, got.Verdict, got.Reason)
			}
		}
		// Who judges in one step finds what holds then.
		if got := p.Decide(login(noon), nil, noon.Add(tt.turn)); got.Code == policy.CodeClock {
			t.Errorf("%+v: in one step: %s", tt, got.Reason)
		}
	}
	denied := p.Decide(login(noon.Add(-2*time.Hour)), nil, noon)
	if !strings.Contains(denied.Reason, "text.ts 1795168800 is not within 1h of now") {
		t.Error(denied.Reason)
	}
	// A refusal of within is as silent as what was found before.
	for policyText, silent := range map[string]bool{"otherwise: ignore\n": true, "": false} {
		p := compile(t, policyText+`allow: [{name: a, request: challenge, apps: [app], text: {.ts: {within: 10s}}}]`)
		s := p.Prospect(login(noon.Add(11*time.Second)), noon)
		if got := s.Conclude(p, nil, noon.Add(time.Second)); got.Code != policy.CodeClock || got.Silent != silent {
			t.Errorf("%q: %s, silent: %v", policyText, got.Code, got.Silent)
		}
	}
	// Beside a rule that only allows, nobody is asked, whatever the time.
	p = compile(t, `allow: [{name: a, request: challenge, apps: [app], key: posting, text: {.ts: {within: 10s}}}]`)
	s := p.Prospect(login(noon.Add(time.Minute)), noon)
	if got := s.Outlook(); got != policy.Open {
		t.Errorf("what is too early: %v", got)
	}
}

// What is no span is told with what to write.
func TestWithinOfOtherWords(t *testing.T) {
	for write, want := range map[string]string{
		"5":         `within: "5" is no span of time; write 50s, 10m, 24h or 30d`,
		"5 minutes": `within: "5 minutes" is no span of time; write 5m`,
		"-5m":       `within counts on both sides of now; write "5m"`,
		"400d":      `within: "400d" is longer than 366d`,
		"[5m]":      `within is a single value`,
	} {
		src := "version: 1\nallow: [{name: a, request: challenge, apps: [app], text: {.ts: {within: " + write + "}}}]"
		_, problems := policy.Compile("policy.yaml", []byte(src), policy.Options{})
		if !strings.Contains(problems.String(), want) {
			t.Errorf("%s: %v", write, problems)
		}
	}
}
