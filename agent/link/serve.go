package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	weightUnit    = 64 << 10 // bytes of a frame that cost one more token
	maxBytesHeld  = 64 << 20 // of the requests that Handler holds
	noisePerSec   = 1        // log lines about the relay's faults
	noiseAtOnce   = 20
	malformedDrop = "malformed_"
)

// Delivery is one request as it came from the relay: decoded, in bounds of rate and number, for an
// account of ours. Nothing else in it has been judged.
type Delivery struct {
	Link     *Link // that it came from and that answers it
	Request  protocol.Request
	Received time.Time
	Ticket   any // what Options.Ticket returned for it
}

// Drop is a reason for which a frame, or the request in it, was thrown away. Besides these
// constants there is "malformed_" with each protocol.Reason after it.
type Drop string

// Reasons for a Drop.
const (
	DropLinkRate     Drop = "link_rate"       // more frames than Options.LinkRate
	DropAccountRate  Drop = "account_rate"    // more requests than Options.AccountRate
	DropQueueFull    Drop = "queue_full"      // Handler holds Options.InFlight requests, or 64 MiB
	DropAccountQueue Drop = "account_queue"   // or Options.AccountInFlight of this account
	DropForeign      Drop = "foreign_account" // not an account of this link
	DropDraining     Drop = "draining"        // the link is about to stop
	DropBinary       Drop = "binary"          // not a text frame
	DropUnknown      Drop = "unknown_command" // a cmd that no relay sends to a wallet
	DropUnexpected   Drop = "unexpected"      // known, but nobody asked
	dropNothing      Drop = ""
)

// serve reads until the connection ends. ctx is for the calls of Handler.
func (l *Link) serve(ctx, live context.Context, c *connection) error {
	for {
		typ, frame, err := c.read(live)
		if err != nil {
			return err
		}
		switch m := l.decode(typ, frame).(type) {
		case nil:
		case protocol.Request:
			l.deliver(ctx, m, len(frame))
		case protocol.RegisterAck:
			l.handleAck(m.Account)
		case protocol.ErrorMessage:
			l.handleError(m.Text)
		case protocol.KeyAck:
			if m.Key != c.key {
				return fmt.Errorf("second key_ack with another key (%s) on one connection", m.Key)
			}
		default:
			l.countDrop(DropUnexpected)
		}
	}
}

// decode returns the message of a frame, or nil if it is dropped.
func (l *Link) decode(typ websocket.MessageType, frame []byte) protocol.Message {
	if !l.chargeFrame(len(frame)) {
		l.countDrop(DropLinkRate)
		return nil
	}
	if typ != websocket.MessageText {
		l.countDrop(DropBinary)
		return nil
	}
	m, err := protocol.DecodeForWallet(frame)
	if err == nil {
		return m
	}
	why := Drop(malformedDrop + string(protocol.ReasonSyntax))
	var refusal *protocol.DecodeError
	if errors.Is(err, protocol.ErrUnknownCommand) {
		why = DropUnknown
	} else if errors.As(err, &refusal) {
		why = malformedDrop + Drop(refusal.Reason)
	}
	l.countDrop(why)
	if l.mayLogFault() {
		l.log.Warn("frame dropped", "reason", why, "err", clip(err.Error()))
	}
	return nil
}

// chargeFrame counts a frame and charges it to the link's rate.
func (l *Link) chargeFrame(size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Frames++
	return l.limit.spend(time.Now(), l.options.LinkRate, 1+float64(size)/weightUnit)
}

// deliver gives a request to Handler, or drops it: it never waits.
func (l *Link) deliver(ctx context.Context, r protocol.Request, size int) {
	now := time.Now()
	e, why := l.reserve(r.Account, size, now)
	if why != dropNothing {
		l.countDrop(why)
		return
	}
	d := Delivery{Link: l, Request: r, Received: now, Ticket: l.options.Ticket(r.Account)}
	l.handlers.Go(func() {
		defer l.release(e, size)
		l.options.Handler(ctx, d)
	})
}

func (l *Link) reserve(account hive.AccountName, size int, now time.Time) (*entry, Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.accounts[account]
	switch {
	case e == nil:
		return nil, DropForeign
	case l.draining:
		return nil, DropDraining
	case !e.limit.spend(now, l.options.AccountRate, 1):
		return nil, DropAccountRate
	case l.inFlight >= l.options.InFlight || l.bytes+size > maxBytesHeld:
		return nil, DropQueueFull
	case e.inFlight >= l.options.AccountInFlight:
		return nil, DropAccountQueue
	}
	e.hadRequest = true
	e.inFlight++
	l.inFlight++
	l.bytes += size
	l.facts.Requests++
	return e, dropNothing
}

func (l *Link) release(e *entry, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.inFlight--
	l.inFlight--
	l.bytes -= size
	l.closeIdleLocked()
}

// Drain stops taking requests, for good, and waits until Handler has returned from those that it
// holds, or until ctx ends, whose cause is then the error. Answers are still sent. It is the first
// half of an orderly stop; ending the context of Run is the second.
func (l *Link) Drain(ctx context.Context) error {
	l.mu.Lock()
	l.draining = true
	l.closeIdleLocked()
	l.mu.Unlock()
	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Link) closeIdleLocked() {
	if !l.draining || l.inFlight > 0 {
		return
	}
	select {
	case <-l.idle:
	default:
		close(l.idle)
	}
}

func (l *Link) countDrop(why Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.drops[why]++
}

// mayLogFault reports whether one more line about the relay's faults may be logged: the relay must
// not be able to fill the disk.
func (l *Link) mayLogFault() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faultLines.spend(time.Now(), Rate{PerSecond: noisePerSec, Burst: noiseAtOnce}, 1)
}
