package client_test

import (
	"errors"
	"testing"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func TestDecrypt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		memo, err := mallory.EncodeMemo(alice.Public(), "#for alice only", 1)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
		if err != nil || proof.Text != "for alice only" || proof.Key != alice.Public() || !proof.Verified {
			t.Errorf("proof %+v, %v", proof, err)
		}
	})
}

// The relay can hand over the text of one memo in place of another: both answers are sealed for the
// session, and the uuid is not in them.
func TestTextOfAnotherMemoIsNotVerified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		ask := func(text string) (*client.Proof, error) {
			memo, err := mallory.EncodeMemo(alice.Public(), text, 1)
			if err != nil {
				t.Fatal(err)
			}
			return w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
		}
		if _, err := ask("#one"); err != nil {
			t.Fatal(err)
		}
		first := w.requests[1]
		w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
			first.UUID = req.UUID
			m, err := relaytest.Approve(first, w.authKey, alice, txID)
			if err != nil {
				t.Error(err)
			}
			return m, true
		})
		if proof, err := ask("#two"); err != nil || proof.Text != "one" || proof.Verified {
			t.Errorf("proof %+v, %v", proof, err)
		}
	})
}

func TestChallengeAnswersThatCannotBeRight(t *testing.T) {
	answer := func(change func(*protocol.ChallengeAckData)) func(*world, protocol.Request) protocol.Message {
		return func(w *world, req protocol.Request) protocol.Message {
			signature, _ := alice.SignCanonical(hive.HashText("hello"))
			data := protocol.ChallengeAckData{PubKey: alice.Public(), Challenge: client.Secret(signature.String())}
			change(&data)
			text, err := data.Encode()
			if err != nil {
				w.t.Error(err)
			}
			return protocol.Ack{Kind: req.Kind, UUID: req.UUID, Data: []byte(relaytest.Seal(w.authKey, string(text)))}
		}
	}
	cases := map[string]func(*world, protocol.Request) protocol.Message{
		"another key named": answer(func(d *protocol.ChallengeAckData) { d.PubKey = mallory.Public() }),
		"no signature":      answer(func(d *protocol.ChallengeAckData) { d.Challenge = "00" }),
		"text instead":      answer(func(d *protocol.ChallengeAckData) { d.Challenge = "#hello" }),
		"signed another text": answer(func(d *protocol.ChallengeAckData) {
			s, _ := alice.Sign(hive.HashText("bye"))
			d.Challenge = client.Secret(s.String())
		}),
		"key of nobody": answer(func(d *protocol.ChallengeAckData) {
			s, _ := mallory.Sign(hive.HashText("hello"))
			d.PubKey, d.Challenge = mallory.Public(), client.Secret(s.String())
		}),
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, nil, func(o *client.Options) { o.Keys = keys })
				s := w.login()
				w.setAnswer(func(req protocol.Request) (protocol.Message, bool) { return answer(w, req), true })
				_, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: "hello"})
				if !errors.Is(err, client.ErrBadAnswer) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
