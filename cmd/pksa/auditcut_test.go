package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/effect"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// cutEntry is a request with many votes and a payment behind them, as the trail holds it.
func cutEntry(t *testing.T, whole bool) entry {
	t.Helper()
	var votes []json.RawMessage
	var effects []string
	for i := range 2000 {
		votes = append(votes, fmt.Appendf(nil,
			`["vote",{"voter":"alice","author":"bob","permlink":"p-%d","weight":100}]`, i))
	}
	votes = append(votes, json.RawMessage(`["transfer",{"from":"alice","to":"eve","amount":"900.000 HIVE","memo":""}]`))
	for _, raw := range votes[:100] {
		op, err := hive.Mainnet.ParseOperation(raw)
		if err != nil {
			t.Fatal(err)
		}
		effects = append(effects, effect.Of(op))
	}
	yes := true
	written := policy.Written{Request: "sign", Account: "alice", App: "bot", KeyType: "active", Broadcast: &yes,
		Operations: votes}
	content := audit.Content{Effects: effects, Result: "refused", Code: policy.CodeUncovered,
		Reason: "uncovered: nothing"}
	r := audit.Record{Number: 7, Time: lineTime, Type: "request", Kind: "sign", App: "bot", Account: "alice",
		Verdict: "denied", Result: "refused"}
	if whole {
		content.Result, content.Code, content.Reason = "admitted", "", ""
		r.Verdict, r.Result = "admitted", "admitted"
	}
	r.Content = content.Encode(audit.NewDraft(written, whole), len(votes), whole)
	return entry{7, []audit.Record{r}}
}

// What was cut is counted wherever it is shown, and no payment hides behind votes.
func TestAuditShowsWhatWasCut(t *testing.T) {
	denied, admitted := cutEntry(t, false), cutEntry(t, true)
	if line := admitted.line(110); !strings.Contains(line, "pays 900.000 HIVE to eve, and 2000 more") {
		t.Errorf("admitted: %s", line)
	}
	if line := denied.line(120); !strings.Contains(line, "and 2000 more: 2000 vote, 1 transfer: refused") {
		t.Errorf("denied: %s", line)
	}
	if line := denied.line(0); !strings.Contains(line, "; and 19") {
		t.Errorf("denied, in full: %s", line)
	}
	var out bytes.Buffer
	printStory(&out, denied.records)
	for _, want := range []string{"and 19", "the record keeps 8 KiB of 2001 operations (2000 vote, 1 transfer) of ",
		"SHA-256 "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("story lacks %q:\n%s", want, &out)
		}
	}
	out.Reset()
	if err := (&command{streams: streams{out: &out}}).auditLines(admitted.records); err != nil {
		t.Fatal(err)
	}
	if line := out.String(); strings.Count(line, `["vote",`) != 2000 || strings.Contains(line, `"whole"`) {
		t.Errorf("exported: %.300s", line)
	}
}

// sourceOf is a trail of a few records.
func sourceOf(records ...audit.Record) audit.Source {
	return func(_ audit.Query, use func(*audit.Record) error) error {
		for _, r := range records {
			if err := use(&r); err != nil {
				return err
			}
		}
		return nil
	}
}

// suggestFrom prints what is suggested for a trail.
func suggestFrom(trail audit.Source, app string, s streams, asJSON bool) error {
	out, err := audit.Suggest(trail, audit.Query{Filter: audit.Filter{App: app}}, nil, hive.Mainnet, 0)
	if err != nil {
		return err
	}
	c := &command{streams: s, asJSON: asJSON}
	return c.printSuggested(suggested{Suggested: out}, suggestWay{app: app}, nil, nil)
}

