package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	helloTimeout = 10 * time.Second // for `connected`, and again for `key_ack`
	// protocolMost is the newest protocol that this wallet speaks. It also serves relays of
	// protocol
	// 0.8 and those that name none (HAS §3).
	protocolMost = 1
)

// hello waits for the relay's greeting, checks its protocol, and asks for its key (HAS §4.1). Other
// messages that come meanwhile are dropped: no account is registered yet.
func (l *Link) hello(live context.Context, c *connection) error {
	var greeting protocol.Connected
	err := l.await(live, c, "connected", func(m protocol.Message) (ok bool) {
		greeting, ok = m.(protocol.Connected)
		return ok
	})
	if err != nil {
		return err
	}
	if !(greeting.Protocol >= 0 && greeting.Protocol <= protocolMost) {
		return outage.As(outage.Nonsense, fmt.Errorf("the relay speaks protocol %v, we speak up to %d",
			greeting.Protocol, protocolMost))
	}
	ask := func() ([]byte, error) { return protocol.Encode(protocol.KeyReq{}) }
	if err := c.send(live, ask); err != nil {
		return err
	}
	err = l.await(live, c, "key_ack", func(m protocol.Message) bool {
		ack, ok := m.(protocol.KeyAck)
		c.key = ack.Key
		return ok
	})
	if err != nil {
		return err
	}
	// Everybody can read a memo to the null key, and proofs would be made for it.
	if c.key.IsNull() {
		return outage.As(outage.Nonsense, errors.New("the relay has no key"))
	}
	if err := l.checkKey(c.key); err != nil {
		return err
	}
	l.recordGreeting(greeting, c.key)
	return nil
}

// await reads until a message is wanted, for helloTimeout at most. what names the message in the
// error.
func (l *Link) await(live context.Context, c *connection, what string, wanted func(protocol.Message) bool) error {
	// A timer and not a context: it gives the connection a cause that can be understood.
	bound := time.AfterFunc(helloTimeout, func() {
		c.fail(outage.As(outage.Timeout, fmt.Errorf("no %s from the relay within %v", what, helloTimeout)))
	})
	defer bound.Stop()
	for {
		typ, frame, err := c.read(live)
		if err != nil {
			return err
		}
		m := l.decode(c, typ, frame)
		switch m := m.(type) {
		case nil:
		case protocol.ErrorMessage:
			l.handleError(m.Text)
		default:
			if wanted(m) {
				return nil
			}
			l.countDrop(DropUnexpected)
		}
	}
}

// recordGreeting records the relay's description of itself. Another key than that of the last
// connection is accepted, because relays may make a key for each start, and is logged and reported.
func (l *Link) recordGreeting(greeting protocol.Connected, key hive.PublicKey) {
	l.mu.Lock()
	changed := !l.lastKey.IsNull() && l.lastKey != key
	if changed {
		l.facts.KeyChanges++
	}
	was := l.lastKey
	l.lastKey = key
	l.facts.keyRefused = nil
	l.facts.greeting = greeting
	l.mu.Unlock()
	switch {
	case changed && l.options.Private:
		l.log.Info("relay key changed", "was", was, "key", key)
	case changed:
		l.log.Warn("relay key changed", "was", was, "key", key)
		if l.options.KeyChanged != nil {
			l.options.KeyChanged(was, key)
		}
	}
	l.log.Info("connected", "key", key, "protocol", greeting.Protocol, "server", clip(greeting.Server), "version",
		clip(greeting.Version))
}
