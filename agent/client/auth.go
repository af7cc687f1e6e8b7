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

// Secret is a text that must not be shown: however it is printed, logged or marshalled, it is
// "[redacted]". string(s) is its content.
type Secret = secret.Text

// Auth is a request to begin or continue a session.
type Auth struct {
	// Account is the account of the session.
	Account hive.AccountName
	// Session is the session to begin or to continue, of the same account. Nil: the one that this
	// client has for the account, or a new one.
	Session *Session
	// Secret is the secret of the application's slot, for wallets in service mode. Without it the
	// wallet must know the session's auth_key already, or learn it by a link; see [Client.Pair].
	Secret Secret
	// Challenge, if set, is signed or decrypted by the wallet along with the approval. It proves
	// the account to the application.
	Challenge *Challenge
}

// Grant is a wallet's approval of a session.
type Grant struct {
	Session *Session  // use it for requests, and save it
	Expires time.Time // after it the wallet refuses requests in the session
	Proof   *Proof    // of the challenge; nil if there was none
}

// Authenticate begins or continues a session (HAS §4.3, §7). It waits for the wallet until ctx ends
// or the request expires at the relay, usually after a minute. It may be called concurrently.
//
// With Auth.Secret a wallet in service mode approves at once or not at all. Without it the wallet
// approves only a session whose auth_key it knows. A wallet that knows neither stays silent:
// [ErrNobody]. The other errors are listed in the package comment.
func (c *Client) Authenticate(ctx context.Context, a Auth) (*Grant, error) {
	s, err := c.sessionFor(a)
	if err != nil {
		return nil, err
	}
	grant, x := c.login(ctx, s, a)
	if err = c.ask(ctx, x); err != nil {
		return nil, err
	}
	return grant, nil
}

// Pairing is a login that waits until a person has handed its link to a wallet. However it is
// printed, it shows nothing.
type Pairing struct {
	secret.Redacted
	client  *Client
	waiting *call
	auth    Auth
	session *Session
	link    string
}

// Pair begins a session by a link (HAS §6). Show [Pairing.Link] as a QR code or give it to the
// wallet's operator, then call [Pairing.Wait]. Auth.Secret is not used. Pair returns as soon as the
// relay has taken the request, and may be called concurrently.
func (c *Client) Pair(ctx context.Context, a Auth) (*Pairing, error) {
	a.Secret = ""
	s, err := c.sessionFor(a)
	if err != nil {
		return nil, err
	}
	_, x := c.login(ctx, s, a)
	waiting, err := c.begin(ctx, x)
	if err != nil {
		return nil, fmt.Errorf("client: auth for %s: %w", a.Account, err)
	}
	uri, err := protocol.PairingLink{Account: a.Account, UUID: waiting.id, Key: Secret(s.authKey),
		Host: c.options.Relay}.URI()
	if err != nil {
		c.finish(waiting, err)
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Pairing{client: c, waiting: waiting, auth: a, session: s, link: uri}, nil
}

// Link returns the link, has://auth_req/…. It contains the session's auth_key: whoever reads it can
// ask in the application's name. Do not let a service of others draw the QR code.
func (p *Pairing) Link() string { return p.link }

// Expires returns when the request expires at the relay. A wallet that opens the link later finds
// nothing to approve.
func (p *Pairing) Expires() time.Time { return p.waiting.expires }

// Wait waits for the wallet until ctx ends or the request expires. Its errors are those of
// [Client.Authenticate]. It may be called once: any further call returns an error, also after a
// Wait whose context ended. Make a new Pairing then.
func (p *Pairing) Wait(ctx context.Context) (*Grant, error) {
	grant, x := p.client.login(ctx, p.session, p.auth)
	if err := p.client.await(ctx, p.waiting, x); err != nil {
		return nil, fmt.Errorf("client: auth for %s: %w", p.auth.Account, err)
	}
	return grant, nil
}

// login returns the exchange that asks for a session, and the grant that it fills in when the
// wallet approves. ctx is for looking up keys.
func (c *Client) login(ctx context.Context, s *Session, a Auth) (*Grant, exchange) {
	grant := &Grant{Session: s}
	accept := func(waiting *call, m protocol.Ack) error {
		err := c.acceptAuth(ctx, grant, a, m)
		if grant.Proof != nil {
			grant.Proof.Verified = s.ackIsFor(waiting, m)
		}
		return err
	}
	return grant, exchange{s, protocol.Auth, c.authRequest(s, a), accept, nil}
}

// sessionFor returns the session that a is about.
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

// authRequest returns what builds an auth_req.
func (c *Client) authRequest(s *Session, a Auth) func() (protocol.Request, error) {
	return func() (protocol.Request, error) {
		data := protocol.AuthReqData{App: c.options.App, Token: Secret(s.oldToken())}
		data.App.Exact = data.App.Exact || data.App.Shared // signatures stand beside a transaction
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
			request.AuthKey = sealText(string(a.Secret), []byte(s.authKey))
		}
		return request, nil
	}
}

// acceptAuth checks an approval and fills in the grant: the session must end in the future, and the
// challenge, if there was one, must be answered. hive-auth-wrapper takes an empty object as well
// (HAS §7).
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
	// Only now that everything is checked: a session that was granted before keeps its end if this
	// answer is wrong.
	s.renew(data)
	c.keepSession(s)
	grant.Expires = expires
	return nil
}