// A sum of denied requests is told in words, and counted by the tools that judge again.
func TestSumsOfDenials(t *testing.T) {
	var sum audit.Denials
	for i := range 300 {
		code := policy.CodeUncovered
		if i%3 == 0 {
			code = policy.CodeLimit
		}
		sum.Add(audit.Denial{Kind: "sign", Result: "refused", Code: code}, uint64(1000+i),
			lineTime.Add(time.Duration(i)*time.Second/10))
	}
	record := func(d audit.Denials) audit.Record {
		content, _ := json.Marshal(map[string]any{"denials": d})
		return audit.Record{Number: 1301, Time: lineTime, Type: "event", Outcome: audit.EventDenials, App: "bot",
			Account: "alice", Content: content}
	}
	for _, c := range []struct {
		d    audit.Denials
		want string
	}{
		{sum, "bot/alice  300 requests denied in 30s, from record 1000 to 1299: " +
			"100 sign refused, limit; 200 sign refused, uncovered"},
		{audit.Denials{First: 1000}, "bot/alice  too many denied requests: from record 1000 on they are summed"},
	} {
		if line := (entry{1301, []audit.Record{record(c.d)}}).line(0); !strings.HasSuffix(line, c.want) {
			t.Errorf("line: %s", line)
		}
	}
	one := audit.Record{Number: 1000, Time: lineTime, Type: "failed", Outcome: audit.Summed, Kind: "sign", App: "bot",
		Account: "alice", Result: "refused", Content: audit.Denial{Kind: "sign", Result: "refused",
			Code: "limit"}.Encode()}
	const words = "bot/alice  sign that was denied, one of a sum: refused, limit"
	if line := (entry{1000, []audit.Record{one}}).line(0); !strings.HasSuffix(line, words) {
		t.Errorf("line: %s", line)
	}
	trail := sourceOf(record(audit.Denials{First: 1000}), record(sum))
	const want = "300 requests were denied and not judged"
	var out bytes.Buffer
	if err := suggestFrom(trail, "bot", streams{out: &out}, false); err != nil ||
		!strings.Contains(out.String(), want) {
		t.Errorf("suggest: %v: %s", err, &out)
	}
	out.Reset()
	p, _ := policy.Compile("p.yaml", []byte("version: 1\n"), policy.Options{})
	r, err := audit.Replay(trail, p, hive.Mainnet)
	printReplay(&out, p, r)
	if err != nil || r.Summed != 300 || r.Requests != 0 || !strings.Contains(out.String(), want) {
		t.Errorf("replay: %+v: %s", r, &out)
	}
}

// The tools that judge again leave out what was cut, and say how much.
func TestToolsCountWhatWasCut(t *testing.T) {
	cut := cutEntry(t, false).records
	trail := sourceOf(cut...)
	const want = "1 request was not judged: the trail keeps 8 KiB of what is not carried out, and cut the rest."
	var out bytes.Buffer
	if err := suggestFrom(trail, "bot", streams{out: &out}, false); err != nil ||
		!strings.Contains(out.String(), want) {
		t.Errorf("suggest: %v: %s", err, &out)
	}
	out.Reset()
	p, _ := policy.Compile("p.yaml",
		[]byte("version: 1\nallow: [{name: votes, request: sign, apps: any, operations: [vote]}]\n"),
		policy.Options{})
	r, err := audit.Replay(trail, p, hive.Mainnet)
	printReplay(&out, p, r)
	if err != nil || !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "0 requests judged") {
		t.Errorf("replay: %s", &out)
	}
	out.Reset()
	if err := suggestFrom(trail, "", streams{out: &out}, true); err != nil ||
		!strings.Contains(out.String(),
			`"cut": 1`) {
		t.Errorf("suggest: %v: %s", err, &out)
	}
	out.Reset()
	c := &command{streams: streams{out: &out}}
	found, err := audit.ReadTrail(cut, hive.Mainnet)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.explainIn(trail, found, p, hive.Mainnet, 7); err == nil || !strings.Contains(err.Error(),
		"it was cut when") {
		t.Errorf("explain: %v", err)
	}
	short := cutEntry(t, false).records[0]
	var content audit.Content
	if err := json.Unmarshal(short.Content, &content); err != nil {
		t.Fatal(err)
	}
	content.Operations, content.Cut, short.Number = content.Cut.First, nil, 8
	short.Content, _ = json.Marshal(content)
	more, err := audit.ReadTrail([]audit.Record{short}, hive.Mainnet)
	if err != nil {
		t.Fatal(err)
	}
	err = c.explainIn(sourceOf(cut[0], short), more, p, hive.Mainnet, 8)
	if err != nil || !strings.Contains(out.String(),
		"Of 1 request before it the trail does not hold all: 1 cut, 0 in sums.") {
		t.Errorf("explain: %v: %s", err, &out)
	}
	shown, _ := json.Marshal(map[string]any{"records": cutEntry(t, false).records})
	c = &command{streams: streams{in: bytes.NewReader(shown), out: &out, err: &out}}
	if err := c.explainFile(context.Background(), p, hive.Mainnet, "-"); err == nil || !strings.Contains(err.Error(),
		"was cut when it was recorded") || strings.Contains(err.Error(), "operations are missing") {
		t.Errorf("explain: %v", err)
	}
}
