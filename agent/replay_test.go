package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/protocol"
)

const authKey = "03f63469-5a35-47cb-a6b4-e8c4d3144cf9"

// uuid makes a request's name of a number.
func uuid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// votePayload is a sign_req_data; a nonce of zero is left out.
func votePayload(permlink string, nonce int64) string {
	tail := ""
	if nonce != 0 {
		tail = fmt.Sprintf(`,"nonce":%d`, nonce)
	}
	return fmt.Sprintf(`{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob","permlink":%q,`+
		`"weight":100}]],"broadcast":true%s}`, permlink, tail)
}

// puppets runs a test with an agent that has a hand-made session, and a relay that lies.
func puppets(t *testing.T, policy string, f func(*testing.T, *world, *puppet)) {
	t.Helper()
	p := &puppet{}
	within(t, worldOptions{policy: policy, fault: p.fault, prepare: func(w *world) { w.session(authKey) }},
		func(t *testing.T, w *world) { f(t, w, p) })
}

func nowNonce() int64 { return time.Now().UnixMilli() }

// The same request again, as after a reconnect: the recorded answer, with a fresh proof, and no
// second transaction.
func TestSameRequestAgain(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", nowNonce()))
		first, second := p.ask(q), p.ask(q)
		a, ok := first.(protocol.Ack)
		b, ok2 := second.(protocol.Ack)
		if !ok || !ok2 || string(a.Data) != string(b.Data) {
			t.Fatalf("%s %s, then %s %s", answerKind(first), a.Data, answerKind(second), b.Data)
		}
		if a.PoK == b.PoK {
			t.Error("the second answer carries the first one's proof of key")
		}
		if n := len(w.chain.Transactions()); n != 1 {
			t.Errorf("%d transactions", n)
		}
	})
}

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
		}, "err", nonceRefused},
		{"same nonce, new ciphertext", func(_ map[string]any, nonce int64) map[string]any {
			return request("sign_req", uuid(2), authKey, votePayload("other", nonce))
		}, "err", nonceRefused},
		{"lower nonce", func(_ map[string]any, nonce int64) map[string]any {
			return request("sign_req", uuid(2), authKey, votePayload("other", nonce-1))
		}, "err", nonceRefused},
		{"same uuid, other ciphertext", func(q map[string]any, nonce int64) map[string]any {
			return request("sign_req", uuid(1), authKey, votePayload("other", nonce+1))
		}, "nothing", ""},
		{"same ciphertext as a challenge", func(q map[string]any, _ int64) map[string]any {
			return with(with(q, "uuid", uuid(2)), "cmd", "challenge_req")
		}, "err", protocol.TextInvalid},
		{"same ciphertext for another account", func(q map[string]any, _ int64) map[string]any {
			return with(with(q, "uuid", uuid(2)), "account", "bob")
		}, "nothing", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			puppets(t, "", func(t *testing.T, w *world, p *puppet) {
				nonce := nowNonce()
				q := request("sign_req", uuid(1), authKey, votePayload("once", nonce))
				if got := answerKind(p.ask(q)); got != "ack" {
					t.Fatalf("first: %s", got)
				}
				m := p.ask(c.again(q, nonce))
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

func with(q map[string]any, member string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range q {
		out[k] = v
	}
	out[member] = value
	return out
}

// A request without nonce is taken once, by its ciphertext.
func TestReplayWithoutNonce(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", 0))
		if got := answerKind(p.ask(q)); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		if m := p.ask(with(q, "uuid", uuid(2))); errorText(m, authKey) != protocol.TextNonce {
			t.Errorf("replay: %s %q", answerKind(m), errorText(m, authKey))
		}
		again := request("sign_req", uuid(3), authKey, votePayload("once", 0))
		if got := answerKind(p.ask(again)); got != "ack" {
			t.Errorf("the same payload sealed anew is a new request: %s", got)
		}
	})
}

// An auth_req that comes again under another uuid gets silence, and its challenge no second
// signature.
func TestAuthReplay(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		payload := `{"app":{"name":"x"},"challenge":{"key_type":"posting","challenge":"login"}}`
		q := request("auth_req", uuid(1), authKey, payload)
		if got := answerKind(p.ask(q)); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		if got := answerKind(p.ask(with(q, "uuid", uuid(2)))); got != "nothing" {
			t.Errorf("replay under another uuid: %s", got)
		}
		if got := answerKind(p.ask(q)); got != "ack" {
			t.Errorf("the same uuid again: %s, want the recorded answer", got)
		}
	})
}

