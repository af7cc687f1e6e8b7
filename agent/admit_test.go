package agent_test

import (
	"fmt"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/protocol"
)

// Every way of bringing a request again that must not lead to a second effect.
func TestReplays(t *testing.T) {
	nonceRefused := protocol.TextNonce
	cases := []struct {
		name string
		// again makes the replay of the first request q, whose payload is given.
		again func(q map[string]any, nonce int64) map[string]any
		want  string
		text  string
	}{
		{"same ciphertext, other uuid", func(q map[string]any, _ int64) map[string]any {
			return with(q, "uuid", uuid(2))
		}, "ack", ""}, // what was recorded for the first: the same transaction
		{"same nonce, new ciphertext", func(_ map[string]any, nonce int64) map[string]any {
			return request("sign_req", uuid(2), authKey, votePayload("other", nonce))
		}, "nack", nonceRefused},
		{"lower nonce", func(_ map[string]any, nonce int64) map[string]any {
			return request("sign_req", uuid(2), authKey, votePayload("other", nonce-1))
		}, "nack", nonceRefused},
		{"same uuid, other ciphertext", func(q map[string]any, nonce int64) map[string]any {
			return request("sign_req", uuid(1), authKey, votePayload("other", nonce+1))
		}, "nothing", ""},
		{"same ciphertext as a challenge", func(q map[string]any, _ int64) map[string]any {
			return with(with(q, "uuid", uuid(2)), "cmd", "challenge_req")
		}, "nothing", ""},
		{"same ciphertext for another account", func(q map[string]any, _ int64) map[string]any {
			return with(with(q, "uuid", uuid(2)), "account", "bob")
		}, "nothing", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
				nonce := nowNonce()
				q := request("sign_req", uuid(1), authKey, votePayload("once", nonce))
				if got := answerKind(script.ask(q)); got != "ack" {
					t.Fatalf("first: %s", got)
				}
				m := script.ask(c.again(q, nonce))
				if got := answerKind(m); got != c.want || errorText(m, authKey) != c.text {
					t.Errorf("got %s %q, want %s %q", got, errorText(m, authKey), c.want, c.text)
				}
				if n := len(w.chain.Transactions()); n != 1 {
					t.Errorf("%d transactions", n)
				}
			})
		})
	}
}

// A request without nonce is taken once, by its ciphertext.
func TestReplayWithoutNonce(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", 0))
		if got := answerKind(script.ask(q)); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		if m := script.ask(with(q, "uuid", uuid(2))); answerKind(m) != "ack" || len(w.chain.Transactions()) != 1 {
			t.Errorf("replay: %s %q", answerKind(m), errorText(m, authKey))
		}
		again := request("sign_req", uuid(3), authKey, votePayload("once", 0))
		if got := answerKind(script.ask(again)); got != "ack" {
			t.Errorf("the same payload sealed again is a new request: %s", got)
		}
	})
}

// An auth_req that comes again under another uuid gets silence, and its challenge no second
// signature.
func TestAuthReplay(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		payload := `{"app":{"name":"x"},"challenge":{"key_type":"posting","challenge":"login"}}`
		q := request("auth_req", uuid(1), authKey, payload)
		if got := answerKind(script.ask(q)); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		if got := answerKind(script.ask(with(q, "uuid", uuid(2)))); got != "nothing" {
			t.Errorf("replay under another uuid: %s", got)
		}
		if got := answerKind(script.ask(q)); got != "ack" {
			t.Errorf("the same uuid again: %s, want the recorded answer", got)
		}
	})
}

