package link

import (
	"context"
	"errors"
	"fmt"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// Ask sends a challenge_req of our own on the newest connection, as an application would: the relay
// passes it to every wallet of the account, us included. What the relay says about it is given to
// Options.Heard. ctx bounds the wait for the frame's turn. Errors: ErrNotConnected; the end of ctx;
// or a message that can never be sent.
func (l *Link) Ask(ctx context.Context, account hive.AccountName, data string) error {
	c, _ := l.connectionFor(account)
	if c == nil || l.options.Heard == nil {
		return fmt.Errorf("%w: account %q is not registered", ErrNotConnected, clip(string(account)))
	}
	frame, err := protocol.Encode(protocol.Request{Kind: protocol.Challenge, Account: account, Data: data})
	if err != nil {
		return fmt.Errorf("asking for %s: %w", account, err)
	}
	c.asked.Store(true) // before the frame: the relay may be quick
	return c.send(ctx, func() ([]byte, error) { return frame, nil })
}

// NextRegistered returns the registered account that follows another one by name, the first one
// behind the last. It reports false if no account is registered.
func (l *Link) NextRegistered(after hive.AccountName) (hive.AccountName, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first, next hive.AccountName
	for name, e := range l.accounts {
		if e.state != registered {
			continue
		}
		if first == "" || name < first {
			first = name
		}
		if name > after && (next == "" || name < next) {
			next = name
		}
	}
	if next == "" {
		next = first
	}
	return next, next != ""
}

// aboutOurs returns the message of a frame that no wallet knows and that is about a request of our
// own; nil if it is none.
func (l *Link) aboutOurs(c *connection, frame []byte, err error) protocol.Message {
	if !c.asked.Load() || !errors.Is(err, protocol.ErrUnknownCommand) {
		return nil
	}
	m, err := protocol.DecodeForApp(frame)
	if err != nil {
		return nil
	}
	if wait, ok := m.(protocol.Wait); ok && wait.Kind == protocol.Challenge {
		return m
	}
	if answer, ok := protocol.AnswerOf(m); ok && answer.RequestKind() == protocol.Challenge {
		return m
	}
	return nil
}
