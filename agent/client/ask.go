package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"pksa/protocol"
	"pksa/protocol/seal"
)

// begin sends a request and waits until the relay has named it.
func (c *Client) begin(ctx context.Context, s *Session, kind protocol.Kind, build func() (protocol.Request,
	error)) (*call, error) {
	waiting := newCall(kind, s.account)
	if err := c.send(ctx, waiting, build); err != nil {
		c.finish(waiting, err)
		return nil, err
	}
	select {
	case <-waiting.named:
		return waiting, nil
	case <-waiting.ended:
		return nil, waiting.err
	case <-ctx.Done():
		c.finish(waiting, ctx.Err())
		return nil, ctx.Err()
	}
}

// ask sends a request and judges what comes back. accept judges an ack.
func (c *Client) ask(ctx context.Context, s *Session, kind protocol.Kind, build func() (protocol.Request, error),
	accept func(protocol.Ack) error) error {
	waiting, err := c.begin(ctx, s, kind, build)
	if err == nil {
		err = c.await(ctx, waiting, func(m protocol.Answer) error { return s.checkAnswer(waiting, m, accept) })
	}
	if err != nil {
		return fmt.Errorf("client: %s for %s: %w", kind, s.account, err)
	}
	return nil
}

// checkAnswer decides about one answer. What the auth_key should open and does not is ignored:
// anybody could have sent it.
func (s *Session) checkAnswer(waiting *call, m protocol.Answer, accept func(protocol.Ack) error) error {
	if m.RequestKind() != waiting.kind {
		return fmt.Errorf("%w: the answer is of another kind", errIgnore)
	}
	switch m := m.(type) {
	case protocol.Ack:
		return accept(m)
	case protocol.Nack:
		return s.checkRefusal(waiting, m)
	case protocol.Err:
		return s.checkFailure(m)
	}
	return fmt.Errorf("%w: no answer", errIgnore) // unreachable: there are three kinds of answers
}

// checkRefusal verifies a refusal: its data is the sealed uuid (HAS §7). Keychain's refusals have
// no data.
func (s *Session) checkRefusal(waiting *call, m protocol.Nack) error {
	if m.Data == "" {
		return &RefusedError{Kind: m.Kind, Text: m.Error}
	}
	text, err := s.open(m.Data)
	if err != nil {
		return err
	}
	if string(text) != string(waiting.id) {
		return fmt.Errorf("%w: the refusal is of another request", errIgnore)
	}
	return &RefusedError{Kind: m.Kind, Text: m.Error, Verified: true}
}

// checkFailure reads a failure. The text is sealed for sign and challenge and plain for auth, but
// wallets differ (HAS §4.3, §4.4): what is sealed must open, what is not is taken as it is.
func (s *Session) checkFailure(m protocol.Err) error {
	if _, err := seal.Parse(m.Error); err != nil {
		return &FailedError{Kind: m.Kind, Text: m.Error}
	}
	text, err := s.open(m.Error)
	if err != nil {
		return err
	}
	return &FailedError{Kind: m.Kind, Text: string(text), Verified: true}
}

// open opens what the wallet sealed, or returns an error that matches errIgnore.
func (s *Session) open(data string) ([]byte, error) {
	sealed, err := seal.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIgnore, err)
	}
	text, err := sealed.Open(s.authKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIgnore, err)
	}
	return text, nil
}

// sealRequest seals a payload.
func (s *Session) sealRequest(kind protocol.Kind, payload []byte) protocol.Request {
	return protocol.Request{Kind: kind, Account: s.account, Data: sealText(s.authKey, payload), Token: s.oldToken()}
}

func sealText(passphrase string, text []byte) string {
	var salt [8]byte
	rand.Read(salt[:])
	return seal.Seal(passphrase, text, salt)
}

var errNoSession = errors.New("client: no session given")

// checkUsable refuses what cannot work before anything is sent.
func (c *Client) checkUsable(s *Session) error {
	if s == nil {
		return errNoSession
	}
	if s.hasEnded(timeNow()) {
		return fmt.Errorf("client: session for %s: %w", s.account, ErrSessionOver)
	}
	return nil
}
