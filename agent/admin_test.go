package agent_test

import (
	"testing"

	"pksa/agent"
)

// Sessions made by an ended slot end with it.
func TestRemovedAppIsSilent(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		if _, err := (agent.Admin{Ledger: w.ledger, Keys: w.keys}).RemoveApp(t.Context(), "app"); err != nil {
			t.Fatal(err)
		}
		if got := answerKind(script.ask(request("sign_req", uuid(1), authKey,
			votePayload("p", nowNonce())))); got != "nothing" {
			t.Errorf("a session of a removed app: %s", got)
		}
	})
}
