package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

var errNowhere = errors.New("nowhere")

func nowhere(context.Context, string, string) (net.Conn, error) { return nil, errNowhere }

func relayOpen(t *testing.T, authKey, data string) (string, bool) {
	t.Helper()
	text, err := relaytest.Open(authKey, data)
	if err != nil {
		t.Fatal(err)
	}
	return text, true
}

// signedVote returns a vote of that weight as a wallet signs it.
func signedVote(t *testing.T, key *hive.PrivateKey, weight string) (raw []byte, id hive.TxID) {
	t.Helper()
	op, err := hive.Mainnet.ParseOperation([]byte(`["vote",{"voter":"alice","author":"bob","permlink":"p","weight":` +
		weight + `}]`))
	if err != nil {
		t.Fatal(err)
	}
	signed := hive.SignedTransaction{Transaction: hive.Transaction{RefBlockNum: 1, RefBlockPrefix: 2,
		Expiration: 1_700_000_000, Operations: []hive.Operation{op}}}
	packed, err := hive.Mainnet.Serialize(signed.Transaction)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(hive.Mainnet.SigningDigest(packed))
	if err != nil {
		t.Fatal(err)
	}
	signed.Signatures = []hive.Signature{signature}
	raw, err = hive.Mainnet.AppendJSON(nil, signed)
	if err != nil {
		t.Fatal(err)
	}
	return raw, hive.TransactionID(packed)
}

func TestSignOnly(t *testing.T) {
	good, id := signedVote(t, alice, "100")
	other, _ := signedVote(t, alice, "-100")
	foreign, _ := signedVote(t, mallory, "100")
	unsigned := strings.Replace(string(good), `"signatures":[`, `"signatures":[],"x":[`, 1)
	cases := map[string]struct {
		raw string
		ok  bool
	}{
		"good":              {string(good), true},
		"other operations":  {string(other), false},
		"key of nobody":     {string(foreign), false},
		"unknown member":    {unsigned, false},
		"no signature":      {string(good[:strings.Index(string(good), `,"signatures"`)]) + "}", false},
		"no transaction":    {`{"a":1}`, false},
		"an id was no deal": {`"` + txID + `"`, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, nil, func(o *client.Options) { o.Keys = keys })
				s := w.login()
				w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
					return protocol.Ack{
						Kind: protocol.Sign, UUID: req.UUID, Data: []byte(c.raw), Broadcast: new(bool),
					}, true
				})
				r := vote(100)
				r.SignOnly = true
				signed, err := w.client.Sign(t.Context(), s, r)
				if !c.ok {
					if !errors.Is(err, client.ErrBadAnswer) {
						t.Errorf("error %v", err)
					}
					return
				}
				if err != nil || signed.ID != id || len(signed.Keys) != 1 || signed.Keys[0] != alice.Public() ||
					!json.Valid(signed.Transaction) {
					t.Errorf("signed %+v, %v", signed, err)
				}
				text, _ := relayOpen(t, s.AuthKey(), w.requests[1].Data)
				if !strings.Contains(text, `"broadcast":false`) {
					t.Errorf("asked %s", text)
				}
			})
		})
	}
}

