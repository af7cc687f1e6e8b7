package client_test

import (
	"errors"
	"strconv"
	"strings"
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
			return relaytest.Fail(req, authKey, protocol.TextBroadcastUncertain+" "+txID)
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
			`the wallet refused the auth request: "no" (not sealed for this request: the relay may have said so, and ` +
				`it may have been carried out)`},
		{&client.FailedError{Kind: protocol.Sign, Text: protocol.TextBroadcastUncertain + " " + txID, Verified: true},
			`the wallet does not know what became of the sign request: "broadcast uncertain ` + txID + `"`},
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

// An answer is verified only if it is sealed for the request that it answers. The relay chooses the
// uuids: it can have a wallet refuse another request under the uuid of this one.
func TestVerifiedIsForThisRequest(t *testing.T) {
	reason := func(text string) relaytest.Fault {
		return relaytest.Script(toClient("sign_nack", 0, relaytest.Set(map[string]any{"error": text})))
	}
	cases := map[string]struct {
		fault    relaytest.Fault
		answer   func(req, earlier protocol.Request, authKey string) protocol.Message
		want     error
		verified bool
	}{
		"its refusal": {nil, func(req, _ protocol.Request, authKey string) protocol.Message {
			return relaytest.Refuse(req, authKey)
		}, client.ErrRefused, true},
		"its failure": {nil, func(req, _ protocol.Request, authKey string) protocol.Message {
			return relaytest.Fail(req, authKey, protocol.TextNonce)
		}, client.ErrNonce, true},
		"the refusal of another request under its uuid": {nil,
			func(req, earlier protocol.Request, authKey string) protocol.Message {
				earlier.UUID = req.UUID
				return relaytest.Refuse(earlier, authKey)
			}, client.ErrRefused, false},
		"the failure of another request": {nil,
			func(req, earlier protocol.Request, authKey string) protocol.Message {
				earlier.UUID = req.UUID
				return relaytest.Fail(earlier, authKey, protocol.TextNonce)
			}, client.ErrNonce, false},
		"a refusal with a changed reason": {reason(protocol.TextBroadcastCredits),
			func(req, _ protocol.Request, authKey string) protocol.Message {
				return relaytest.Refuse(req, authKey)
			}, client.ErrCredits, false},
		"a refusal without its reason": {reason(""), func(req, _ protocol.Request, authKey string) protocol.Message {
			return relaytest.Refuse(req, authKey)
		}, client.ErrRefused, false},
		// It must not be asked again because of a relay.
		"busy, by the relay": {reason(protocol.TextBusy), func(req, _ protocol.Request,
			authKey string) protocol.Message {
			return relaytest.Refuse(req, authKey)
		}, client.ErrFailed, false},
		"what is sealed for another kind of answer": {nil,
			func(req, _ protocol.Request, authKey string) protocol.Message {
				req.Kind = protocol.Challenge
				m := relaytest.Refuse(req, authKey).(protocol.Nack)
				m.Kind = protocol.Sign
				return m
			}, client.ErrRefused, false},
		"the refusal of a wallet that binds nothing": {nil,
			func(req, _ protocol.Request, authKey string) protocol.Message {
				data := relaytest.Seal(authKey, string(req.UUID))
				return protocol.Nack{Kind: req.Kind, UUID: req.UUID, Data: data, Error: protocol.TextRefused}
			}, client.ErrRefused, false},
		"a refusal without anything sealed": {nil, func(req, _ protocol.Request, _ string) protocol.Message {
			return protocol.Nack{Kind: req.Kind, UUID: req.UUID, Error: "Request was canceled by the user."}
		}, client.ErrRefused, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, c.fault, nil)
				s := w.login()
				if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
					t.Fatal(err)
				}
				earlier := w.requests[1]
				w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
					return c.answer(req, earlier, w.authKey), true
				})
				_, err := w.client.Sign(t.Context(), s, vote(1))
				if !errors.Is(err, c.want) || errors.Is(err, client.ErrNothingDone) != c.verified ||
					verified(err) != c.verified {
					t.Errorf("error %v, verified %v; wanted %v, %v", err, verified(err), c.want, c.verified)
				}
				if says := strings.Contains(err.Error(), "the relay may have said so"); says == c.verified {
					t.Errorf("it reads %q", err)
				}
				if errors.Is(err, client.ErrBusy) || len(w.requests) != 3 {
					t.Errorf("asked %d times: %v", len(w.requests)-2, err)
				}
			})
		})
	}
}