// A refused request uses up its nonce as well: nobody can try it again under a laxer policy.
func TestRefusedTakesItsNonce(t *testing.T) {
	const votesOnly = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
`
	puppets(t, votesOnly, func(t *testing.T, w *world, p *puppet) {
		nonce := nowNonce()
		q := request("challenge_req", uuid(1), authKey,
			fmt.Sprintf(`{"key_type":"posting","challenge":"hi","nonce":%d}`, nonce))
		if got := answerKind(p.ask(q)); got != "nack" {
			t.Fatalf("not allowed, but %s", got)
		}
		w.write("policy.yaml", allowAll)
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m := p.ask(with(q, "uuid", uuid(2))); errorText(m, authKey) != protocol.TextNonce {
			t.Errorf("the refused request came back: %s %q", answerKind(m), errorText(m, authKey))
		}
	})
}

// Replays are known after a restart too, and the recorded answer is still there.
func TestReplayAfterRestart(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", nowNonce()))
		first, _ := p.ask(q).(protocol.Ack)
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if second, ok := p.ask(q).(protocol.Ack); !ok || string(second.Data) != string(first.Data) {
			t.Errorf("recorded answer after a restart: %s, want %s", second.Data, first.Data)
		}
		if m := p.ask(with(q, "uuid", uuid(2))); errorText(m, authKey) != protocol.TextNonce {
			t.Errorf("replay after a restart: %s", answerKind(m))
		}
		if n := len(w.chain.Transactions()); n != 1 {
			t.Errorf("%d transactions", n)
		}
	})
}

// Five damaged requests silence a session on the relay that sent them, and only there.
func TestQuarantine(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		other := "11111111-5a35-47cb-a6b4-e8c4d3144cf9"
		w.session(other)
		for i := range 5 {
			m := p.ask(request("sign_req", uuid(i), authKey, `{"key_type":"posting","ops":[],"broadcast":true}`))
			if errorText(m, authKey) != protocol.TextInvalid {
				t.Fatalf("%d: %s %q", i, answerKind(m), errorText(m, authKey))
			}
		}
		good := request("sign_req", uuid(10), authKey, votePayload("good", nowNonce()))
		if got := answerKind(p.ask(good)); got != "nothing" {
			t.Errorf("a session in quarantine: %s", got)
		}
		if got := answerKind(p.ask(request("sign_req", uuid(11), other,
			votePayload("other", nowNonce())))); got != "ack" {
			t.Errorf("another session of the account: %s", got)
		}
		w.release()
		if got := answerKind(p.ask(request("sign_req", uuid(12), authKey,
			votePayload("again", nowNonce())))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
	})
}

// Frames of any kind leave the agent alive and answering.
func TestMalformedFrames(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		for _, frame := range []string{"", "ping", "[]", "{", `{"cmd":"sign_req"}`, `{"cmd":"sign_req","uuid":1}`,
			`{"cmd":"nonsense"}`,
			`{"cmd":"error","error":"x"}`, `{"cmd":"connected","timeout":60,"protocol":1}`, "\x00",
			`{"cmd":"sign_req","cmd":"auth_req"}`} {
			p.say([]byte(frame))
		}
		if got := answerKind(p.ask(request("sign_req", uuid(1), authKey,
			votePayload("good", nowNonce())))); got != "ack" {
			t.Errorf("a good request after bad frames: %s", got)
		}
	})
}

// commentOfSize is a comment that makes a transaction of that many bytes, with its signature.
func commentOfSize(size int) string {
	const rest = 96 // 30 of them around the body, 66 for the signature
	return `["comment",{"parent_author":"","parent_permlink":"x","author":"alice","permlink":"p","title":"t","body":"` +
		strings.Repeat("b", size-rest) + `","json_metadata":""}]`
}

// Operations that are not allowed, not known, or not to be signed by anybody.
func TestRefusedOperations(t *testing.T) {
	cases := []struct{ name, keyType, ops, want, text string }{
		{"not allowed", "posting", `["comment",{"parent_author":"","parent_permlink":"x","author":"alice",` +
			`"permlink":"p","title":"t","body":"b","json_metadata":""}]`, "nack", ""},
		{"unknown name", "posting", `["become_rich",{}]`, "err", protocol.TextNotSupported},
		{"owner level", "active", `["change_recovery_account",{"account_to_recover":"alice",` +
			`"new_recovery_account":"mallory","extensions":[]}]`, "err", protocol.TextNotSupported},
		{"posting key for a transfer", "posting",
			`["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":""}]`, "nack", ""},
		{"another account's money", "active",
			`["transfer",{"from":"bob","to":"alice","amount":"1.000 HIVE","memo":""}]`, "nack", ""},
		{"plain memo", "active", `["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":"#secret"}]`,
			"nack", ""},
		{"unknown field", "posting", `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"extra":1}]`,
			"err", protocol.TextInvalid},
		{"as large as can be", "posting", commentOfSize(65280), "nack", ""}, // well formed; no rule allows it
		{"too large by one byte", "posting", commentOfSize(65281), "err", protocol.TextNotSupported},
		{"STEEM", "active", `["transfer",{"from":"alice","to":"bob","amount":"1.000 STEEM","memo":""}]`, "err",
			protocol.TextInvalid},
	}
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		for i, c := range cases {
			payload := fmt.Sprintf(`{"key_type":%q,"ops":[%s],"broadcast":true,"nonce":%d}`, c.keyType, c.ops,
				nowNonce()+int64(i))
			m := p.ask(request("sign_req", uuid(i), authKey, payload))
			if got := answerKind(m); got != c.want || (c.text != "" && errorText(m, authKey) != c.text) {
				t.Errorf("%s: %s %q, want %s %q", c.name, got, errorText(m, authKey), c.want, c.text)
			}
			w.release()
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
	})
}

// A nack carries the sealed uuid and the fixed text, and nothing else of ours.
func TestNackContent(t *testing.T) {
	puppets(t, "version: 1\n", func(t *testing.T, w *world, p *puppet) {
		m, ok := p.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))).(protocol.Nack)
		if !ok || m.Error != protocol.TextRefused {
			t.Fatalf("%+v", m)
		}
		if clear := opened(t, m.Data); clear != uuid(1) {
			t.Errorf("data opens to %q", clear)
		}
		if json.Valid([]byte(uuid(1))) {
			t.Error("the sealed text of a nack parses as JSON")
		}
	})
}

// A relay that brings one old request over and over fills neither disk nor trail: the session does
// not listen to it after a while, and of each replay only that it was one is recorded.
func TestReplayStorm(t *testing.T) {
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", nowNonce()))
		if got := answerKind(p.ask(q)); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		answers := 0
		for i := range 120 {
			if p.askFor(with(q, "uuid", uuid(2+i)), time.Second) != nil {
				answers++
			}
		}
		if answers != 100 {
			t.Errorf("%d replays were answered, want 100", answers)
		}
		page, err := w.trail().Page(t.Context(), audit.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Type == "request" && r.Verdict == "denied" && strings.Contains(string(r.Content), `"operations"`) {
				t.Fatalf("a replay is recorded with its operations: %s", r.Content)
			}
		}
		w.release()
		if got := answerKind(p.ask(request("sign_req", uuid(999), authKey,
			votePayload("new", nowNonce())))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
	})
}
