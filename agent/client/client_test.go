package client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	slotSecret = "a secret that is only for tests"
	txID       = "abababababababababababababababababababab"
)

// The account of these tests. Its key comes from this label and holds no money.
var (
	alice   = hive.PrivateKeyFromSeed("client test/alice")
	mallory = hive.PrivateKeyFromSeed("client test/mallory")
	silent  = slog.New(slog.NewTextHandler(io.Discard, nil))
	keys    = relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{"alice": {alice.Public()}})
)

func options(url string, dial func(context.Context, string, string) (net.Conn, error)) client.Options {
	return client.Options{Relay: "ws://" + url, DialContext: dial, App: protocol.AppInfo{Name: "bot"}, Logger: silent}
}

// world is a relay, a wallet for alice and a client.
type world struct {
	t      *testing.T
	server *relaytest.Server
	client *client.Client
	end    context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	requests []protocol.Request                              // that reached the wallet
	authKey  string                                          // of the session, once granted
	answer   func(protocol.Request) (protocol.Message, bool) // false: as usual
}

func newWorld(t *testing.T, fault relaytest.Fault, change func(*client.Options)) *world {
	t.Helper()
	server, err := relaytest.Start(relaytest.Options{Relay: relay.Options{Keys: keys, Logger: silent}, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	ctx, end := context.WithCancel(context.Background())
	w := &world{t: t, server: server, end: end}
	ready := make(chan struct{})
	wallet := &relaytest.Wallet{
		URL: server.URL, DialContext: server.DialContext,
		Keys:   map[hive.AccountName]*hive.PrivateKey{"alice": alice},
		Answer: w.respond,
		Ready:  sync.OnceFunc(func() { close(ready) }),
	}
	w.done.Go(func() {
		for ctx.Err() == nil {
			wallet.Run(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	t.Cleanup(func() { end(); w.done.Wait() })
	<-ready
	o := options("localhost", server.DialContext)
	o.Relay = server.URL
	if change != nil {
		change(&o)
	}
	w.client, err = client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.client.Close() })
	return w
}

// respond is a wallet in service mode that allows everything.
func (w *world) respond(req protocol.Request) protocol.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, req)
	if w.answer != nil {
		if m, ok := w.answer(req); ok {
			return m
		}
	}
	key := w.authKey
	if req.Kind == protocol.Auth && req.AuthKey != "" {
		opened, err := relaytest.Open(slotSecret, req.AuthKey)
		if err != nil {
			return nil
		}
		w.authKey, key = opened, slotSecret
	}
	m, err := relaytest.Approve(req, key, alice, txID)
	if err != nil {
		return nil
	}
	return m
}

func (w *world) setAnswer(f func(protocol.Request) (protocol.Message, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) login() *client.Session {
	w.t.Helper()
	grant, err := w.client.Authenticate(w.t.Context(), client.Auth{Account: "alice", Secret: slotSecret})
	if err != nil {
		w.t.Fatal(err)
	}
	return grant.Session
}

func vote(weight int) client.SignRequest {
	fields := map[string]any{"voter": "alice", "author": "bob", "permlink": "p", "weight": weight}
	return client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{Name: "vote", Fields: fields}}}
}

// toClient applies a fault to frames of one kind on their way to the client: to the first so many,
// or to all if times is 0.
func toClient(cmd string, times int, do relaytest.Fault) relaytest.Rule {
	return relaytest.Rule{When: relaytest.On(relaytest.ToClient, cmd), Times: times, Do: do}
}

// toRelay applies a fault to all frames of one kind on their way to the relay.
func toRelay(cmd string, do relaytest.Fault) relaytest.Rule {
	return relaytest.Rule{When: relaytest.On(relaytest.ToRelay, cmd), Do: do}
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestServiceMode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, func(o *client.Options) { o.Keys = keys })
		grant, err := w.client.Authenticate(t.Context(), client.Auth{
			Account: "alice", Secret: slotSecret, Challenge: &client.Challenge{Role: hive.Posting, Text: "login"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if grant.Proof == nil || grant.Proof.Key != alice.Public() || !grant.Proof.OfAccount ||
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

func TestDecrypt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		memo, err := mallory.EncodeMemo(alice.Public(), "#for alice only", 1)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
		if err != nil || proof.Text != "for alice only" || proof.Key != alice.Public() {
			t.Errorf("proof %+v, %v", proof, err)
		}
	})
}

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

// TestAttach loses the connection of the client while the wallet works, and finds the answer on the
// next one.
func TestAttach(t *testing.T) {
	cases := map[string]struct {
		fault relaytest.Fault
		after time.Duration // from the request to the answer
	}{
		"cut before the answer":  {relaytest.Cut, 3 * time.Second},
		"cut after the answer":   {relaytest.Cut, 0},
		"half open, then pinged": {relaytest.HalfOpen, 40 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				// If the answer follows at once, the ack breaks the first connection; else the next
				// ping of the client does.
				at := "sign_ack"
				if c.after > 0 {
					at = "sign_wait"
				}
				fault := toClient(at, 1, func(w *relaytest.Wire, f relaytest.Frame) {
					if f.Cmd == "sign_wait" {
						w.Pass(f)
					}
					c.fault(w, f)
				})
				w := newWorld(t, relaytest.Script(fault), nil)
				s := w.login()
				w.setAnswer(func(protocol.Request) (protocol.Message, bool) { time.Sleep(c.after); return nil, false })
				signed, err := w.client.Sign(t.Context(), s, vote(1))
				if err != nil || signed.ID.String() != txID {
					t.Fatalf("signed %+v, %v", signed, err)
				}
				if got := w.server.Relay().Status().Counters; got.Attached != 1 || got.Requests != 2 {
					t.Errorf("counters %+v", got)
				}
			})
		})
	}
}

func TestExpiredWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		another := map[string]any{"uuid": "00000000-0000-4000-8000-000000000000"}
		fault := relaytest.Script(
			toClient("sign_ack", 1, relaytest.Cut),
			toRelay("attach_req", relaytest.Set(another)),
			toClient("attach_nack", 0, relaytest.Drop),
		)
		w := newWorld(t, fault, nil)
		s := w.login()
		_, err := w.client.Sign(t.Context(), s, vote(1))
		if !errors.Is(err, client.ErrExpired) || errors.Is(err, client.ErrNobody) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRelayForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked string
		fault := relaytest.Script(
			toClient("sign_ack", 1, func(w *relaytest.Wire, f relaytest.Frame) {
				asked = f.UUID
				w.Cut()
			}),
			toRelay("attach_req", func(w *relaytest.Wire, _ relaytest.Frame) {
				w.Send(relaytest.ToClient, []byte(`{"cmd":"attach_nack","uuid":"`+asked+`"}`))
			}),
		)
		w := newWorld(t, fault, nil)
		s := w.login()
		began := time.Now()
		_, err := w.client.Sign(t.Context(), s, vote(1))
		took := time.Since(began)
		if !errors.Is(err, client.ErrExpired) || errors.Is(err, client.ErrNobody) || took > 10*time.Second {
			t.Errorf("error %v after %s", err, took)
		}
	})
}

func TestLostBeforeTheWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, relaytest.Script(toClient("sign_wait", 1, relaytest.Cut)), nil)
		s := w.login()
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrLost) {
			t.Errorf("error %v", err)
		}
		// The next request connects again.
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestNoWait: a request that the relay does not name ends the connection, since later waits would
// be taken for its own.
func TestNoWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, relaytest.Script(toClient("sign_wait", 2, relaytest.Drop)), nil)
		s := w.login()
		began := time.Now()
		_, err := w.client.Sign(t.Context(), s, vote(1))
		if took := time.Since(began); !errors.Is(err, client.ErrLost) || took != 10*time.Second {
			t.Errorf("error %v after %s", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.client.Sign(ctx, s, vote(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestForeignWait: a wait that fits no request ends the connection, for the same reason.
func TestForeignWait(t *testing.T) {
	for name, wrong := range map[string]map[string]any{"kind": {"cmd": "auth_wait"}, "account": {"account": "bob"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, relaytest.Script(toClient("sign_wait", 0, relaytest.Set(wrong))), nil)
				s := w.login()
				if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrLost) {
					t.Errorf("error %v", err)
				}
			})
		})
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

// TestManyAtOnce: requests of many goroutines get their own answers, and their nonces reach the
// wallet in order.
func TestManyAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		var asking sync.WaitGroup
		for i := range 40 {
			asking.Go(func() {
				text := string(rune('a' + i))
				proof, err := w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: text})
				if err != nil || !proof.Signature.Verify(hive.HashText(text), alice.Public()) {
					t.Errorf("%q: %+v, %v", text, proof, err)
				}
			})
		}
		asking.Wait()
		var nonces []protocol.Nonce
		for _, req := range w.requests[1:] {
			text, _ := relaytest.Open(w.authKey, req.Data)
			data, err := protocol.DecodeChallengeReqData([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			nonces = append(nonces, data.Nonce)
		}
		if len(nonces) != 40 || !slices.IsSorted(nonces) || len(slices.Compact(slices.Clone(nonces))) != 40 {
			t.Errorf("nonces %v", nonces)
		}
	})
}

func TestContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		w.setAnswer(func(protocol.Request) (protocol.Message, bool) { return nil, true })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := w.client.Sign(ctx, s, vote(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		w.setAnswer(nil)
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		w.setAnswer(func(protocol.Request) (protocol.Message, bool) { return nil, true })
		result := make(chan error, 1)
		go func() { _, err := w.client.Sign(t.Context(), s, vote(1)); result <- err }()
		synctest.Wait()
		w.client.Close()
		if err := <-result; !errors.Is(err, client.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrClosed) {
			t.Errorf("error %v", err)
		}
		w.client.Close()
	})
}

func TestRelayGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		w.server.Close()
		synctest.Wait()
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrLost) {
			t.Errorf("error %v", err)
		}
	})
}

// remoteConn is a connection that claims to lead to an address.
type remoteConn struct {
	net.Conn
	remote net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.remote }

// A resolver may lead the name localhost to another machine: without TLS nothing is said to it.
func TestPlaintextStaysOnThisMachine(t *testing.T) {
	for address, refused := range map[string]bool{"192.0.2.1": true, "::1%eth0": true, "127.0.0.1": false,
		"::1": false} {
		ip := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 80))
		ours, theirs := net.Pipe()
		theirs.Close()
		_, err := client.Dial(t.Context(), options("localhost", func(context.Context, string, string) (net.Conn,
			error) {
			return remoteConn{ours, ip}, nil
		}))
		if err == nil || strings.Contains(err.Error(), "leads to another one") != refused {
			t.Errorf("%s: %v, refused wanted: %v", address, err, refused)
		}
	}
}
