package agent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
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
