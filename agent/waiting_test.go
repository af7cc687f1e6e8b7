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
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/protocol"
)

const otherKey = "13f63469-5a35-47cb-a6b4-e8c4d3144cf9"

// waitingWorld runs a test with an agent that can ask, and a session of each of two apps.
func waitingWorld(t *testing.T, policy string, f func(*testing.T, *world, *scriptedClient)) {
	t.Helper()
	script := &scriptedClient{}
	within(t, worldOptions{
		policy: policy, fault: script.fault, configure: func(c *config.Config) { c.Ask = "pending" },
		prepare: func(w *world) {
			w.session(authKey)
			if _, err := w.ledger.AddSlot(w.t.Context(), "other", "the secret of another slot", nil); err != nil {
				w.t.Fatal(err)
			}
			if _, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{
				Account: "alice", App: "other", AuthKey: otherKey, Origin: ledger.Hand,
				Expires: w.ledger.Now().Add(24 * time.Hour),
			}, nil); err != nil {
				w.t.Fatal(err)
			}
		},
	}, func(t *testing.T, w *world) { f(t, w, script) })
}

// lastJudged returns what the newest record of a judged request says.
func (w *world) lastJudged() audit.Content { return w.lastOf(ledger.RecordJudged) }

// lastOf returns the content of the last record of a type.
func (w *world) lastOf(kind ledger.RecordType) (last audit.Content) {
	for r, err := range w.ledger.Audit(1) {
		if err != nil {
			w.t.Fatal(err)
		}
		var content audit.Content
		if err := json.Unmarshal(r.Content, &content); err == nil && r.Type == kind {
			last = content
		}
	}
	return last
}

// vote sends a vote with an auth_key and waits until all has come to rest.
func (script *scriptedClient) vote(w *world, n int, key string) {
	script.sayAll(request("sign_req", uuid(n), key, votePayload(fmt.Sprint("p", n), nowNonce()+int64(n))))
	time.Sleep(100 * time.Millisecond)
}

// Twenty requests of an app may wait, and not one more. They take no place of those that wait for
// this machine, and none of another app.
func TestWaitingOfOneApp(t *testing.T) {
	waitingWorld(t, "version: 1\nask: [{name: votes, request: sign, apps: any, operations: [vote]}]\n",
		func(t *testing.T, w *world, script *scriptedClient) {
			for n := 1; n <= 21; n++ {
				script.vote(w, n, authKey)
				if got, want := len(w.pending()), min(n, 20); got != want {
					t.Fatalf("after %d requests %d wait, want %d", n, got, want)
				}
			}
			if got := answerKind(script.answerTo(uuid(21))); got != "nack" || script.count() != 1 {
				t.Errorf("the 21st: %s, %d answers", got, script.count())
			}
			if last := w.lastJudged(); last.Code != "limit" || !strings.Contains(last.Reason, "`pksa pending`") {
				t.Errorf("the 21st was refused with code %q: %s", last.Code, last.Reason)
			}
			if n := w.agent.InFlight(); n != 0 {
				t.Errorf("%d requests in flight", n)
			}
			script.vote(w, 22, otherKey)
			if got := len(w.pending()); got != 21 {
				t.Errorf("with one of another app %d wait", got)
			}
			if err := w.decide(w.pending()[0].Number, false); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(time.Second)
			script.vote(w, 23, authKey)
			if got := len(w.pending()); got != 21 {
				t.Errorf("after a no and one more %d wait", got)
			}
		})
}

