package agent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/ledger"
)

const twoVotes = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits:
  - {name: few, apps: any, operations: [vote], count: %s}
`

// Of many requests at the same instant by several sessions, as many are admitted as the limit has
// room for.
func TestManyAtOnceShareOneBudget(t *testing.T) {
	const requests, room = 24, 5
	script := &scriptedClient{}
	key := func(i int) string { return fmt.Sprintf("%s-%d", authKey, i%4) }
	o := worldOptions{policy: fmt.Sprintf(twoVotes, "5 per 24h"), fault: script.fault, prepare: func(w *world) {
		for i := range 4 {
			w.session(key(i))
		}
	}}
	within(t, o, func(t *testing.T, w *world) {
		for i := range requests {
			q := request("sign_req", uuid(i+1), key(i), votePayload(fmt.Sprint("p", i), nowNonce()+int64(i)))
			frame, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			script.say(frame) // and does not wait for the answer
		}
		time.Sleep(20 * time.Second)
		got := map[string]int{}
		for _, m := range script.heard() {
			got[answerKind(m)]++
		}
		if got["ack"] != room || got["nack"] != requests-room || len(w.chain.Transactions()) != room {
			t.Errorf("%v, %d transactions, want %d admitted", got, len(w.chain.Transactions()), room)
		}
	})
}

// A limit counts what was admitted before its number, its window or its split changed; under
// another name it begins again, and the reload says so.
func TestLimitThroughEdits(t *testing.T) {
	withScript(t, fmt.Sprintf(twoVotes, "2 per 1h"), func(t *testing.T, w *world, script *scriptedClient) {
		n := 0
		vote := func() string {
			n++
			time.Sleep(time.Second)
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()))))
		}
		edit := func(text string, fresh ...string) {
			t.Helper()
			w.write("policy.yaml", text)
			got, err := w.agent.Methods()[agent.MethodPolicyReload](t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if said := got.(agent.PolicyStatus).Fresh; !slices.Equal(said, fresh) {
				t.Errorf("from zero: %q, want %q", said, fresh)
			}
		}
		want := func(what, first, second string) {
			t.Helper()
			if a, b := vote(), vote(); a != first || b != second {
				t.Errorf("%s: %s %s, want %s %s", what, a, b, first, second)
			}
		}
		want("two of two", "ack", "ack")
		edit(fmt.Sprintf(twoVotes, "3 per 1h"))
		want("one more", "ack", "nack")
		edit(fmt.Sprintf(twoVotes, "4 per 24h, per: [.author]"))
		want("a longer window, split", "ack", "nack")
		time.Sleep(2 * time.Hour)
		want("the longer window holds", "nack", "nack")
		edit(fmt.Sprintf(twoVotes, "4 per 1h"))
		want("a shorter window", "ack", "ack")
		edit("version: 1\nallow: [{name: votes, request: sign, apps: any, operations: [vote]}]\n")
		want("no limit", "ack", "ack")
		edit(fmt.Sprintf(twoVotes, "2 per 1h"))
		want("the limit again: what went on without it does not count, what it counted does", "nack", "nack")
		edit(strings.ReplaceAll(fmt.Sprintf(twoVotes, "1 per 1h"), "few", "fewer"), "fewer")
		want("another name", "ack", "nack")
		edit(strings.ReplaceAll(fmt.Sprintf(twoVotes, "1 per 1h"), "few", "fewer")+
			"  - {name: least, requests: 5 per 1h}\n", "least")
		edit(strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf(twoVotes, "1 per 1h"), "few", "fewer"), "count:",
			"requests:"), "fewer")
		want("another measure", "ack", "nack")
	})
}

// A reload tells which of the newest requests the new policy answers otherwise than the one
// before; the trail keeps it.
func TestReloadTriesTheNewestRequests(t *testing.T) {
	withScript(t, fmt.Sprintf(twoVotes, "3 per 24h"), func(t *testing.T, w *world, script *scriptedClient) {
		for n := range 3 {
			time.Sleep(time.Second)
			if got := answerKind(script.ask(request("sign_req", uuid(n+1), authKey,
				votePayload("p", nowNonce())))); got != "ack" {
				t.Fatal(got)
			}
		}
		reload := func(text, method string) *audit.Trial {
			t.Helper()
			w.write("policy.yaml", text)
			if _, err := w.agent.Methods()[method](t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			return w.agent.Status().Policy.Trial
		}
		trial := reload(fmt.Sprintf(twoVotes, "2 per 24h"), agent.MethodPolicyReload)
		const want = "Of the last 3 requests one gets another answer: 1 allow → deny."
		if trial == nil || trial.Text() != want || len(trial.Changes) != 1 || trial.Changes[0].Code != "limit" {
			t.Errorf("a smaller limit: %+v", trial)
		}
		page, err := w.trail().Page(t.Context(), audit.Query{Last: true, Limit: 1})
		if err != nil || !strings.Contains(string(page.Records[0].Content), want) {
			t.Errorf("the trail: %s %v", page.Records[0].Content, err)
		}
		// Beside the policy before, which denies the third, not beside what was answered.
		trial = reload(fmt.Sprintf(twoVotes, "2 per 48h"), agent.MethodReload)
		if trial == nil || trial.Requests != 3 || trial.Same != 3 {
			t.Errorf("a longer window: %+v", trial)
		}
		if trial := reload(fmt.Sprintf(twoVotes, "2 per 48h"), agent.MethodReload); trial != nil {
			t.Errorf("the same policy: %+v", trial)
		}
	})
}

// A limit counts what was admitted, across requests and a restart.
func TestLimit(t *testing.T) {
	const policy = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
limits: [{name: few, apps: any, operations: [vote], count: 2 per 24h}]
`
	withScript(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
		vote := func(n int) string {
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n)))))
		}
		if got := vote(1); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if room := w.agent.Status().Policy.Room; len(room) != 1 || room[0].Used != "1" || room[0].Most != "2" {
			t.Errorf("room after the restart: %+v", room)
		}
		if a, b := vote(2), vote(3); a != "ack" || b != "nack" {
			t.Errorf("second %s, third %s", a, b)
		}
	})
}