// A refused request uses up its nonce as well: nobody can try it again under a laxer policy.
func TestRefusedTakesItsNonce(t *testing.T) {
	const votesOnly = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
`
	withScript(t, votesOnly, func(t *testing.T, w *world, script *scriptedClient) {
		nonce := nowNonce()
		q := request("challenge_req", uuid(1), authKey,
			fmt.Sprintf(`{"key_type":"posting","challenge":"hi","nonce":%d}`, nonce))
		if got := answerKind(script.ask(q)); got != "nack" {
			t.Fatalf("not allowed, but %s", got)
		}
		w.write("policy.yaml", allowAll)
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m := script.ask(with(q, "uuid", uuid(2))); errorText(m, authKey) != protocol.TextRefused {
			t.Errorf("the refused request came back: %s %q", answerKind(m), errorText(m, authKey))
		}
	})
}

// What was refused for a reason that can go away is never carried out: brought again under another
// clock, setting or name, it gets the recorded answer, or silence once that is gone.
func TestRefusedForGood(t *testing.T) {
	vote := func(tail string) string {
		return `{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob","permlink":"p","weight":100}]],` +
			`"broadcast":true` + tail + `}`
	}
	for _, c := range []struct {
		name    string
		payload func() string
		before  func(*config.Config)
		after   func(*config.Config)
		text    string
	}{
		{"held back for too long", func() string { return votePayload("p", nowNonce()-20*60_000) }, nil,
			func(c *config.Config) { c.NonceBehind = 24 * time.Hour }, protocol.TextNonce},
		{"ahead by too much", func() string { return votePayload("p", nowNonce()+25*3_600_000) }, nil,
			func(c *config.Config) { c.NonceAhead = 72 * time.Hour }, protocol.TextNonce},
		{"nonces are demanded", func() string { return vote("") }, func(c *config.Config) { c.NonceRequired = true },
			func(c *config.Config) { c.NonceRequired = false }, protocol.TextNonce},
		{"invalid", func() string { return vote(fmt.Sprintf(`,"later":true,"nonce":%d`, nowNonce())) }, nil, nil,
			protocol.TextInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			script := &scriptedClient{}
			within(t, worldOptions{fault: script.fault, configure: c.before,
				prepare: func(w *world) { w.session(authKey) }}, func(t *testing.T, w *world) {
				// Not while it runs: hours of marks and pings take long, and prove nothing.
				later := func(span time.Duration, change func(*config.Config)) {
					w.end()
					if err := w.ledger.Close(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(span)
					if change != nil {
						change(w.config)
					}
					w.openLedger()
					w.start()
				}
				later(time.Hour, nil)
				q := request("sign_req", uuid(1), authKey, c.payload())
				if m := script.ask(q); answerKind(m) != "nack" || errorText(m, authKey) != c.text {
					t.Fatalf("at first: %s %q", answerKind(m), errorText(m, authKey))
				}
				later(0, c.after)
				again := func(id int) map[string]any {
					return with(with(q, "uuid", uuid(id)), "expire", time.Now().Add(time.Minute).UnixMilli())
				}
				if m := script.ask(again(2)); answerKind(m) != "nack" || errorText(m, authKey) != c.text {
					t.Errorf("a copy: %s %q", answerKind(m), errorText(m, authKey))
				}
				later(12*time.Hour, nil)
				time.Sleep(15 * time.Minute) // the answer is of no more use, and the nonce is in time
				if m := script.ask(again(3)); m != nil {
					t.Errorf("a copy half a day later: %s %q", answerKind(m), errorText(m, authKey))
				}
				if n := len(w.chain.Transactions()); n != 0 {
					t.Errorf("%d transactions", n)
				}
				used := request("sign_req", uuid(4), authKey, votePayload("p", nowNonce()))
				if got := answerKind(script.ask(used)); got != "ack" {
					t.Errorf("another request: %s", got)
				}
			})
		})
	}
}

// Replays are known after a restart too, and the recorded answer is still there.
func TestReplayAfterRestart(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", nowNonce()))
		first, _ := script.ask(q).(protocol.Ack)
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if second, ok := script.ask(q).(protocol.Ack); !ok || string(second.Data) != string(first.Data) {
			t.Errorf("recorded answer after a restart: %s, want %s", second.Data, first.Data)
		}
		if third, ok := script.ask(with(q, "uuid", uuid(2))).(protocol.Ack); !ok ||
			string(third.Data) != string(first.Data) || string(third.UUID) != uuid(2) {
			t.Errorf("copy after a restart: %+v", third)
		}
		if n := len(w.chain.Transactions()); n != 1 {
			t.Errorf("%d transactions", n)
		}
	})
}

// A request that expires while it waits for a node is not carried out behind its application's
// back.
func TestExpiredWhileWaiting(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		w.hangNodes()
		first := request("sign_req", uuid(2), authKey, votePayload("p", nowNonce()))
		second := with(request("challenge_req", uuid(1), authKey, `{"key_type":"posting","challenge":"hi"}`), "expire",
			time.Now().Add(2*time.Second).UnixMilli())
		script.sayAll(first, second) // the first waits for a node; the second, which comes after it, for its turn
		time.Sleep(20 * time.Second)
		answers := script.heard()
		if len(answers) != 1 || errorText(answers[0], authKey) != protocol.TextBroadcastNoNode {
			t.Errorf("answers %v, want one to the first request: no node", answers)
		}
		requests := w.requests()
		if n := len(requests); n != 2 || requests[1].Code != "expired" || requests[1].Admitted {
			t.Errorf("recorded: %+v", requests)
		}
	})
}

// The rules are judged before a request waits for its turn. If another policy is in force when the
// turn comes, they are judged again.
func TestPolicyReplacedWhileWaiting(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		w.hangNodes()
		first := request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))
		second := request("challenge_req", uuid(2), authKey, `{"key_type":"posting","challenge":"hi"}`)
		script.sayAll(first, second) // the first waits for a node; the second, which comes after it, for its turn
		time.Sleep(time.Second)
		w.write("policy.yaml", "version: 1\n")
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(script.heard()); n != 0 {
			t.Fatalf("%d answers before the policy was replaced", n)
		}
		time.Sleep(20 * time.Second)
		for _, m := range script.heard() {
			if answerKind(m) != "nack" {
				t.Errorf("answered with %s %q, which the policy in force denies", answerKind(m), errorText(m, authKey))
			}
		}
		requests := w.requests()
		if len(requests) != 2 {
			t.Fatalf("recorded: %+v", requests)
		}
		for _, r := range requests {
			if r.Code != "uncovered" || r.Policy != w.agent.Status().Policy.SHA256 {
				t.Errorf("recorded: %+v", r)
			}
		}
	})
}
