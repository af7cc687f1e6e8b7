package agent_test

import (
	"errors"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol/hive"
)

func vote(permlink string) client.SignRequest {
	return client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{Name: "vote", Fields: map[string]any{
		"voter": "alice", "author": "bob", "permlink": permlink, "weight": 100,
	}}}}
}

func transfer(to, amount string) client.SignRequest {
	return client.SignRequest{Role: hive.Active,
		Operations: []client.Operation{{Name: "transfer", Fields: map[string]any{
			"from": "alice", "to": to, "amount": amount, "memo": "",
		}}}}
}

// The whole way, once: login, challenge, vote, refusal.
func TestJourney(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		grant, err := c.Authenticate(t.Context(), client.Auth{
			Account: "alice", Secret: secret, Challenge: &client.Challenge{Role: hive.Posting,
				Text: `{"login":"alice"}`},
		})
		if err != nil {
			t.Fatal(err)
		}
		if until := time.Until(grant.Expires); until < 23*time.Hour || until > 24*time.Hour {
			t.Errorf("session lasts %s", until)
		}
		if grant.Proof == nil || grant.Proof.Key != keyOf("alice", hive.Posting).Public() {
			t.Errorf("challenge in the login: %+v", grant.Proof)
		}
		proof, err := c.Challenge(t.Context(), grant.Session, client.Challenge{Role: hive.Memo, Text: "hello"})
		if err != nil || proof.Key != keyOf("alice", hive.Memo).Public() || !proof.Signature.IsCanonical() {
			t.Errorf("challenge: %+v, %v", proof, err)
		}
		signed, err := c.Sign(t.Context(), grant.Session, vote("first"))
		if err != nil {
			t.Fatalf("vote: %v", err)
		}
		if n := w.chain.Count(signed.ID); n != 1 {
			t.Errorf("the vote is on the chain %d times", n)
		}
		if _, err := c.Sign(t.Context(), grant.Session, transfer("carol", "1.000 HBD")); !errors.Is(err,
			client.ErrRefused) {
			t.Errorf("transfer to a stranger: %v", err)
		}
		if signed, err = c.Sign(t.Context(), grant.Session, transfer("bob", "1.000 HBD")); err != nil ||
			w.chain.Count(signed.ID) != 1 {
			t.Errorf("transfer to bob: %v", err)
		}
	})
}

// A link that is cut heals, and what was asked meanwhile is answered once.
func TestCutAndHealed(t *testing.T) {
	within(t, worldOptions{fault: pass}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		w.relay.Cut()
		signed, err := c.Sign(t.Context(), s, vote("after the cut"))
		if errors.Is(err, client.ErrLost) { // the relay did not take it: the client's own link was cut too
			signed, err = c.Sign(t.Context(), s, vote("after the cut"))
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := w.chain.Count(signed.ID); n != 1 {
			t.Errorf("on the chain %d times", n)
		}
	})
}

// pass is a faithful wire that can be cut.
var pass relaytest.Fault = relaytest.Pass