// Charges of days ago are added up as soon as the wallet runs, and count as before.
func TestOldChargesAreAddedUp(t *testing.T) {
	const policy = allowAll + "limits: [{name: few, apps: any, requests: 4 per 7d}]\n"
	withScript(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
		w.end()
		begin := w.ledger.Now().Add(-72 * time.Hour).Truncate(time.Minute)
		for i := range 3 {
			key := ledger.RequestKey{Relay: "relay", UUID: uuid(100 + i)}
			if _, err := w.ledger.Begin(ledger.Arrival{Key: key, Digest: [32]byte{byte(i)}}); err != nil {
				t.Fatal(err)
			}
			cost := fmt.Sprintf(`{"at":%q,"charges":[{"limit":"few","unit":"requests","amount":"1"}]}`,
				begin.Add(time.Duration(i+1)*time.Second).Format(time.RFC3339))
			done, err := w.ledger.Admit(t.Context(), ledger.Admission{Key: key, Account: "alice", Kind: "sign"},
				func(ledger.View) ledger.Ruling {
					return ledger.Ruling{Verdict: ledger.Admitted, Record: []byte("{}"),
						Charges: []ledger.Charge{{Data: []byte(cost), Expires: begin.Add(31 * 24 * time.Hour)}}}
				})
			if err == nil {
				err = w.ledger.Settle(done.Number, ledger.Settlement{Outcome: "accepted"})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 4200 { // more than a segment: what was charged stands in its bucket then
			if err := w.ledger.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "filler"}); err != nil {
				t.Fatal(err)
			}
		}
		w.start()
		time.Sleep(time.Second)
		var held []string
		if err := w.ledger.Look(t.Context(), func(v ledger.View) {
			for c := range v.Charges() {
				held = append(held, string(c.Data))
			}
		}); err != nil {
			t.Fatal(err)
		}
		if len(held) != 1 || !strings.Contains(held[0], `"from":`) || !strings.Contains(held[0], `"amount":"3"`) {
			t.Errorf("held: %q", held)
		}
		vote := func(n int) string {
			return answerKind(script.ask(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()+int64(n)))))
		}
		if a, b := vote(1), vote(2); a != "ack" || b != "nack" {
			t.Errorf("with one of four left: %s, then %s", a, b)
		}
	})
}
