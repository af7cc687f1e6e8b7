package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pksa/agent/audit"
	"pksa/agent/guard"
	"pksa/agent/node"
	"pksa/agent/refund"
)

// whyRecord is a record at this second with that content.
func whyRecord(number uint64, second int, kind string, content string, change func(*audit.Record)) audit.Record {
	r := audit.Record{Number: number, Time: time.Date(2026, 1, 31, 12, 0, second, 0, time.UTC), Type: kind,
		Account: "alice", App: "mybot", Content: json.RawMessage(content)}
	if kind == "outcome" || kind == "decision" {
		r.Request = 1
	}
	if change != nil {
		change(&r)
	}
	return r
}

// Whatever became of a request is told in ten lines of 80 columns, with what decides it.
func TestWhy(t *testing.T) {
	const tx = "0123456789abcdef0123456789abcdef01234567"
	asked := func(verdict, result, content string) audit.Record {
		return whyRecord(1, 0, "request", `{"relay":"wss://relay.example/`+strings.Repeat("long", 30)+`","uuid":"u",`+
			`"request":"sign","key_type":"active","broadcast":true,"effects":["pays 0.500 HBD from alice to bob"],`+
			content+`}`, func(r *audit.Record) { r.Verdict, r.Result, r.Kind, r.TxID = verdict, result, "sign", tx })
	}
	const allowed = `"rules":[{"name":"tips","line":12}],"policy":"abcdef0123","cost":[{"limit":"daily","unit":"HBD",` +
		`"amount":"0.500"}],"limits_before":[{"limit":{"name":"daily"},"used":"1","most":"2","room":true}]`
	ended := func(outcome, content string) audit.Record {
		return whyRecord(2, 3, "outcome", content, func(r *audit.Record) { r.Outcome = outcome })
	}
	for name, c := range map[string]struct {
		records []audit.Record
		want    []string
	}{
		"accepted": {[]audit.Record{asked("admitted", "admitted", allowed),
			ended("accepted", `{"node":"api","block":77}`)},
			[]string{"Asked    pays 0.500 HBD to bob; active key, broadcast", `Allowed  by rule "tips", line 12`,
				`Limits   costs 0.500 HBD of "daily" (before: 1 of 2 used)`, "Signed   " + tx,
				"Chain    in block 77 3s later, says api", "Told     the id of the transaction"}},
		"failed": {[]audit.Record{asked("admitted", "admitted", allowed),
			ended("refused", `{"reason":"no balance","told":"broadcast failed: balance"}`)},
			[]string{"Chain    refused 3s later: no balance", `Told     "broadcast failed: balance"`}},
		"uncertain": {[]audit.Record{asked("admitted", "admitted", allowed), ended("uncertain", `{}`)},
			[]string{"Chain    uncertain 3s later", `Told     "broadcast uncertain", with the id of the transaction`}},
		"denied": {[]audit.Record{asked("denied", "refused",
			`"code":"uncovered","reason":"uncovered: no rule names it"`)},
			[]string{"Refused  uncovered: no rule names it", "To allow a rule below allow that takes all of it",
				"Limits   nothing charged", `Told     "request refused"`}},
		"by a deny rule": {[]audit.Record{asked("denied", "ignored",
			`"code":"denied","rules":[{"name":"never","line":3}]`)},
			[]string{`To allow the deny rule is changed: "never", line 3`,
				"Told     nothing: it was met with silence"}},
		"a full limit": {[]audit.Record{asked("denied", "refused",
			`"code":"limit","reason":"limit: full","limits_before":`+
				`[{"limit":{"name":"daily"},"used":"2","most":"2","unit":"HBD","cost":"0.5","room":false}]`)},
			[]string{`Limits   nothing charged; "daily": 2 of 2 HBD used, this costs 0.5`}},
		"waits": {[]audit.Record{asked("pending", "pending", allowed)},
			[]string{`Person   a person was asked, and has not answered yet; asked for by rule "tips"`,
				"Told     nothing yet"}},
		"decided": {[]audit.Record{asked("pending", "pending", allowed),
			whyRecord(2, 9, "decision", `{"approved":true,`+allowed+`}`,
				func(r *audit.Record) { r.Verdict = "admitted" }),
			ended("accepted", `{}`)},
			[]string{"Person   a person was asked, and said yes after 9s", `Allowed  by rule "tips"`,
				"Chain    accepted"}},
		"decided with a passkey": {[]audit.Record{asked("pending", "pending", allowed),
			whyRecord(2, 9, "decision", `{"approved":true,"approval":{"by":"anna"},`+allowed+`}`,
				func(r *audit.Record) { r.Verdict = "admitted" }),
			ended("accepted", `{}`)},
			[]string{"Person   a person was asked, and anna said yes after 9s with a passkey"}},
		"declined": {[]audit.Record{asked("pending", "pending", allowed),
			whyRecord(2, 9, "decision", `{"code":"refused","reason":"no"}`,
				func(r *audit.Record) { r.Verdict = "denied" })},
			[]string{"Person   a person was asked; refused after 9s", "To allow a person says yes"}},
		"not passed on": {[]audit.Record{asked("admitted", "admitted", allowed), ended("accepted", `{}`),
			whyRecord(3, 4, "event", `{"certain":true}`, func(r *audit.Record) { r.Outcome = audit.AnswerRefused })},
			[]string{"Told     the id of the transaction; but the relay did not pass it on"}},
		"cut": {[]audit.Record{asked("denied", "refused", `"code":"uncovered","cut":{"sha256":"00","effects":9}`)},
			[]string{"Asked    (cut) pays 0.500 HBD to bob, and 8 more"}},
		"a session that ended": {[]audit.Record{whyRecord(1, 0, "session ended", `{}`, func(r *audit.Record) {
			r.Session, r.Outcome = 7, "expired"
		})}, []string{"What     session 7 ended", "Why      expired", "Who      mybot/alice"}},
		"a sum": {[]audit.Record{whyRecord(1, 0, "event", `{"denials":{"requests":25,"first":1,"last":30,"counts":[`+
			`{"request":"sign","result":"refused","code":"uncovered","requests":25}]}}`,
			func(r *audit.Record) { r.Outcome = audit.EventDenials })},
			[]string{"What     25 requests denied in 0s, from record 1 to 30", "Why      25 sign refused, uncovered"}},
		"a change of an account": {[]audit.Record{whyRecord(1, 0, "event", `{"what":"owner","was":"threshold 1, a",`+
			`"now":"threshold 1, b","hosts":["x","y"]}`, func(r *audit.Record) { r.Outcome = guard.RecordChanged })},
			[]string{"What     account changed: owner", "Was      threshold 1, a", "Is       threshold 1, b"}},
		"changes that were accepted": {[]audit.Record{whyRecord(1, 0, "admin", `{"changes":[{"what":"memo","was":"a",`+
			`"now":"b"},{"what":"proxy","was":"none","now":"bob"}],"stopped":false}`,
			func(r *audit.Record) { r.Outcome = guard.RecordAccepted })},
			[]string{"What     account guard accepted: memo, proxy", "Who      mybot/alice"}},
		"a request that is gone": {[]audit.Record{ended("accepted", `{}`)},
			[]string{"a request that is not kept any more"}},
	} {
		var text strings.Builder
		lines := whyLines(c.records, "")
		for _, l := range lines {
			text.WriteString(l.line() + "\n")
			if n := utf8.RuneCountInString(l.line()); n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, l.line())
			}
		}
		if len(lines) > 10 {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		for _, want := range c.want {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text.String())
			}
		}
	}
}

