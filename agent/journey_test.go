package agent_test

import (
	"encoding/json"
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

func TestSignOnly(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		q := vote("mine")
		q.SignOnly = true
		signed, err := c.Sign(t.Context(), s, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(signed.Keys) != 1 || signed.Keys[0] != keyOf("alice", hive.Posting).Public() ||
			w.chain.Count(signed.ID) != 0 {
			t.Errorf("signed only: %+v, on chain %d times", signed, w.chain.Count(signed.ID))
		}
		var tx struct{ Signatures []string }
		if err := json.Unmarshal(signed.Transaction, &tx); err != nil || len(tx.Signatures) != 1 {
			t.Errorf("transaction: %s, %v", signed.Transaction, err)
		}
	})
}

func TestDecrypt(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		memo, err := keyOf("bob", hive.Memo).EncodeMemo(keyOf("alice", hive.Memo).Public(), "#for alice only", 1)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
		if err != nil || proof.Text != "for alice only" {
			t.Errorf("%+v, %v", proof, err)
		}
		foreign, err := keyOf("bob", hive.Memo).EncodeMemo(keyOf("carol", hive.Memo).Public(), "#for carol", 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: foreign,
			Decrypt: true}); !errors.Is(err, client.ErrFailed) {
			t.Errorf("a memo for somebody else: %v", err)
		}
	})
}

// Two equal requests in the same second are two transactions.
func TestEqualOperationsDiffer(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		one, err := c.Sign(t.Context(), s, vote("same"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.Sign(t.Context(), s, vote("same"))
		if err != nil {
			t.Fatal(err)
		}
		if one.ID == two.ID {
			t.Error("two requests were answered with one transaction")
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

// A known session asks again: it keeps its end and its token.
func TestAuthAgain(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		time.Sleep(time.Hour)
		grant, err := c.Authenticate(t.Context(), client.Auth{Account: "alice", Session: s})
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(grant.Expires); left > 23*time.Hour {
			t.Errorf("the session was extended: %s left", left)
		}
		if n := len(w.ledger.Sessions()); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestSessionExpires(t *testing.T) {
	const short = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 10m}
  - {name: votes, request: sign, apps: any, operations: [vote]}
`
	within(t, worldOptions{policy: short}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		time.Sleep(11 * time.Minute)
		stale := client.NewSession("alice", s.AuthKey())
		if _, err := c.Sign(t.Context(), stale, vote("too late")); !errors.Is(err, client.ErrNobody) {
			t.Errorf("an expired session heard %v", err)
		}
	})
}

// pass is a faithful wire that can be cut.
var pass relaytest.Fault = relaytest.Pass
