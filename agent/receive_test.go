package agent_test

import (
	"testing"

	"pksa/protocol"
)

// The same request again, as after a reconnect: the recorded answer, with a fresh proof, and no
// second transaction.
func TestSameRequestAgain(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		q := request("sign_req", uuid(1), authKey, votePayload("once", nowNonce()))
		first, second := script.ask(q), script.ask(q)
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

// Frames of any kind leave the agent alive and answering.
func TestMalformedFrames(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for _, frame := range []string{"", "ping", "[]", "{", `{"cmd":"sign_req"}`, `{"cmd":"sign_req","uuid":1}`,
			`{"cmd":"nonsense"}`,
			`{"cmd":"error","error":"x"}`, `{"cmd":"connected","timeout":60,"protocol":1}`, "\x00",
			`{"cmd":"sign_req","cmd":"auth_req"}`} {
			script.say([]byte(frame))
		}
		if got := answerKind(script.ask(request("sign_req", uuid(1), authKey,
			votePayload("good", nowNonce())))); got != "ack" {
			t.Errorf("a good request after bad frames: %s", got)
		}
	})
}
