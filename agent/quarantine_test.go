package agent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/protocol"
)

// wantQuarantine looks at the one session that is silent, in status and in the list of sessions.
func (w *world) wantQuarantine(reason string) {
	w.t.Helper()
	list := w.agent.Status().Quarantine
	if len(list) != 1 || list[0].Reason != reason {
		w.t.Fatalf("status shows %+v, want one for %q", list, reason)
	}
	result, err := w.agent.Methods()[agent.MethodSessionList](w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		w.t.Fatal(err)
	}
	var shown []struct {
		ID         ledger.SessionID
		Quarantine []map[string]any
	}
	if err := json.Unmarshal(text, &shown); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range shown {
		quiet := len(s.Quarantine) == 1 && s.Quarantine[0]["reason"] == reason
		if quiet != (s.ID == list[0].Session) {
			w.t.Errorf("session %d is shown with %v", s.ID, s.Quarantine)
		}
	}
}

// Five damaged requests silence a session on the relay that sent them, and only there.
func TestQuarantine(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		other := "11111111-5a35-47cb-a6b4-e8c4d3144cf9"
		w.session(other)
		for i := range 5 {
			m := script.ask(cutOff(request("sign_req", uuid(i), authKey, votePayload("p", nowNonce()))))
			if errorText(m, authKey) != protocol.TextInvalid {
				t.Fatalf("%d: %s %q", i, answerKind(m), errorText(m, authKey))
			}
		}
		w.wantQuarantine("too many damaged requests")
		good := request("sign_req", uuid(10), authKey, votePayload("good", nowNonce()))
		if got := answerKind(script.ask(good)); got != "nothing" {
			t.Errorf("a session in quarantine: %s", got)
		}
		if got := answerKind(script.ask(request("sign_req", uuid(11), other,
			votePayload("other", nowNonce())))); got != "ack" {
			t.Errorf("another session of the account: %s", got)
		}
		w.release()
		if got := answerKind(script.ask(request("sign_req", uuid(12), authKey,
			votePayload("again", nowNonce())))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
	})
}

// A relay that brings one old request over and over fills neither disk nor trail: the session does
// not listen to it after a while, and of each replay only that it was one is recorded.
func TestReplayStorm(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", nowNonce()))
		if got := answerKind(script.ask(q)); got != "ack" {
			t.Fatalf("first: %s", got)
		}
		answers := 0
		for i := range 120 {
			if script.askFor(with(q, "uuid", uuid(2+i)), time.Second) != nil {
				answers++
			}
		}
		if answers != 100 {
			t.Errorf("%d replays were answered, want 100", answers)
		}
		w.wantQuarantine("too many replays")
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
		if got := answerKind(script.ask(request("sign_req", uuid(999), authKey,
			votePayload("new", nowNonce())))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
	})
}

// A session in quarantine is silent on the relay whatever its key comes with: the relay can put an
// altered payload beside the auth_key of a genuine request.
func TestQuarantineHoldsForAuth(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		if got := answerKind(script.ask(inService(uuid(1), `{"app":{"name":"x"}}`))); got != "ack" {
			t.Fatalf("login: %s", got)
		}
		for i := range 5 {
			script.ask(cutOff(request("sign_req", uuid(10+i), authKey, votePayload("p", nowNonce()))))
		}
		if got := answerKind(script.ask(request("sign_req", uuid(20), authKey,
			votePayload("p", nowNonce())))); got != "nothing" {
			t.Fatalf("not in quarantine: %s", got)
		}
		if got := answerKind(script.ask(inService(uuid(2), `{"app":{"name":"x"}}`))); got != "nothing" {
			t.Errorf("an auth_req with the slot's auth_key: %s", got)
		}
		w.release()
		if got := answerKind(script.ask(inService(uuid(3), `{"app":{"name":"x"}}`))); got != "ack" {
			t.Errorf("after the release: %s", got)
		}
	})
}

func TestQuarantineIsRecorded(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for i := range 5 {
			script.ask(request("sign_req", uuid(i), authKey, `{"key_type":"posting","ops":[],"nonce":`+fmt.Sprint(i)))
		}
		got := w.events("session quarantined")
		if len(got) != 1 || got[0].Session != w.ledger.Sessions()[0].ID || got[0].Account != "alice" ||
			got[0].App != "app" {
			t.Errorf("recorded: %+v", got)
		}
	})
}

// TestOthersGoOn: one session of an account is attacked until it is silent; another goes on, over
// the same relay.
func TestOthersGoOn(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		w.session(authKey)
		const other = "another session's key"
		w.session(other)
		for n := range 8 {
			script.ask(cutOff(request("sign_req", uuid(n), authKey, votePayload("p", nowNonce()))))
		}
		list := w.agent.Status().Quarantine
		if len(list) != 1 || list[0].Until.Before(time.Now()) {
			t.Fatalf("in quarantine: %+v", list)
		}
		ask := func(n int, key string) string {
			payload := fmt.Sprintf(`{"key_type":"posting","challenge":"hello","decrypt":false,"nonce":%d}`,
				time.Now().UnixMilli())
			return answerKind(script.ask(request("challenge_req", uuid(n), key, payload)))
		}
		if got := ask(100, authKey); got != "nothing" {
			t.Errorf("the attacked session was answered with %s", got)
		}
		if got := ask(101, other); got != "ack" {
			t.Errorf("the other session was answered with %s", got)
		}
		time.Sleep(11 * time.Minute)
		if got := ask(102, authKey); got != "ack" {
			t.Errorf("after the quarantine the session was answered with %s", got)
		}
	})
}
