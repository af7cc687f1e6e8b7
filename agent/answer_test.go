package agent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/seal"
)

// What we answer must be what hive-auth-wrapper reacts to as it should. For each of our answers the
// vectors have one of the same command and form with the reaction: ours must have its members, and
// open (or not) as it does.
func TestAnswersHaveTheFormThatClientsReactTo(t *testing.T) {
	var v struct {
		AuthKey string `json:"auth_key"`
		UUID    string `json:"request_uuid"`
		Vectors []struct {
			Name    string
			Sends   []map[string]any `json:"relay_sends"`
			Outcome struct{ State string }
		}
	}
	readVectors(t, "wrapper_reactions.json", &v)
	reaction := func(name string) (map[string]any, string) {
		for _, one := range v.Vectors {
			if one.Name == name {
				return one.Sends[len(one.Sends)-1], one.Outcome.State
			}
		}
		t.Fatalf("no vector %q", name)
		return nil, ""
	}
	nonce := func() int64 { return time.Now().UnixMilli() }
	cases := []struct {
		vector, state, policy string
		cmd                   string
		payload               func() string
		sealed                string // the member that opens with the auth_key; empty if none does
	}{
		{"auth_ack-good", "resolved", "", "auth_req",
			func() string { return `{"app":{"name":"x"},"challenge":{"key_type":"posting","challenge":"c"}}` }, "data"},
		{"auth_nack-good", "rejected", refuseAll, "auth_req", func() string { return `{"app":{"name":"x"}}` }, "data"},
		{"auth_err-plain", "rejected", "documented", "auth_req", func() string { return `{}` }, ""},
		{"sign_ack-good", "resolved", "", "sign_req", func() string { return votePayload("p", nonce()) }, ""},
		{"sign_nack-data-is-not-checked", "rejected", refuseAll, "sign_req",
			func() string { return votePayload("p", nonce()) }, "data"},
		{"sign_err-encrypted", "rejected", "documented", "sign_req", func() string { return `{}` }, "error"},
		{"challenge_ack-good", "resolved", "", "challenge_req",
			func() string { return fmt.Sprintf(`{"key_type":"posting","challenge":"c","nonce":%d}`, nonce()) }, "data"},
		{"challenge_nack-data-is-not-checked", "rejected", refuseAll, "challenge_req",
			func() string { return fmt.Sprintf(`{"key_type":"posting","challenge":"c","nonce":%d}`, nonce()) }, "data"},
		{"challenge_err-encrypted", "rejected", "documented", "challenge_req", func() string { return `{}` }, "error"},
	}
	for _, c := range cases {
		t.Run(c.vector, func(t *testing.T) {
			want, state := reaction(c.vector)
			if state != c.state {
				t.Fatalf("the vector ends %s", state)
			}
			policy := c.policy
			if policy == agent.AnswersDocumented {
				policy = ""
			}
			withScript(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
				if c.policy == agent.AnswersDocumented {
					w.documented()
				}
				m := script.ask(request(c.cmd, v.UUID, authKey, c.payload()))
				frame, err := protocol.Encode(m)
				if err != nil {
					t.Fatal(err)
				}
				var got map[string]any
				if err := json.Unmarshal(frame, &got); err != nil {
					t.Fatal(err)
				}
				checkForm(t, got, want)
				if c.sealed != "" {
					if _, err := relaytest.Open(authKey, got[c.sealed].(string)); err != nil {
						t.Errorf("%s does not open: %v", c.sealed, err)
					}
				}
				if got["pok"] == "" || got["pok"] == nil {
					t.Error("no proof of key for the relay")
				}
			})
		})
	}
}

// checkForm compares the members of an answer with those of the vector: ours may have more.
func checkForm(t *testing.T, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		ours, ok := got[name]
		if !ok {
			t.Errorf("%s is missing", name)
		} else if fmt.Sprintf("%T", ours) != fmt.Sprintf("%T", value) {
			t.Errorf("%s is a %T, the client takes a %T", name, ours, value)
		}
	}
	if got["cmd"] != want["cmd"] || got["uuid"] != want["uuid"] {
		t.Errorf("%v %v", got["cmd"], got["uuid"])
	}
}

