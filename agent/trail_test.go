package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/client"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const trailPolicy = `version: 1
allow:
  - {name: login, request: auth, apps: any}
  - {name: votes, request: sign, apps: any, operations: [vote, custom_json], broadcast: any}
  - {name: pay, request: sign, apps: any, key: active, operations: [transfer: {to: bob}]}
  - {name: texts, request: challenge, apps: any, text: {glob: '*'}}
  - {name: memos, request: decrypt, apps: any}
limits:
  - {name: spent, apps: any, spend: 2.000 HBD per 24h}
  - {name: votes an hour, apps: any, operations: [vote], count: 1 per 1h, mode: observe}
`

// source reads back what the agent recorded.
func (w *world) source(q audit.Query, use func(*audit.Record) error) error {
	for q.Limit = 3; ; {
		params, _ := json.Marshal(q)
		result, err := w.agent.Methods()[agent.MethodAuditPage](w.t.Context(), params)
		if err != nil {
			return err
		}
		page := result.(audit.Page)
		for _, r := range page.Records {
			if err := use(&r); err != nil {
				return err
			}
		}
		if q.From = page.Next; page.End {
			return nil
		}
	}
}

// requests reads back the requests that the agent recorded.
func (w *world) requests() []audit.Request {
	w.t.Helper()
	var records []audit.Record
	err := w.source(audit.Query{}, func(r *audit.Record) error { records = append(records, *r); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	trail, err := audit.ReadTrail(records, hive.Mainnet)
	if err != nil {
		w.t.Fatal(err)
	}
	return trail
}

func compiled(t *testing.T, src string) *policy.Policy {
	t.Helper()
	p, problems := policy.Compile("other.yaml", []byte(src), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// replay judges what was recorded by another policy.
func (w *world) replay(src string) audit.Replayed {
	w.t.Helper()
	r, err := audit.Replay(w.source, compiled(w.t, src), hive.Mainnet)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// changes writes a replay in one line a change.
func changes(r audit.Replayed) string {
	var lines []string
	for _, c := range r.Changes {
		lines = append(lines, fmt.Sprintf("%s %s→%s %s", c.What, c.Was, c.Now, c.Code))
	}
	return strings.Join(lines, "; ")
}

// The trail holds all that it takes to judge again: by the same policy nothing changes, and another
// changes what it should.
func TestReplay(t *testing.T) {
	within(t, worldOptions{policy: trailPolicy}, func(t *testing.T, w *world) {
		c := w.dial()
		grant, err := c.Authenticate(t.Context(), client.Auth{Account: "alice", Secret: secret,
			Challenge: &client.Challenge{Role: hive.Posting, Text: "login"}})
		if err != nil {
			t.Fatal(err)
		}
		s := grant.Session
		ask := func(what string, wanted bool, err error) {
			t.Helper()
			if (err == nil) != wanted {
				t.Fatalf("%s: %v", what, err)
			}
			time.Sleep(time.Minute)
		}
		sign := func(q client.SignRequest) error { _, err := c.Sign(t.Context(), s, q); return err }
		challenge := func(text string) error {
			_, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: text})
			return err
		}
		ask("vote", true, sign(vote("p")))
		ask("vote", true, sign(vote("q")))
		ask("pay", true, sign(transfer("bob", "1.500 HBD")))
		ask("pay a stranger", false, sign(transfer("carol", "0.100 HBD")))
		ask("pay too much", false, sign(transfer("bob", "0.600 HBD")))
		ask("pay the rest", true, sign(transfer("bob", "0.500 HBD")))
		ask("text", true, challenge("hello"))
		ask("long text", true, challenge(strings.Repeat("long ", 1000)))
		ask("firewall", false, challenge("a\u202eb"))
		memo, err := keyOf("bob", hive.Memo).EncodeMemo(keyOf("alice", hive.Memo).Public(), "#x", 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
		ask("decrypt", true, err)

		trail := w.requests()
		same := w.replay(trailPolicy)
		if same.Requests != 10 || same.Same != 10 || same.Undecided != 1 || same.Lacking != 0 ||
			len(same.Changes) != 0 {
			t.Errorf("by the same policy: %+v", same)
		}
		if trail[1].Observed != nil || trail[2].Observed == nil || trail[0].Request.AuthChallenge == nil {
			t.Errorf("observed: %+v, then %+v; the login: %+v", trail[1].Observed, trail[2].Observed, trail[0].Request)
		}
		enforced := strings.Replace(trailPolicy, ", mode: observe", "", 1)
		if got := changes(w.replay(enforced)); got != "vote allow→deny limit" {
			t.Errorf("with what was observed in force: %s", got)
		}
		wide := strings.Replace(trailPolicy, "[transfer: {to: bob}]", "[transfer]", 1)
		// With 0.1 more spent, the rest is too much.
		if got := changes(w.replay(wide)); got != "transfer deny→allow ; transfer allow→deny limit" {
			t.Errorf("with a wider rule: %s", got)
		}
		for _, r := range trail {
			if r.Admitted && len(r.Charges) == 1 && r.Charges[0].Limit == "spent" {
				past, err := audit.BookBefore(w.source, &r, compiled(t, trailPolicy).Windows(), hive.Mainnet)
				if err != nil {
					t.Fatal(err)
				}
				used := past.Book.Used(policy.Counter{Limit: "spent", Unit: "HBD"}, 24*time.Hour, r.Time)
				if want := map[string]string{"1.500": "0",
					"0.500": "3/2"}; want[r.Request.Ops[0].Spend()[0].String()[:5]] != used.RatString() {
					t.Errorf("before %v: %s", r.Request.Ops[0], used.RatString())
				}
			}
		}
	})
}

// What a person said is in the trail, and holds in a replay.
func TestReplayOfAsking(t *testing.T) {
	asking(t, strings.Replace(askVotes, "count: 1", "count: 2", 1), func(t *testing.T, w *world,
		script *scriptedClient) {
		for i, yes := range []bool{false, true, true} {
			answer, asked := script.start(w, i+1)
			if err := w.decide(asked.Number, yes); err != nil {
				t.Fatal(err)
			}
			<-answer
		}
		trail := w.requests()
		if len(trail) != 3 || trail[0].Person != audit.Declined || trail[1].Person != audit.Approved ||
			trail[0].Admitted || !trail[2].Admitted {
			t.Fatalf("%+v", trail)
		}
		if got := changes(w.replay(askVotes)); got != "vote ask→deny limit" {
			t.Errorf("with room for one: %s", got)
		}
	})
}

// While the trail is verified, and afterwards, the agent tells how far that is.
func TestVerifyingIsTold(t *testing.T) {
	within(t, worldOptions{policy: trailPolicy}, func(t *testing.T, w *world) {
		before, err := callMethod[audit.HowFar](t, w, agent.MethodVerifying, nil)
		if err != nil || before != (audit.HowFar{}) {
			t.Errorf("before: %+v, %v", before, err)
		}
		v, err := callMethod[audit.Verified](t, w, agent.MethodAuditVerify, audit.VerifyParams{})
		if err != nil {
			t.Fatal(err)
		}
		after, err := callMethod[audit.HowFar](t, w, agent.MethodVerifying, nil)
		if n := v.To - v.From + 1; err != nil || after != (audit.HowFar{Done: n, All: n}) || n == 0 {
			t.Errorf("after %d records: %+v, %v", n, after, err)
		}
	})
}
