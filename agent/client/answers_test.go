package client_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func TestRefusedFailedNobody(t *testing.T) {
	refused := func(t *testing.T, err error) {
		var e *client.RefusedError
		if !errors.As(err, &e) || !e.Verified || e.Text != protocol.TextRefused {
			t.Errorf("error %v", err)
		}
	}
	failed := func(t *testing.T, err error) {
		var e *client.FailedError
		if !errors.As(err, &e) || !e.Verified {
			t.Fatalf("error %v", err)
		}
		if id, ok := e.TransactionID(); !ok || id.String() != txID {
			t.Errorf("transaction %s, %v", id, ok)
		}
	}
	no := false
	cases := map[string]struct {
		answer func(req protocol.Request, authKey string) protocol.Message
		want   error
		check  func(t *testing.T, err error)
	}{
		"refused": {relaytest.Refuse, client.ErrRefused, refused},
		"failed": {func(req protocol.Request, authKey string) protocol.Message {
			text := relaytest.Seal(authKey, protocol.TextBroadcastUncertain+" "+txID)
			return protocol.Err{Kind: req.Kind, UUID: req.UUID, Error: text}
		}, client.ErrFailed, failed},
		"silent": {func(protocol.Request, string) protocol.Message { return nil }, client.ErrNobody, nil},
		"refusal under another key": {func(req protocol.Request, _ string) protocol.Message {
			return relaytest.Refuse(req, "another")
		}, client.ErrNobody, nil},
		"refusal of another request": {func(req protocol.Request, authKey string) protocol.Message {
			text := relaytest.Seal(authKey, "9b0e2dc3-f574-4766-abdd-c429dce11284")
			return protocol.Nack{Kind: req.Kind, UUID: req.UUID, Data: text}
		}, client.ErrNobody, nil},
		"ack says that nothing was broadcast": {func(req protocol.Request, _ string) protocol.Message {
			return protocol.Ack{Kind: req.Kind, UUID: req.UUID, Data: []byte(`"` + txID + `"`), Broadcast: &no}
		}, client.ErrBadAnswer, nil},
		"ack without an id": {func(req protocol.Request, _ string) protocol.Message {
			return protocol.BroadcastAck(req.UUID, "soon")
		}, client.ErrBadAnswer, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, nil, nil)
				s := w.login()
				w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
					return c.answer(req, w.authKey), true
				})
				_, err := w.client.Sign(t.Context(), s, vote(1))
				if !errors.Is(err, c.want) {
					t.Fatalf("error %v, wanted %v", err, c.want)
				}
				if c.check != nil {
					c.check(t, err)
				}
			})
		})
	}
}

func TestErrorTexts(t *testing.T) {
	id, err := hive.ParseTxID(txID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&client.RefusedError{Kind: protocol.Sign, Verified: true},
			"the wallet refused the sign request"},
		{&client.RefusedError{Kind: protocol.Auth, Text: "no"},
			`the wallet refused the auth request: "no" (not sealed: the relay may have said so)`},
		{&client.FailedError{Kind: protocol.Challenge, Text: "request expired", Verified: true},
			`the wallet failed the challenge request: "request expired"`},
		{&client.RelayError{Text: "too many requests"},
			`the relay did not take the request: "too many requests"`},
		{&client.UnconfirmedError{ID: id, Err: client.ErrNoTransaction},
			"the wallet reports a broadcast that the chain does not show: " + txID + ": no such transaction"},
	} {
		if c.err.Error() != c.want {
			t.Errorf("%q, wanted %q", c.err, c.want)
		}
	}
}

// TestHostileWire: whatever the relay does to an answer, the client returns nothing false.
func TestHostileWire(t *testing.T) {
	other := map[string]any{"uuid": "9b0e2dc3-f574-4766-abdd-c429dce11284"}
	cases := map[string]struct {
		fault relaytest.Fault
		want  error
	}{
		"flipped bit":     {relaytest.FlipBit("data", 0), client.ErrNobody},
		"other uuid":      {relaytest.Set(other), client.ErrNobody},
		"dropped":         {relaytest.Drop, client.ErrNobody},
		"other kind":      {relaytest.Set(map[string]any{"cmd": "auth_ack"}), client.ErrNobody},
		"made a refusal":  {relaytest.Set(map[string]any{"cmd": "challenge_nack"}), client.ErrNobody},
		"duplicated":      {relaytest.Duplicate(5), nil},
		"late":            {relaytest.Delay(30 * time.Second), nil},
		"after garbage":   {func(w *relaytest.Wire, f relaytest.Frame) { relaytest.Malformed(w, f); w.Pass(f) }, nil},
		"too late":        {relaytest.Delay(2 * time.Minute), client.ErrNobody},
		"with complaints": {relaytest.Inject(`{"cmd":"error","error":"x"}`), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, relaytest.Script(toClient("challenge_ack", 0, c.fault)), nil)
				s := w.login()
				_, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: "hello"})
				if !errors.Is(err, c.want) {
					t.Errorf("error %v, wanted %v", err, c.want)
				}
			})
		})
	}
}

func TestSwappedAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fault := relaytest.Script(relaytest.Rule{When: relaytest.On(relaytest.ToClient, "challenge_ack"),
			Do: relaytest.SwapUUIDs})
		w := newWorld(t, fault, nil)
		s := w.login()
		var asking sync.WaitGroup
		for _, text := range []string{"one", "two"} {
			asking.Go(func() {
				_, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: text})
				if !errors.Is(err, client.ErrBadAnswer) {
					t.Errorf("%s: error %v", text, err)
				}
			})
		}
		asking.Wait()
	})
}