// What waits for a person counts against limits as long as it waits, and once when it is allowed.
func TestWaitingCountsAgainstLimits(t *testing.T) {
	policy := `version: 1
ask: [{name: votes, request: sign, apps: [app], operations: [vote]}]
allow: [{name: other votes, request: sign, apps: [other], operations: [vote]}]
limits: [{name: two, apps: any, operations: [vote], count: 2 per 24h}]
`
	waitingWorld(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
		waits := func(n, want int) {
			t.Helper()
			script.vote(w, n, authKey)
			if got := len(w.pending()); got != want {
				t.Fatalf("after request %d %d wait, want %d: %s", n, got, want, w.lastJudged().Reason)
			}
		}
		decide := func(yes bool) {
			t.Helper()
			if err := w.decide(w.pending()[0].Number, yes); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		waits(1, 1)
		waits(2, 2)
		waits(3, 2)
		if last := w.lastJudged(); last.Code != "limit" || !strings.Contains(last.Reason,
			"2 of it by requests that wait") {
			t.Errorf("the third: %s", last.Reason)
		}
		script.vote(w, 4, otherKey) // one that nobody has to be asked about
		if got := answerKind(script.answerTo(uuid(4))); got != "nack" {
			t.Errorf("beside two that wait: %s", got)
		}
		decide(true)
		waits(5, 1) // one is used, one waits
		decide(false)
		waits(6, 1) // the no gave its room back
		decide(true)
		waits(7, 0)
		script.vote(w, 8, otherKey)
		if n := len(w.chain.Transactions()); n != 2 {
			t.Errorf("%d transactions", n)
		}
	})
}

// A limit of one lets each of two waiting requests be allowed only once the other has gone: its own
// reserve is not in its way.
func TestWaitingIsNotItsOwnObstacle(t *testing.T) {
	asking(t, askVotes, func(t *testing.T, w *world, script *scriptedClient) {
		answer, asked := script.start(w, 1)
		time.Sleep(20 * time.Second)
		if got, _ := w.pending(), script.count(); len(got) != 1 {
			t.Fatalf("%d wait", len(got))
		}
		if err := w.decide(asked.Number, true); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(<-answer); got != "ack" {
			t.Errorf("after the yes: %s", got)
		}
	})
}

// largePayload is a sign_req_data of many operations that grow where they are written as JSON.
func largePayload(ops int, nonce int64) string {
	op := fmt.Sprintf(`["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":%q}]`,
		`{"a":"`+strings.Repeat("<", 1500)+`"}`)
	return fmt.Sprintf(`{"key_type":"posting","ops":[%s],"broadcast":true,"nonce":%d}`,
		strings.Join(slices.Repeat([]string{op}, ops), ","), nonce)
}

// The list cuts large requests and says how many parts there are; by its number one is shown whole.
// What does not fit into one answer is on the next page.
func TestWaitingIsShownInPages(t *testing.T) {
	waitingWorld(t, "version: 1\nask: [{name: json, request: sign, apps: any, operations: [custom_json]}]\n",
		func(t *testing.T, w *world, script *scriptedClient) {
			const many = 15
			for n := 1; n <= 20; n++ {
				script.sayAll(request("sign_req", uuid(n), authKey, largePayload(many, nowNonce()+int64(n))))
				time.Sleep(100 * time.Millisecond)
			}
			seen, pages, after := map[uint64]bool{}, 0, uint64(0)
			for {
				page := w.pendingAfter(after)
				pages++
				text, _ := json.Marshal(page)
				if len(text) > 2<<20 {
					t.Errorf("a page of %d bytes", len(text))
				}
				for _, p := range page {
					seen[p.Number], after = true, max(after, p.Number)
					if len(p.Operations) != 10 || len(p.Effects) != 10 || p.InAll != many || !p.Cut {
						t.Fatalf("%d operations, %d effects of %d", len(p.Operations), len(p.Effects), p.InAll)
					}
				}
				if page[len(page)-1].More == 0 {
					break
				}
			}
			if len(seen) != 20 || pages < 2 {
				t.Errorf("%d requests on %d pages", len(seen), pages)
			}
			params, _ := json.Marshal(agent.PendingPart{Number: after})
			result, err := w.agent.Methods()[agent.MethodPendingWhole](t.Context(), params)
			if err != nil {
				w.t.Fatal(err)
			}
			whole := result.(agent.PendingRequest)
			if len(whole.Operations) != many || len(whole.Effects) != many || whole.InAll != 0 || whole.Cut ||
				!strings.Contains(whole.Operations[many-1], strings.Repeat("<", 1500)) {
				t.Errorf("%d operations, %d effects", len(whole.Operations), len(whole.Effects))
			}
			params, _ = json.Marshal(agent.PendingPart{Number: after, From: many - 1})
			if result, err = w.agent.Methods()[agent.MethodPendingWhole](t.Context(), params); err != nil {
				w.t.Fatal(err)
			}
			if last := result.(agent.PendingRequest); len(last.Operations) != 1 || last.InAll != many {
				t.Errorf("the last part: %d operations of %d", len(last.Operations), last.InAll)
			}
		})
}

