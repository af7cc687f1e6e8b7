package agent_test

import (
	"fmt"
	"testing"

	"pksa/agent/ledger"
	"pksa/protocol"
	"pksa/protocol/seal"
)

// A request that was refused when the process died, before the outcome was written, is answered as
// the refusal would have been: what a rule says to ignore is not answered then either.
func TestRefusedAndCutOff(t *testing.T) {
	cases := []struct{ record, want, text string }{
		{`{"result":"ignored","code":"denied"}`, "nothing", ""},
		{`{"result":"refused","code":"denied"}`, "nack", ""},
		{`{"result":"refused","code":"nonce"}`, "err", protocol.TextNonce},
		{`{"result":"refused","code":"unsupported"}`, "err", protocol.TextNotSupported},
		{`{"result":"failed","code":"unavailable"}`, "err", protocol.TextInternal},
		{`nonsense`, "nothing", ""},
	}
	puppets(t, "", func(t *testing.T, w *world, p *puppet) {
		relay, session := w.agent.Status().Links[0].Relay, w.ledger.Sessions()[0].ID
		requests := make([]map[string]any, len(cases))
		for i, c := range cases {
			requests[i] = request("challenge_req", uuid(1+i), authKey,
				fmt.Sprintf(`{"key_type":"posting","challenge":"hi","nonce":%d}`, nowNonce()))
			sealed, err := seal.Parse(requests[i]["data"].(string))
			if err != nil {
				t.Fatal(err)
			}
			key := ledger.RequestKey{Relay: relay, UUID: uuid(1 + i)}
			if _, err := w.ledger.Begin(ledger.Arrival{Key: key, Digest: sealed.Digest(),
				Expires: w.ledger.Now().Add(60e9)}); err != nil {
				t.Fatal(err)
			}
			_, err = w.ledger.Admit(t.Context(), ledger.Admission{Key: key, Account: "alice", Kind: "challenge",
				Session: session}, func(ledger.View) ledger.Ruling {
				return ledger.Ruling{Verdict: ledger.Denied, Record: []byte(c.record)}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		for i, c := range cases {
			if m := p.ask(requests[i]); answerKind(m) != c.want || errorText(m, authKey) != c.text {
				t.Errorf("%s: %s %q, want %s %q", c.record, answerKind(m), errorText(m, authKey), c.want, c.text)
			}
		}
	})
}