func TestConfirm(t *testing.T) {
	good, id := signedVote(t, alice, "100")
	other, otherID := signedVote(t, alice, "-100")
	fromNode := []byte(strings.TrimSuffix(string(good), "}") + `,"transaction_id":"` + id.String() +
		`","block_num":5,"transaction_num":0}`)
	cases := map[string]struct {
		reported hive.TxID
		look     func(n int) ([]byte, error)
		want     error
		looks    int
		reason   error
	}{
		"there":       {id, func(int) ([]byte, error) { return fromNode, nil }, nil, 1, nil},
		"there later": {id, later(fromNode, 5), nil, 6, nil},
		"not there": {id, func(int) ([]byte, error) { return nil, nil }, client.ErrUnconfirmed, 21,
			client.ErrNoTransaction},
		"never there": {id, later(fromNode, 1000), client.ErrUnconfirmed, 21, client.ErrNoTransaction},
		"node out of it": {id, func(int) ([]byte, error) { return nil, errNowhere }, client.ErrUnconfirmed, 21,
			errNowhere},
		"another one":    {otherID, func(int) ([]byte, error) { return other, nil }, client.ErrBadAnswer, 1, nil},
		"node lies":      {otherID, func(int) ([]byte, error) { return good, nil }, client.ErrBadAnswer, 1, nil},
		"no transaction": {id, func(int) ([]byte, error) { return []byte("null"), nil }, client.ErrBadAnswer, 1, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				looks := 0
				w := newWorld(t, nil, func(o *client.Options) {
					o.Transaction = func(_ context.Context, asked hive.TxID) ([]byte, error) {
						if asked != c.reported {
							t.Errorf("asked for %s", asked)
						}
						looks++
						return c.look(looks)
					}
				})
				s := w.login()
				w.setAnswer(func(req protocol.Request) (protocol.Message, bool) {
					return protocol.BroadcastAck(req.UUID, c.reported.String()), true
				})
				signed, err := w.client.Sign(t.Context(), s, vote(100))
				if !errors.Is(err, c.want) || looks != c.looks {
					t.Fatalf("error %v after %d looks, wanted %v after %d", err, looks, c.want, c.looks)
				}
				if err == nil && (!signed.Confirmed || signed.ID != id) {
					t.Errorf("signed %+v", signed)
				}
				var unconfirmed *client.UnconfirmedError
				if errors.As(err, &unconfirmed) && unconfirmed.ID != id {
					t.Errorf("unconfirmed %s", unconfirmed.ID)
				}
				// It holds the reason: the chain did not show it, or no node could be asked.
				if c.reason != nil && !errors.Is(err, c.reason) {
					t.Errorf("error %v, wanted %v in it", err, c.reason)
				}
			})
		})
	}
}

func later(raw []byte, tries int) func(int) ([]byte, error) {
	return func(n int) ([]byte, error) {
		if n <= tries {
			return nil, client.ErrNoTransaction
		}
		return raw, nil
	}
}

func TestMistakesAreFoundBeforeSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		bad := map[string]client.SignRequest{
			"no operations": {Role: hive.Posting},
			"unknown operation": {Role: hive.Posting,
				Operations: []client.Operation{{Name: "bote", Fields: map[string]any{}}}},
			"bad field": vote(20_000),
			"memo role": {Role: hive.Memo, Operations: vote(1).Operations},
			"no JSON":   {Role: hive.Posting, Operations: []client.Operation{{Name: "vote", Fields: func() {}}}},
		}
		for name, r := range bad {
			if _, err := w.client.Sign(t.Context(), s, r); err == nil {
				t.Errorf("%s was sent", name)
			}
		}
		huge := client.Challenge{Role: hive.Posting, Text: strings.Repeat("x", 600_000)}
		if _, err := w.client.Challenge(t.Context(), s, huge); !errors.Is(err, protocol.ErrFrameTooLarge) {
			t.Errorf("error %v", err)
		}
		if len(w.requests) != 1 {
			t.Errorf("%d requests reached the wallet", len(w.requests))
		}
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestAdversary runs against a relay that does harm by chance. Every proof that is accepted is
// good, every call ends in time, and nothing is left running.
func TestAdversary(t *testing.T) {
	for seed := range uint64(8) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, relaytest.Adversary(seed, 0.2, 6), nil)
			s := client.NewSession("alice", "")
			good := 0
			for i := range 30 {
				text := strings.Repeat("x", i+1)
				began := time.Now()
				var proof *client.Proof
				grant, err := w.client.Authenticate(t.Context(), client.Auth{Account: "alice", Session: s,
					Secret:    slotSecret,
					Challenge: &client.Challenge{Role: hive.Posting, Text: text}})
				if err == nil {
					proof = grant.Proof
				}
				if err == nil && i%2 == 1 {
					proof, err = w.client.Challenge(t.Context(), s, client.Challenge{Role: hive.Posting, Text: text})
				}
				if took := time.Since(began); took > 4*time.Minute {
					t.Errorf("seed %d: a call took %s: %v", seed, took, err)
				}
				if err == nil {
					good++
					if !proof.Signature.Verify(hive.HashText(text), alice.Public()) {
						t.Errorf("seed %d: a bad proof was accepted", seed)
					}
				}
			}
			if good == 0 {
				t.Errorf("seed %d: nothing came through", seed)
			}
		})
	}
}
