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
	maxBytesHeld  = 64 << 20 // frames of the requests in flight, whose number alone would allow 2 GiB
	noisePerSec   = 1        // log lines about the relay's faults
	noiseAtOnce   = 20
	malformedDrop = "malformed_"
)

// Delivery is one request as it came from the relay: decoded, within rates and numbers, and for an
// account of the link. Nothing else in it has been checked.
type Delivery struct {
	Link     *Link // on which it came; its answer goes there
	Request  protocol.Request
	Received time.Time // when its frame had been read
	Ticket   any       // what Options.Ticket returned for it
}

// Drop is a reason for which a frame, or the request in it, was thrown away. Besides these
// constants there is "malformed_" followed by each protocol.Reason.
//
// The texts are labels of a metric and words of the audit trail, on which operators build: they are
// part of the interface and do not change.
type Drop string

// The reasons for a Drop.
const (
	DropLinkRate     Drop = "link_rate"       // more frames than Options.LinkRate
	DropAccountRate  Drop = "account_rate"    // more requests than Options.AccountRate
	DropQueueFull    Drop = "queue_full"      // Handler holds Options.InFlight requests, or 64 MiB
	DropAccountQueue Drop = "account_queue"   // or Options.AccountInFlight of this account
	DropForeign      Drop = "foreign_account" // for an account that is not one of this link
	DropDraining     Drop = "draining"        // the link is about to stop
	DropBinary       Drop = "binary"          // not a text frame
	DropUnknown      Drop = "unknown_command" // a cmd that no relay sends to a wallet
	DropUnexpected   Drop = "unexpected"      // a message that was not asked for
	dropNothing      Drop = ""
	tooFast          Drop = "too fast" // above AccountRate and not dropped: Busy is called
)

// Drops returns the reasons of which a metric should exist before the first one happens.
func Drops() []Drop {
	return []Drop{DropLinkRate, DropAccountRate, DropQueueFull, DropAccountQueue, DropForeign, DropDraining,
		DropBinary, DropUnknown, DropUnexpected}
}

// serve reads and handles frames until the connection ends. ctx is for the calls of Handler.
//
// One goroutine does all of it, in the order of frames, so nothing in it may wait: not for Handler,
// not for a write, and for locks only as long as a table is looked at.
func (l *Link) serve(ctx, live context.Context, c *connection) error {
	for {
		typ, frame, err := c.read(live)
		if err != nil {
			return err
		}
		switch m := l.decode(c, typ, frame).(type) {
		case nil:
		case protocol.Wait, protocol.Answer:
			l.options.Heard(m)
		case protocol.Request:
			l.deliver(ctx, m, len(frame))
		case protocol.RegisterAck:
			l.handleAck(m.Account)
		case protocol.ErrorMessage:
			l.handleError(m.Text)
		case protocol.KeyAck:
			// A key belongs to a connection (HAS §4.1). A relay that changes it may be collecting
			// proofs for the key of another relay.
			if m.Key != c.key {
				return fmt.Errorf("second key_ack with another key (%s) on one connection", m.Key)
			}
		default:
			l.countDrop(DropUnexpected)
		}
	}
}

// decode returns the message of a frame, or nil if it is dropped.
func (l *Link) decode(c *connection, typ websocket.MessageType, frame []byte) protocol.Message {
	// Charged before it is decoded: decoding is what a flood would make us pay for.
	if !l.chargeFrame(len(frame)) {
		l.countDrop(DropLinkRate)
		l.options.Dropped("", DropLinkRate)
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
	if m := l.aboutOurs(c, frame, err); m != nil {
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

// chargeFrame counts a frame and reports whether it is within the link's rate.
func (l *Link) chargeFrame(size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Frames++
	return l.limit.spend(time.Now(), l.options.LinkRate, 1+float64(size)/weightUnit)
}

// deliver passes a request to Handler or Busy, or drops it, without waiting.
func (l *Link) deliver(ctx context.Context, r protocol.Request, size int) {
	now := time.Now()
	e, why := l.reserve(r.Account, size, now)
	handle := l.options.Handler
	switch why {
	case dropNothing:
	case tooFast:
		handle = l.options.Busy
	default:
		l.countDrop(why)
		if why == DropAccountRate || why == DropQueueFull || why == DropAccountQueue {
			l.options.Dropped(r.Account, why)
		}
		return
	}
	// The ticket is taken here, where frames still have their order: calls of Handler have none.
	// Busy needs one, too: a request that uses up its nonce before an earlier one has its turn
	// would make that one a replay.
	d := Delivery{Link: l, Request: r, Received: now, Ticket: l.options.Ticket(r.Account)}
	l.handlers.Go(func() {
		defer l.release(e, size, why)
		handle(ctx, d)
	})
}

// reserve reserves a place for a request among those in flight, or returns why there is none. With
// tooFast the place is for a call of Busy. A request that finds no place has been charged to the
// rate of its account all the same.
func (l *Link) reserve(account hive.AccountName, size int, now time.Time) (*entry, Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, why := l.accounts[account], dropNothing
	switch {
	case e == nil:
		return nil, DropForeign
	case l.draining:
		return nil, DropDraining
	}
	if !e.limit.spend(now, l.options.AccountRate, 1) {
		why = tooFast
		// Whoever sends too fast, a stranger for example, pays for his own requests only as long as
		// these are few: what is opened for him to be told so is bounded by a rate of its own.
		if l.options.Busy == nil || l.busy >= l.options.BusyInFlight || !e.busy.spend(now, l.options.BusyRate, 1) {
			return nil, DropAccountRate
		}
	}
	switch {
	case l.inFlight >= l.options.InFlight || l.bytes+size > maxBytesHeld:
		return nil, DropQueueFull
	case e.inFlight >= l.options.AccountInFlight:
		return nil, DropAccountQueue
	}
	e.hadRequest = true // it may be answered from now on, see connectionFor
	e.inFlight++
	l.inFlight++
	l.bytes += size
	if why == tooFast {
		l.busy++
	}
	l.facts.Requests++
	return e, why
}

func (l *Link) release(e *entry, size int, why Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.inFlight--
	l.inFlight--
	l.bytes -= size
	if why == tooFast {
		l.busy--
	}
	l.closeIdleLocked()
}

// Drain stops taking requests, for good, and waits until all calls of Handler have returned. If ctx
// ends before, it returns the cause. Answers are still sent. Drain is the first half of an orderly
// stop; ending the context of [Link.Run] is the second. It may be called more than once.
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

// closeIdleLocked ends the wait of Drain once nothing is in flight any more.
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

// mayLogFault reports whether one more line about the relay's faults may be logged: a relay must
// not be able to fill the disk.
func (l *Link) mayLogFault() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faultLines.spend(time.Now(), Rate{PerSecond: noisePerSec, Burst: noiseAtOnce}, 1)
}