func verified(err error) bool {
	var refused *client.RefusedError
	var failed *client.FailedError
	return errors.As(err, &refused) && refused.Verified || errors.As(err, &failed) && failed.Verified
}

// Each reason of the closed list has an error of its own, in whichever form it comes, and only what
// is certain says that nothing was done.
func TestReasons(t *testing.T) {
	reasons := map[string]error{
		protocol.TextRefused:                         client.ErrRefused,
		protocol.TextInvalid:                         client.ErrInvalid,
		protocol.TextNonce:                           client.ErrNonce,
		protocol.TextNotSupported:                    client.ErrNotSupported,
		protocol.TextSessionExpired:                  client.ErrSessionExpired,
		protocol.TextBusy:                            client.ErrBusy,
		protocol.TextInternal:                        client.ErrInternal,
		protocol.TextBroadcastCredits:                client.ErrCredits,
		protocol.TextBroadcastBalance:                client.ErrBalance,
		protocol.TextBroadcastAuthority:              client.ErrAuthority,
		protocol.TextBroadcastExpired:                client.ErrChainExpired,
		protocol.TextBroadcastRejected:               client.ErrRejected,
		protocol.TextBroadcastNoNode:                 client.ErrNoNode,
		protocol.TextBroadcastUncertain + " " + txID: client.ErrUncertain,
		"tea time": nil, // a wallet of another make, or a newer one
	}
	forms := map[string]func(protocol.Request, string, string) protocol.Message{
		"nack": relaytest.Nack, "err": relaytest.Fail,
	}
	for text, want := range reasons {
		for form, answer := range forms {
			t.Run(form+" "+text, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, nil, func(o *client.Options) { o.BusyWithin = -1 })
					s := w.login()
					w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
						return answer(req, w.authKey, text), true
					})
					_, err := w.client.Sign(t.Context(), s, vote(1))
					for other, sentinel := range reasons {
						if sentinel != nil && errors.Is(err, sentinel) != (sentinel == want) &&
							!(want == nil && form == "nack" && other == protocol.TextRefused) {
							t.Errorf("as for %q: %v is %v", other, err, sentinel)
						}
					}
					refused := want == client.ErrRefused || want == nil && form == "nack"
					if errors.Is(err, client.ErrRefused) != refused || errors.Is(err, client.ErrFailed) == refused {
						t.Errorf("error %v", err)
					}
					if chain := strings.HasPrefix(text, "broadcast failed"); errors.Is(err,
						client.ErrBroadcast) != chain {
						t.Errorf("about the chain: %v: %v", !chain, err)
					}
					// An err that tells a fault may come after a crash, and one that is not known
					// may mean anything.
					certain := want != client.ErrUncertain &&
						(form == "nack" || want != nil && want != client.ErrInternal)
					if errors.Is(err, client.ErrNothingDone) != certain || !verified(err) {
						t.Errorf("nothing done: %v, verified %v", !certain, verified(err))
					}
					if !strings.Contains(err.Error(), strconv.Quote(text)) {
						t.Errorf("it reads %q", err)
					}
				})
			})
		}
	}
}

// The wallet's word that it is busy, sealed for the request, has the client ask again, with a nonce
// of its own.
func TestBusyNackIsAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		left := 3
		w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
			left--
			return relaytest.Nack(req, w.authKey, protocol.TextBusy), left >= 0
		})
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Fatal(err)
		}
		nonces := map[protocol.Nonce]bool{}
		for _, req := range w.requests[1:] {
			text, _ := relayOpen(t, s.AuthKey(), req.Data)
			data, err := protocol.DecodeSignReqData([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			nonces[data.Nonce] = true
		}
		if len(nonces) != 4 {
			t.Errorf("%d requests, %d nonces", len(w.requests)-1, len(nonces))
		}
	})
}