// Where the trail names no block, nodes are asked, and the line says what they said, or that nobody
// was asked: "accepted" alone is a node's promise.
func TestWhyNamesTheBlock(t *testing.T) {
	asked := whyRecord(1, 0, "request", `{"request":"sign","broadcast":true}`, func(r *audit.Record) {
		r.Verdict, r.Kind, r.TxID = "admitted", "sign", strings.Repeat("ab", 20)
	})
	ended := func(outcome, content string) entry {
		return entry{1, []audit.Record{asked,
			whyRecord(2, 1, "outcome", content, func(r *audit.Record) { r.Outcome = outcome })}}
	}
	accepted := ended("accepted", `{"node":"api.first.example"}`)
	lost := ended("accepted", `{}`)
	lost.records = append(lost.records, whyRecord(3, 59, "event", `{}`, func(r *audit.Record) {
		r.Outcome = refund.RecordAbsent
	}))
	for _, c := range []struct {
		entry
		unknown bool
		p       node.Presence
		age     time.Duration
		want    string
	}{
		{accepted, true, node.Presence{Found: "api.other.example", Block: 99_123_456}, time.Hour,
			"accepted 1s later; in block 99123456, says api.other.example"},
		{accepted, true, node.Presence{Absent: []string{"a", "b"}}, time.Hour,
			"accepted 1s later, says api.first.example; never on the chain, say 2 nodes"},
		{accepted, true, node.Presence{Absent: []string{"a"}}, time.Hour,
			"accepted 1s later, says api.first.example; in no block, says a"},
		{accepted, true, node.Presence{Missing: []string{"a", "b"}}, time.Minute,
			"accepted 1s later, says api.first.example; in no block yet, say 2 nodes"},
		{accepted, true, node.Presence{Absent: []string{"a", "b"}}, 48 * time.Hour,
			"accepted 1s later, says api.first.example; in no block that is still known, say 2 nodes"},
		{accepted, true, node.Presence{}, time.Hour,
			"accepted 1s later, says api.first.example; no node answers now"},
		{ended("signed", `{}`), true, node.Presence{Found: "a", Block: 7}, time.Hour,
			"the application got the signature, and may broadcast it; in block 7, says a"},
		{ended("accepted", `{"block":5}`), false, node.Presence{}, 0, "in block 5 1s later"},
		{ended("refused", `{}`), false, node.Presence{}, 0, "refused 1s later"},
		{lost, false, node.Presence{}, 0, "accepted 1s later; never on the chain"},
	} {
		now := ""
		if c.unknown != c.blockUnknown() {
			t.Errorf("%s: unknown %t", c.want, !c.unknown)
		} else if c.unknown {
			now = blockNow(c.p, c.age)
		}
		if got := c.chain(now); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
