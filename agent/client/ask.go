package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"pksa/protocol"
	"pksa/protocol/seal"
)

// exchange is a request and what is accepted as its answer.
type exchange struct {
	session *Session
	kind    protocol.Kind
	// build returns the request. It runs when it is the request's turn to be sent, so that its
	// nonce is above those of the requests sent before it.
	build func() (protocol.Request, error)
	// accept checks an ack of the call and keeps what is in it.
	accept func(*call, protocol.Ack) error
	// nonce is where build leaves the nonce of the request; nil if it has none.
	nonce *protocol.Nonce
}

// ask sends a request, waits for its answer and judges it. If the wallet has no time for it, the
// request is made again, with a new nonce.
func (c *Client) ask(ctx context.Context, x exchange) error {
	until := timeNow().Add(c.options.BusyWithin)
	pause := busyFirst
	for {
		err := c.askOnce(ctx, x)
		if err == nil {
			c.pace.faster()
			return nil
		}
		if errors.Is(err, ErrBusy) {
			c.pace.slower()
		}
		// By chance shorter or longer, so that applications that were told so together do not all
		// come back together.
		length := pause/2 + mathrand.N(pause)
		if errors.Is(err, ErrBusy) && timeNow().Add(length).Before(until) && sleep(ctx, length) {
			c.log.Debug("the wallet is busy; asking again", "kind", x.kind.String(), "account", x.session.account)
			pause = min(2*pause, busyMost)
			continue
		}
		return fmt.Errorf("client: %s for %s: %w", x.kind, x.session.account, err)
	}
}

// busyFirst and busyMost are the first and the longest pause before a request is made again that
// the wallet had no time for.
const (
	busyFirst = 200 * time.Millisecond
	busyMost  = 5 * time.Second
)

func (c *Client) askOnce(ctx context.Context, x exchange) error {
	waiting, err := c.begin(ctx, x)
	if err != nil {
		return err
	}
	return c.await(ctx, waiting, x)
}

// begin sends a request and waits until the relay has named it: before that nobody can ask for its
// answer on another connection.
func (c *Client) begin(ctx context.Context, x exchange) (*call, error) {
	waiting := newCall(x.kind, x.session.account)
	if err := c.send(ctx, waiting, x.build); err != nil {
		c.finish(waiting, err)
		return nil, err
	}
	select {
	case <-waiting.named:
		return waiting, nil
	case <-waiting.ended:
		return nil, waiting.err
	case <-ctx.Done():
		// The request stays in its place among those without a name: the next wait is still its
		// own.
		c.finish(waiting, ctx.Err())
		return nil, ctx.Err()
	}
}

// await judges the answers of a call one after the other, until one decides the matter or the call
// ends. It may be called once for a call.
func (c *Client) await(ctx context.Context, waiting *call, x exchange) error {
	// Whoever waits again for the same request must not take its end for an approval.
	if waiting.awaited.Swap(true) {
		return errWaited
	}
	defer c.finish(waiting, nil)
	var slow <-chan time.Time
	if c.options.Waiting != nil {
		timer := time.NewTimer(c.options.WaitingAfter)
		defer timer.Stop()
		slow = timer.C
	}
	for {
		answer, err := waiting.next(ctx, slow)
		switch {
		case errors.Is(err, errSlow):
			slow = nil
			c.options.Waiting(ctx, Waiting{waiting.kind, waiting.account, waiting.expires})
			continue
		case err != nil:
			return err
		}
		err = x.checkAnswer(waiting, answer)
		if !errors.Is(err, errIgnore) {
			return err
		}
		// The relay, or anybody who knows the uuid, may have made this answer: the true one can
		// still come.
		c.log.Warn("answer ignored", "kind", waiting.kind.String(), "account", waiting.account,
			"uuid", string(waiting.id), "err", err)
	}
}

// checkAnswer returns nil if the answer is an approval that is accepted, errIgnore (or an error
// that matches it) if it decides nothing, and any other error if it decides otherwise. An answer
// that the auth_key should open and does not decides nothing: anybody could have sent it.
func (x exchange) checkAnswer(waiting *call, m protocol.Answer) error {
	if m.RequestKind() != waiting.kind {
		return fmt.Errorf("%w: the answer is of another kind", errIgnore)
	}
	switch m := m.(type) {
	case protocol.Ack:
		return x.accept(waiting, m)
	case protocol.Nack:
		return x.session.checkRefusal(waiting, m)
	case protocol.Err:
		return x.checkFailure(waiting, m)
	}
	return fmt.Errorf("%w: no answer", errIgnore) // unreachable: there are three kinds of answers
}

