package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Auth says what to ask a wallet for.
type Auth struct {
	Account hive.AccountName
	// Session is the session to begin or to continue. Nil: the one that this client has for the
	// account, or a new one.
	Session *Session
	// Secret is that of the application's slot, for wallets in service mode. Without it the wallet
	// must know the session's auth_key already, or learn it by a link (see Client.Pair).
	Secret string
	// Challenge, if set, is to be signed or decrypted along with the approval. It proves the
	// account to the application.
	Challenge *Challenge
}

// Grant is what a wallet approved.
type Grant struct {
	Session *Session
	Expires time.Time
	Proof   *Proof // of the challenge; nil if there was none
}

// Authenticate begins or continues a session. It waits for the wallet, at most until the request
// expires at the relay.
func (c *Client) Authenticate(ctx context.Context, a Auth) (*Grant, error) {
	s, err := c.sessionFor(a)
	if err != nil {
		return nil, err
	}
	grant := &Grant{Session: s}
	err = c.ask(ctx, s, protocol.Auth, c.authRequest(s, a), func(m protocol.Ack) error {
		return c.acceptAuth(ctx, grant, a, m)
	})
	if err != nil {
		return nil, err
	}
	return grant, nil
}

// Pairing is a login that waits for a person to hand its link to a wallet.
type Pairing struct {
	secret.Redacted
	client  *Client
	waiting *call
	auth    Auth
	session *Session
	link    string
}

// Pair begins a session by link: show [Pairing.Link] as a QR code or give it to the wallet's
// operator, then call [Pairing.Wait]. Auth.Secret is not used.
func (c *Client) Pair(ctx context.Context, a Auth) (*Pairing, error) {
	a.Secret = ""
	s, err := c.sessionFor(a)
	if err != nil {
		return nil, err
	}
	waiting, err := c.begin(ctx, s, protocol.Auth, c.authRequest(s, a))
	if err != nil {
		return nil, fmt.Errorf("client: auth for %s: %w", a.Account, err)
	}
	uri, err := protocol.PairingLink{Account: a.Account, UUID: waiting.id, Key: s.authKey, Host: c.options.Relay}.URI()
	if err != nil {
		c.finish(waiting, err)
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Pairing{client: c, waiting: waiting, auth: a, session: s, link: uri}, nil
}

// Link returns has://auth_req/…. It contains the auth_key: whoever reads it shares the session. Let
// no third party draw the QR code.
func (p *Pairing) Link() string { return p.link }

// Expires returns when the relay gives the request up.
func (p *Pairing) Expires() time.Time { return p.waiting.expires }

// Wait waits for the wallet. It may be called once: any further call returns an error, also after a
// Wait whose context ended. Make a new Pairing then.
func (p *Pairing) Wait(ctx context.Context) (*Grant, error) {
	grant := &Grant{Session: p.session}
	err := p.client.await(ctx, p.waiting, func(m protocol.Answer) error {
		return p.session.checkAnswer(p.waiting, m, func(m protocol.Ack) error {
			return p.client.acceptAuth(ctx, grant, p.auth, m)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("client: auth for %s: %w", p.auth.Account, err)
	}
	return grant, nil
}

func (c *Client) sessionFor(a Auth) (*Session, error) {
	if _, err := hive.ParseAccountName(string(a.Account)); err != nil {
		return nil, fmt.Errorf("client: account %q: %w", a.Account, err)
	}
	if a.Session == nil {
		return c.session(a.Account), nil
	}
	if a.Session.account != a.Account {
		return nil, errors.New("client: the session is of another account; each account has its own")
	}
	return a.Session, nil
}

func (c *Client) authRequest(s *Session, a Auth) func() (protocol.Request, error) {
	return func() (protocol.Request, error) {
		data := protocol.AuthReqData{App: c.options.App, Token: s.oldToken()}
		if a.Challenge != nil {
			data.Challenge = &protocol.AuthChallenge{KeyType: a.Challenge.Role, Challenge: a.Challenge.Text,
				Decrypt: a.Challenge.Decrypt}
		}
		payload, err := data.Encode()
		if err != nil {
			return protocol.Request{}, err
		}
		request := s.sealRequest(protocol.Auth, payload)
		if a.Secret != "" {
			request.AuthKey = sealText(a.Secret, []byte(s.authKey))
		}
		return request, nil
	}
}

// acceptAuth takes an approval: a session that ends in the future and, if one was asked for, the
// answer to the challenge. hive-auth-wrapper takes an empty object as well (HAS §7).
func (c *Client) acceptAuth(ctx context.Context, grant *Grant, a Auth, m protocol.Ack) error {
	s := grant.Session
	text, err := s.open(string(m.Data))
	if err != nil {
		return err
	}
	data, err := protocol.DecodeAuthAckData(text)
	if err != nil {
		return badAnswer("%w", err)
	}
	expires := time.UnixMilli(data.Expire)
	if !timeNow().Before(expires) {
		return badAnswer("the session ended at %s", expires.UTC().Format(time.RFC3339))
	}
	if a.Challenge != nil {
		if data.Challenge == nil {
			return badAnswer("the challenge is not answered")
		}
		if grant.Proof, err = c.checkProof(ctx, a.Account, *a.Challenge, *data.Challenge); err != nil {
			return err
		}
	}
	s.renew(expires, data.Token)
	c.keepSession(s)
	grant.Expires = expires
	return nil
}
