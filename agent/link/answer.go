package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// ErrNotConnected means that an answer was not sent: the link has no connection on which its
// account is registered, or lost it just then. The relay delivers the request again once the
// account is registered (HAS §9.5), and the recorded answer can be given again.
var ErrNotConnected = errors.New("not connected to the relay")

// Answer sends an answer (protocol.Ack, Nack or Err, by value) for an account of this link, after
// setting its proof of key: a memo of the answer's uuid to the key of the newest connection. It
// returns when the frame has been written; that it arrived it cannot know. ctx bounds the wait for
// the frame's turn. Errors: ErrNotConnected; the end of ctx; or a message that can never be sent.
func (l *Link) Answer(ctx context.Context, account hive.AccountName, m protocol.Message) error {
	answer, ok := protocol.AnswerOf(m)
	if !ok {
		return fmt.Errorf("a wallet does not answer with %T", m)
	}
	// The form is checked here again, whatever the type promises: the proof encrypts the uuid to a
	// key that the relay chose (HAS §13.2).
	uuid, err := protocol.ParseUUID(string(answer.RequestUUID()))
	if err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	c, prove := l.connectionFor(account)
	if c == nil {
		return fmt.Errorf("%w: account %q is not registered", ErrNotConnected, clip(string(account)))
	}
	// The proof is for the key of c. If c ends meanwhile, send fails: no proof ever travels on
	// another connection than the one whose key it was made for.
	proof, err := prove(c.key, "#"+string(uuid))
	if err != nil {
		return fmt.Errorf("proving the key of %s: %w", account, err)
	}
	frame, err := protocol.Encode(answer.WithProof(proof))
	if err != nil {
		return fmt.Errorf("answering %s: %w", uuid, err)
	}
	// Before it is written: the relay's error may come before send returns.
	l.recordAnswer(SentAnswer{UUID: uuid, Account: account, at: time.Now()})
	if err := c.send(ctx, func() ([]byte, error) { return frame, nil }); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Answers++
	return nil
}

// connectionFor returns the connection on which the relay takes answers of an account, or nil. A
// request that came for the account on this connection shows that it is registered as well as an
// acknowledgement does, and may have overtaken it.
func (l *Link) connectionFor(account hive.AccountName) (*connection, func(hive.PublicKey, string) (string, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.accounts[account]
	if l.conn == nil || e == nil || e.state != registered && !e.hadRequest {
		return nil, nil
	}
	return l.conn, e.account.Prove
}
