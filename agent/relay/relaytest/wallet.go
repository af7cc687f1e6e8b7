package relaytest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
	"pksa/protocol/secret"
)

// Wallet is a small wallet for tests: it registers accounts and answers as it is told. It trusts
// everybody.
type Wallet struct {
	URL         string
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Keys holds the key that proves each account.
	Keys map[hive.AccountName]*hive.PrivateKey
	// Answer returns what to say to a request, nil for silence. It is called for one request at a
	// time. The proof of key is added by the wallet.
	Answer func(protocol.Request) protocol.Message
	// Old leaves the proofs of key out of answers and registers as wallets of protocol 0.8 do.
	Old bool
	// Ready, if set, is called when every account is registered.
	Ready func()
	// Heard, if set, is called with every message of the relay.
	Heard func(protocol.Message)
}

// Run connects, registers and answers until ctx ends (nil) or the connection does.
func (w *Wallet) Run(ctx context.Context) error {
	dialer := &http.Client{Transport: &http.Transport{DialContext: w.DialContext, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(ctx, w.URL, &websocket.DialOptions{HTTPClient: dialer})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(protocol.MaxFrame)
	talk := &walletTalk{Wallet: w, conn: conn, missing: len(w.Keys)}
	if err := talk.send(ctx, protocol.KeyReq{}); err != nil {
		return err
	}
	for {
		_, frame, err := conn.Read(ctx)
		if err == nil {
			err = talk.hear(ctx, frame)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// walletTalk is one connection of a wallet.
type walletTalk struct {
	*Wallet
	conn    *websocket.Conn
	relay   hive.PublicKey
	missing int // accounts not yet registered
}

func (w *walletTalk) send(ctx context.Context, m protocol.Message) error {
	frame, err := protocol.Encode(m)
	if err != nil {
		return err
	}
	return w.conn.Write(ctx, websocket.MessageText, frame)
}

func (w *walletTalk) hear(ctx context.Context, frame []byte) error {
	m, err := protocol.DecodeForWallet(frame)
	if err != nil {
		return nil // a relay under test may send garbage on purpose, and is served all the same
	}
	if w.Heard != nil {
		w.Heard(m)
	}
	switch m := m.(type) {
	case protocol.KeyAck:
		w.relay = m.Key
		return w.register(ctx)
	case protocol.RegisterAck:
		if w.missing--; w.missing == 0 && w.Ready != nil {
			w.Ready()
		}
	case protocol.Request:
		return w.answer(ctx, m)
	}
	return nil
}

func (w *walletTalk) register(ctx context.Context) error {
	for name, key := range w.Keys {
		proof, err := w.proof(key, strconv.FormatInt(time.Now().UnixMilli(), 10))
		if err != nil {
			return err
		}
		account := protocol.RegisterAccount{Name: string(name), PoK: proof}
		if w.Old {
			account = protocol.RegisterAccount{Name: string(name), KeyType: "posting", Challenge: proof}
		}
		if err := w.send(ctx, protocol.RegisterReq{App: "relaytest",
			Accounts: []protocol.RegisterAccount{account}}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walletTalk) proof(key *hive.PrivateKey, text string) (string, error) {
	return key.EncodeMemo(w.relay, "#"+text, nonces.Add(1))
}

// nonces makes each proof another one, at the same instant, too: a proof registers once.
var nonces atomic.Uint64

func (w *walletTalk) answer(ctx context.Context, req protocol.Request) error {
	key := w.Keys[req.Account]
	if w.Answer == nil || key == nil {
		return nil
	}
	m := w.Answer(req)
	if m == nil {
		return nil
	}
	proof := ""
	if !w.Old {
		var err error
		if proof, err = w.proof(key, string(req.UUID)); err != nil {
			return err
		}
	}
	if answer, ok := protocol.AnswerOf(m); ok {
		m = answer.WithProof(proof)
	}
	return w.send(ctx, m)
}

// Seal seals a text with a fresh salt.
func Seal(passphrase, text string) string {
	var salt [8]byte
	rand.Read(salt[:])
	return seal.Seal(passphrase, []byte(text), salt)
}

// Open opens a sealed text.
func Open(passphrase, data string) (string, error) {
	sealed, err := seal.Parse(data)
	if err != nil {
		return "", err
	}
	text, err := sealed.Open(passphrase)
	return string(text), err
}

// Nack returns the nack of a wallet that holds the session and binds its answers to their requests,
// as ours does.
func Nack(req protocol.Request, authKey, reason string) protocol.Message {
	m := protocol.Nack{Kind: req.Kind, UUID: req.UUID, Error: reason}
	m.Data = bind(req, authKey, m.Cmd(), string(req.UUID), reason)
	return m
}

// Fail returns the err of such a wallet.
func Fail(req protocol.Request, authKey, text string) protocol.Message {
	m := protocol.Err{Kind: req.Kind, UUID: req.UUID}
	m.Error = bind(req, authKey, m.Cmd(), text, text)
	return m
}

// Refuse returns the refusal of such a wallet.
func Refuse(req protocol.Request, authKey string) protocol.Message {
	return Nack(req, authKey, protocol.TextRefused)
}

// bind seals a text for one request. reason is the text itself, or the reason of a nack.
func bind(req protocol.Request, authKey, cmd, text, reason string) string {
	payload, err := seal.Parse(req.Data)
	if err != nil {
		return Seal(authKey, text) // for a request that no application of ours has sealed
	}
	return seal.Seal(authKey, []byte(text), seal.Binding(authKey, payload.Digest(), cmd, reason))
}

// Approve answers a request as a wallet does that allows everything: key signs challenges, and a
// transaction is answered with the id, of 40 hexadecimal digits. authKey opens the payload; for an
// auth request in service mode it may be the secret that opens the auth_key.
func Approve(req protocol.Request, authKey string, key *hive.PrivateKey, id string) (protocol.Message, error) {
	if req.Kind == protocol.Auth && req.AuthKey != "" {
		// The secret opens the auth_key alone. The payload, and the answer, are sealed by the
		// auth_key.
		opened, err := Open(authKey, req.AuthKey)
		if err != nil {
			return nil, err
		}
		authKey = opened
	}
	text, err := Open(authKey, req.Data)
	if err != nil {
		return nil, err
	}
	switch req.Kind {
	case protocol.Auth:
		return approveAuth(req, authKey, key, text)
	case protocol.Sign:
		return protocol.BroadcastAck(req.UUID, id), nil
	case protocol.Challenge:
		data, err := protocol.DecodeChallengeReqData([]byte(text))
		if err != nil {
			return nil, err
		}
		done, err := meet(key, data.Challenge, data.Decrypt)
		if err != nil {
			return nil, err
		}
		clear, err := done.Encode()
		return ack(req, authKey, string(clear)), err
	}
	return nil, errors.New("no such kind of request")
}

func approveAuth(req protocol.Request, authKey string, key *hive.PrivateKey, text string) (protocol.Message, error) {
	asked, err := protocol.DecodeAuthReqData([]byte(text))
	if err != nil {
		return nil, err
	}
	granted := protocol.AuthAckData{
		Expire: time.Now().Add(24 * time.Hour).UnixMilli(),
		Token:  "6e5f1f8c-0000-4000-8000-000000000001",
	}
	if c := asked.Challenge; c != nil {
		done, err := meet(key, c.Challenge, c.Decrypt)
		if err != nil {
			return nil, err
		}
		granted.Challenge = &done
	}
	clear, err := granted.Encode()
	return ack(req, authKey, string(clear)), err
}

func ack(req protocol.Request, authKey, clear string) protocol.Message {
	m := protocol.Ack{Kind: req.Kind, UUID: req.UUID}
	m.Data = []byte(bind(req, authKey, m.Cmd(), clear, clear))
	return m
}

func meet(key *hive.PrivateKey, challenge string, decrypt bool) (protocol.ChallengeAckData, error) {
	done := protocol.ChallengeAckData{PubKey: key.Public()}
	if decrypt {
		text, err := key.DecodeMemo(challenge)
		done.Challenge = secret.Text(text)
		return done, err
	}
	signature, err := key.SignCanonical(hive.HashText(challenge))
	if err != nil {
		return done, fmt.Errorf("signing a challenge: %w", err)
	}
	done.Challenge = secret.Text(signature.String())
	return done, nil
}