func (w *world) pendingAfter(number uint64) []agent.PendingRequest {
	params, _ := json.Marshal(agent.PendingParams{After: number})
	result, err := w.agent.Methods()[agent.MethodPending](w.t.Context(), params)
	if err != nil {
		w.t.Fatal(err)
	}
	return result.([]agent.PendingRequest)
}

// An app that sends large requests keeps no other one of its account waiting: more of them than are
// opened at once wait until they may be worked on, and what another app asks is answered. What the
// same app asks waits for those before it, and all are judged in the order of their nonces.
func TestLargeRequestsKeepNobodyWaiting(t *testing.T) {
	waitingWorld(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		const many, size = 6, 27 // of 300 kB: three of them are opened at once
		op := `["custom_json",{"required_auths":[],"required_posting_auths":["alice"],"id":"x","json":"\"` +
			strings.Repeat("x", 8000) + `\""}]`
		ops := strings.Join(slices.Repeat([]string{op}, size), ",")
		first := nowNonce()
		rest := w.agent.HoldLargeWork()
		for n := range many {
			payload := fmt.Sprintf(`{"key_type":"posting","ops":[%s],"broadcast":true,"nonce":%d}`, ops, first+int64(n))
			script.sayAll(request("sign_req", uuid(n), authKey, payload))
		}
		text := func(n int) string {
			return fmt.Sprintf(`{"key_type":"posting","challenge":"hello","nonce":%d}`, first+int64(n))
		}
		script.sayAll(request("challenge_req", uuid(many), authKey, text(many)))
		m := script.askFor(request("challenge_req", uuid(many+1), otherKey, text(0)), time.Second)
		if ack, ok := m.(protocol.Ack); !ok || ack.UUID != protocol.UUID(uuid(many+1)) || script.count() != 1 {
			t.Errorf("the other app hears %+v, and there are %d answers", m, script.count())
		}
		rest()
		time.Sleep(time.Second)
		kinds := map[string]string{}
		for _, m := range script.heard() {
			answer, _ := protocol.AnswerOf(m)
			kinds[string(answer.RequestUUID())] = answerKind(m) + errorText(m, authKey)
		}
		for n := range many {
			if got := kinds[uuid(n)]; got != "nack"+protocol.TextNotSupported {
				t.Errorf("large request %d: %q", n, got)
			}
		}
		if got := kinds[uuid(many)]; got != "ack" || script.count() != many+2 {
			t.Errorf("the one behind the large ones: %q; %d answers", got, script.count())
		}
	})
}

// A request is large from a size on: then it waits for its turn, and one that is a byte shorter
// does not.
func TestLargeFromASizeOn(t *testing.T) {
	const most = 32 << 10
	for n, size := range []int{most - 1, most, most + 1} {
		waitingWorld(t, "", func(t *testing.T, w *world, script *scriptedClient) {
			rest := w.agent.HoldLargeWork()
			payload := fmt.Sprintf(`{"key_type":"posting","challenge":"hello","nonce":%d}`, nowNonce())
			payload += strings.Repeat(" ", size-len(payload))
			q := request("challenge_req", uuid(n), authKey, payload)
			if waits := script.askFor(q, time.Second) == nil; waits != (size >= most) {
				t.Errorf("a request of %d bytes waits: %t", size, waits)
			}
			rest()
			time.Sleep(time.Second)
			if script.count() != 1 {
				t.Errorf("a request of %d bytes has %d answers", size, script.count())
			}
		})
	}
}
