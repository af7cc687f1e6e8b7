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

// pleasesTheCheck wants a draft of version 2 of which nothing is warned: lines that would be have a
// reason.
func pleasesTheCheck(t *testing.T, draft string, problems policy.Problems) {
	t.Helper()
	if !strings.Contains(draft, "\nversion: 2\n") || len(problems) != len(problems.Silenced()) {
		t.Errorf("the check complains of a draft:\n%s\n%v", draft, problems)
	}
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
		text := policy.Suggest(seen)
		p, problems := policy.Compile("suggested.yaml", []byte(text), policy.Options{})
		if p == nil {
			t.Fatalf("seed %d: the suggestion has errors:\n%s\n%v", i, text, problems)
		}
		pleasesTheCheck(t, text, problems)
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
			switch {
			case d.Verdict == policy.Allow:
				allowed++
			case !always && !takeover:
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
		text := policy.Suggest([]policy.Seen{{Request: q, Time: noon}})
		p, problems := policy.Compile("suggested.yaml", []byte(text), policy.Options{})
		if p == nil {
			t.Errorf("%s: %v\n%s", name, problems, text)
			continue
		}
		pleasesTheCheck(t, text, problems)
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
	golden(t, "testdata/suggest.golden", policy.Suggest(seen))
}

// A rule lists no more texts than a person reads, and never allows all of them: beyond that there
// is no rule, and a line says so.
func TestSuggestedTexts(t *testing.T) {
	for _, c := range []struct {
		texts, bytes int
		left         string // empty: there is a rule
	}{
		{20, 2048, ""},
		{21, 2048, "#   1 × challenge of web for alice: 21 different texts;"},
		{1, 2049, "#   1 × challenge of web for alice: a text of more than 2048 bytes;"},
	} {
		var seen []policy.Seen
		for i := range c.texts {
			text := fmt.Sprintf("%0*d", c.bytes, i)
			seen = append(seen, policy.Seen{Time: noon, Request: &policy.Request{Kind: policy.Challenge,
				Account: "alice", App: "web", Role: hive.Posting, Text: text}})
		}
		draft := policy.Suggest(seen)
		p, problems := policy.Compile("suggested.yaml", []byte(draft), policy.Options{})
		if p == nil {
			t.Fatalf("%+v: %v", c, problems)
		}
		allowed := p.Decide(seen[0].Request, nil, noon).Verdict == policy.Allow
		if allowed != (c.left == "") || !strings.Contains(draft, c.left) || strings.Count(draft, " × ") != min(1,
			len(c.left)) {
			t.Errorf("%d texts of %d bytes: allowed %t; the end of the draft: %s", c.texts, c.bytes, allowed,
				draft[max(0, len(draft)-500):])
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
