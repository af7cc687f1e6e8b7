package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func TestServiceMode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, func(o *client.Options) { o.Keys = keys })
		grant, err := w.client.Authenticate(t.Context(), client.Auth{
			Account: "alice", Secret: slotSecret, Challenge: &client.Challenge{Role: hive.Posting, Text: "login"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if grant.Proof == nil || grant.Proof.Key != alice.Public() || !grant.Proof.OfAccount || !grant.Proof.Verified ||
			time.Until(grant.Expires) < 23*time.Hour {
			t.Errorf("grant %+v", grant)
		}
		signed, err := w.client.Sign(t.Context(), grant.Session, vote(100))
		if err != nil || signed.ID.String() != txID || signed.Confirmed {
			t.Errorf("signed %+v, %v", signed, err)
		}
		hello := client.Challenge{Role: hive.Posting, Text: "hello"}
		proof, err := w.client.Challenge(t.Context(), grant.Session, hello)
		if err != nil || !proof.Signature.Verify(hive.HashText("hello"), alice.Public()) {
			t.Errorf("proof %+v, %v", proof, err)
		}
		// The session goes on without the secret, under the same auth_key.
		again, err := w.client.Authenticate(t.Context(), client.Auth{Account: "alice"})
		if err != nil || again.Session != grant.Session {
			t.Errorf("again %+v, %v", again, err)
		}
	})
}

func TestWrongSecretIsNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		_, err := w.client.Authenticate(t.Context(), client.Auth{Account: "alice", Secret: "another"})
		if !errors.Is(err, client.ErrNobody) || !errors.Is(err, client.ErrExpired) {
			t.Errorf("error %v", err)
		}
	})
}

func TestPairing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		scanned := make(chan protocol.PairingLink, 1)
		w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
			link := <-scanned
			if link.UUID != req.UUID {
				t.Errorf("link for %s, request %s", link.UUID, req.UUID)
			}
			m, err := relaytest.Approve(req, string(link.Key), alice, txID)
			if err != nil {
				t.Error(err)
			}
			return m, true
		})
		pairing, err := w.client.Pair(t.Context(), client.Auth{
			Account: "alice", Challenge: &client.Challenge{Role: hive.Memo, Text: "hi"},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		link, err := protocol.ParsePairingLink(pairing.Link())
		if err != nil {
			t.Fatal(err)
		}
		scanned <- link
		grant, err := pairing.Wait(t.Context())
		if again, err := pairing.Wait(t.Context()); err == nil {
			t.Errorf("grant %+v at the second try", again)
		}
		if err != nil || grant.Session.AuthKey() != string(link.Key) || link.Account != "alice" ||
			link.Host != w.server.URL {
			t.Errorf("link %v, grant %+v, %v", link, grant, err)
		}
	})
}

// TestPairingIsWaitedForOnce: a Wait that ended without a grant must not be taken for one when the
// caller tries again.
func TestPairingIsWaitedForOnce(t *testing.T) {
	for name, refuse := range map[string]bool{"context ended": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, nil, nil)
				w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
					if refuse {
						return protocol.Nack{Kind: req.Kind, UUID: req.UUID}, true
					}
					return nil, true
				})
				pairing, err := w.client.Pair(t.Context(), client.Auth{Account: "alice"})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if grant, err := pairing.Wait(ctx); err == nil {
					t.Errorf("grant %+v", grant)
				}
				if grant, err := pairing.Wait(t.Context()); err == nil {
					t.Errorf("grant %+v at the second try", grant)
				}
			})
		})
	}
}

func TestSessionOfAuthMustCarryTheProof(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		w.login()
		w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
			text, _ := protocol.AuthAckData{Expire: time.Now().Add(time.Hour).UnixMilli()}.Encode()
			sealed := relaytest.Seal(w.authKey, string(text))
			return protocol.Ack{Kind: req.Kind, UUID: req.UUID, Data: []byte(sealed)}, true
		})
		_, err := w.client.Authenticate(t.Context(), client.Auth{
			Account: "alice", Challenge: &client.Challenge{Role: hive.Posting, Text: "login"},
		})
		if !errors.Is(err, client.ErrBadAnswer) {
			t.Errorf("error %v", err)
		}
	})
}