// Every message that a relay sends a wallet is taken: requests are answered, the rest disturbs
// nothing.
func TestMessageVectors(t *testing.T) {
	var v struct {
		AuthKey string `json:"auth_key"`
		NowMS   int64  `json:"now_ms"`
		Vectors []struct {
			Name, Direction string
			Message         json.RawMessage
		}
	}
	readVectors(t, "messages.json", &v)
	answered := []string{"auth_req-service-mode", "auth_req-v1-to-pksa", "auth_req-v0-to-pksa", "sign_req-v1",
		"sign_req-v0", "challenge_req", "challenge_req-wrapper-no-nonce", "challenge_req-decrypt"}
	seen := 0
	for _, one := range v.Vectors {
		if one.Direction != "relay>pksa" && one.Direction != "relay>any" || one.Name == "connected-v1" ||
			one.Name == "connected-v0" || one.Name == "key_ack" {
			continue
		}
		seen++
		t.Run(one.Name, func(t *testing.T) {
			q := requestVectors{AuthKey: v.AuthKey, NowMS: v.NowMS}
			atVectorTime(t, &q, 0, false, func(t *testing.T, w *world, script *scriptedClient) {
				got := answerKind(script.askFrame(one.Message))
				if want := slices.Contains(answered, one.Name); want != (got == "ack") {
					t.Errorf("answered with %s", got)
				}
				if got := answerKind(script.ask(request("sign_req", uuid(99), v.AuthKey,
					votePayload("after", nowNonce()+1000)))); got != "ack" {
					t.Errorf("a good request after it: %s", got)
				}
			})
		})
	}
	if seen < 9 {
		t.Errorf("%d messages tried", seen)
	}
}

// documented has the slot "app" get the documented form of answers from now on.
func (w *world) documented() {
	w.t.Helper()
	admin := agent.Admin{Ledger: w.ledger, Keys: w.keys}
	if _, err := admin.SetAnswers(w.t.Context(), "app", agent.AnswersDocumented); err != nil {
		w.t.Fatal(err)
	}
}

// The form of answers is the operator's choice for an app, and holds at once and after a restart.
// In the documented form the relay reads no reason.
func TestFormOfAnswers(t *testing.T) {
	withScript(t, "version: 1\ndeny: [{name: all}]\n", func(t *testing.T, w *world, script *scriptedClient) {
		ask := func(i int) protocol.Message {
			return script.ask(request("sign_req", uuid(i), authKey, votePayload("p", nowNonce())))
		}
		if m := ask(1); answerKind(m) != "nack" || errorText(m, authKey) != protocol.TextRefused {
			t.Errorf("at first: %+v", m)
		}
		w.documented()
		if m := ask(2); answerKind(m) != "err" || errorText(m, authKey) != protocol.TextRefused ||
			strings.Contains(fmt.Sprint(m), protocol.TextRefused) {
			t.Errorf("documented: %+v", m)
		}
		if m := script.ask(request("auth_req", uuid(3), authKey, `{"app":{"name":"x"}}`)); answerKind(m) != "err" ||
			errorText(m, authKey) != protocol.TextAuthFailed {
			t.Errorf("auth: %+v", m)
		}
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if m := ask(4); answerKind(m) != "err" {
			t.Errorf("after a restart: %+v", m)
		}
		admin := agent.Admin{Ledger: w.ledger, Keys: w.keys}
		if _, err := admin.SetAnswers(t.Context(), "app", agent.AnswersNack); err != nil {
			t.Fatal(err)
		}
		if m := ask(5); answerKind(m) != "nack" {
			t.Errorf("changed back: %+v", m)
		}
	})
}

// What is sealed in an answer names the request, its own kind and the reason: an application that
// knows of this takes it for no other request, whatever uuid the relay gives to either.
func TestAnswersAreBound(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		challenge := func(nonce int64) string {
			return fmt.Sprintf(`{"key_type":"posting","challenge":"hi","nonce":%d}`, nonce)
		}
		bound := func(name string, q map[string]any, data, cmd, text string) {
			t.Helper()
			asked, err := seal.Parse(q["data"].(string))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := seal.Parse(data)
			if err != nil || !answer.HasSalt(seal.Binding(authKey, asked.Digest(), cmd, text)) {
				t.Errorf("%s: not bound to its request (%v)", name, err)
			}
		}
		q := request("challenge_req", uuid(1), authKey, challenge(nowNonce()))
		ack := script.ask(q).(protocol.Ack)
		bound("ack", q, string(ack.Data), "challenge_ack", opened(t, string(ack.Data)))
		q = request("challenge_req", uuid(2), authKey, challenge(nowNonce()-60_000))
		nack := script.ask(q).(protocol.Nack)
		bound("nack", q, nack.Data, "challenge_nack", protocol.TextNonce)
		q = request("auth_req", uuid(3), authKey, `{"app":{"name":"x"}}`)
		ack = script.ask(q).(protocol.Ack)
		bound("auth", q, string(ack.Data), "auth_ack", opened(t, string(ack.Data)))
		w.documented()
		q = request("challenge_req", uuid(4), authKey, challenge(nowNonce()-60_000))
		e := script.ask(q).(protocol.Err)
		bound("documented", q, e.Error, "challenge_err", protocol.TextNonce)
	})
}

// A nack carries the sealed uuid and the fixed text, and nothing else of ours.
func TestNackContent(t *testing.T) {
	withScript(t, "version: 1\n", func(t *testing.T, w *world, script *scriptedClient) {
		m, ok := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce()))).(protocol.Nack)
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