// errIgnore marks an answer that anybody could have made: it decides nothing.
var errIgnore = errors.New("not from the wallet")

// errSlow says that no answer has come for a while.
var errSlow = errors.New("no answer yet")

// errWaited is the error of waiting a second time for one request.
var errWaited = errors.New("this request was waited for already")

// checkRefusal returns a nack as an error. Its data is the sealed uuid (HAS §7); Keychain's nacks
// have no data. Sealed data that is not this uuid is from another request. The uuid is not enough
// to verify it: the relay chose it, here and at the wallet.
func (s *Session) checkRefusal(waiting *call, m protocol.Nack) error {
	e := FailedError{Kind: m.Kind, Text: m.Error, nack: true}
	if m.Data == "" {
		return negative(e)
	}
	text, err := s.open(m.Data)
	if err != nil {
		return err
	}
	if string(text) != string(waiting.id) {
		return fmt.Errorf("%w: the refusal is of another request", errIgnore)
	}
	e.sealed, e.Verified = true, s.isFor(waiting, m.Cmd(), m.Data, m.Error)
	return negative(e)
}

// checkFailure returns an err as an error. The text is sealed for sign and challenge and plain for
// auth, but wallets differ (HAS §4.3, §4.4): a sealed text must open, any other is taken as it is,
// and is not verified.
func (x exchange) checkFailure(waiting *call, m protocol.Err) error {
	if _, err := seal.Parse(m.Error); err != nil {
		return negative(FailedError{Kind: m.Kind, Text: m.Error})
	}
	clear, err := x.session.open(m.Error)
	if err != nil {
		return err
	}
	text := string(clear)
	e := FailedError{Kind: m.Kind, Text: text, sealed: true,
		Verified: x.session.isFor(waiting, m.Cmd(), m.Error, text)}
	// Wallets that do not bind their answers name the nonce, which is used once.
	nonce, named := strings.CutPrefix(text, protocol.TextBusyNonce+" ")
	if !named {
		return negative(e)
	}
	if x.nonce == nil || nonce != strconv.FormatInt(int64(*x.nonce), 10) {
		return fmt.Errorf("%w: the failure is of another request", errIgnore)
	}
	e.Text, e.Verified = protocol.TextBusyNonce, true
	return negative(e)
}

// isFor reports whether an answer was sealed for this very request. cmd is its name; text is what
// is sealed, or the reason of a nack.
func (s *Session) isFor(waiting *call, cmd, data, text string) bool {
	sealed, err := seal.Parse(data)
	return err == nil && sealed.HasSalt(seal.Binding(s.authKey, waiting.payload, cmd, text))
}

// ackIsFor reports whether an ack was sealed for this very request.
func (s *Session) ackIsFor(waiting *call, m protocol.Ack) bool {
	text, err := s.open(string(m.Data))
	return err == nil && s.isFor(waiting, m.Cmd(), string(m.Data), string(text))
}

// open returns what the wallet sealed, or an error that matches errIgnore.
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

// sealRequest returns a request with a payload that only the wallet can read.
func (s *Session) sealRequest(kind protocol.Kind, payload []byte) protocol.Request {
	return protocol.Request{Kind: kind, Account: s.account, Data: sealText(s.authKey, payload), Token: s.oldToken()}
}

// sealText seals a text under a passphrase with a new salt.
func sealText(passphrase string, text []byte) string {
	var salt [8]byte
	rand.Read(salt[:])
	return seal.Seal(passphrase, text, salt)
}

var errNoSession = errors.New("client: no session given")

// checkUsable returns an error if a request in this session cannot succeed, before anything is
// sent.
func (c *Client) checkUsable(s *Session) error {
	if s == nil {
		return errNoSession
	}
	if s.hasEnded(timeNow()) {
		return fmt.Errorf("client: session for %s: %w", s.account, ErrSessionOver)
	}
	return nil
}
