package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	// These bound the frames of the requests in flight, whose number alone would allow 2 GiB: of
	// all links together, of a link, of an account of it. Opened and read, a request takes four
	// times as much. Neither a relay nor an account must take all of it from the others.
	maxBytesTogether    = 6 << 20
	maxBytesHeld        = 4 << 20
	maxBytesHeldAccount = 2 << 20
	// An eighth of each is for frames that are not large: those of one app must not shut out the
	// others of its account.
	largeFrame = 16 << 10
	// These bound the requests of an account that are worked on at once; the others wait as they
	// came. Each that is worked on has a stack, and takes several times its frame until it is
	// opened. All that may come at once by AccountRate are worked on at once, too, if they are
	// small: else one app of the account would keep others waiting that the ledger gives turns.
	leastAtWork    = 128
	maxBytesAtWork = 1 << 20
	noisePerSec    = 1 // log lines about the relay's faults
	noiseAtOnce    = 20
	malformedDrop  = "malformed_"
)

// Delivery is one request as it came from the relay: decoded, within numbers, and for an account of
// the link. Nothing else in it has been checked. Who has found out that somebody's key opens it
// calls Charge, before anything is done for it.
type Delivery struct {
	Link     *Link // on which it came; its answer goes there
	Request  protocol.Request
	Received time.Time // when its frame had been read
	Ticket   any       // what Options.Ticket returned for it

	place *place
}

// Leave frees the place of the request among those in flight, before Handler returns: for one that
// waits for something else than this machine, or has another bound. [Link.Drain] does not wait for
// its Handler then, so whoever calls Leave has to. A second call does nothing.
func (d Delivery) Leave() {
	if d.place != nil {
		d.Link.release(d.place)
	}
}

// Opened lets large frames behind it be worked on: the work on its own frame is done, for it is
// known whose it is, and what it was opened to has another bound. It is one of those at work as
// before. A second call does nothing.
func (d Delivery) Opened() {
	if d.place == nil {
		return
	}
	l, p := d.Link, d.place
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.atWork {
		p.entry.bytesAtWork -= p.bytesAtWork
		p.bytesAtWork = 0
		l.beginLocked(p.entry)
	}
}

// LetNext lets the next request of the account begin, before Handler returns: for one that waits
// for something else than this machine. A second call does nothing.
func (d Delivery) LetNext() {
	if d.place == nil {
		return
	}
	d.Link.mu.Lock()
	defer d.Link.mu.Unlock()
	d.Link.workedLocked(d.place)
}

// Drop is a reason for which a frame, or the request in it, was thrown away. Besides these
// constants there is "malformed_" followed by each protocol.Reason.
//
// The texts are labels of a metric and words of the audit trail, on which operators build: they are
// part of the interface and do not change.
type Drop string

// The reasons for a Drop.
const (
	DropLinkRate     Drop = "link_rate"       // what was not read yet of a relay that was hung up on
	DropAccountRate  Drop = "account_rate"    // more requests that a key opens than Options.AccountRate
	DropQueueFull    Drop = "queue_full"      // Handler holds Options.InFlight requests, or 4 MiB
	DropAccountQueue Drop = "account_queue"   // or Options.AccountInFlight of this account, or 2 MiB
	DropForeign      Drop = "foreign_account" // for an account that is not one of this link
	DropDraining     Drop = "draining"        // the link is about to stop
	DropBinary       Drop = "binary"          // not a text frame
	DropUnknown      Drop = "unknown_command" // a cmd that no relay sends to a wallet
	DropUnexpected   Drop = "unexpected"      // a message that was not asked for
	dropNothing      Drop = ""
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
				return outage.As(outage.Key,
					fmt.Errorf("second key_ack with another key (%s) on one connection", m.Key))
			}
		default:
			l.countDrop(DropUnexpected)
		}
	}
}

// decode returns the message of a frame, or nil if it is dropped.
func (l *Link) decode(c *connection, typ websocket.MessageType, frame []byte) protocol.Message {
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

// deliver passes a request to Handler, or drops it, without waiting.
func (l *Link) deliver(ctx context.Context, r protocol.Request, size int) {
	now := time.Now()
	p, why := l.reserve(r.Account, size)
	if why != dropNothing {
		l.countDrop(why)
		if why == DropQueueFull || why == DropAccountQueue {
			l.options.Dropped(r.Account, why)
		}
		return
	}
	// The ticket is taken here, where frames still have their order: calls of Handler have none.
	// What is told "busy" needs one, too: a request that uses up its nonce before an earlier one
	// has its turn would make that one a replay.
	d := Delivery{Link: l, Request: r, Received: now, Ticket: l.options.Ticket(r.Account), place: p}
	if l.options.AtOnce(r) {
		l.handlers.Go(func() {
			defer l.release(p)
			l.options.Handler(ctx, d)
		})
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.entry.queue = append(p.entry.queue, queued{ctx, d})
	l.beginLocked(p.entry)
}

// queued is a request that is not worked on yet, with the context of its Handler.
type queued struct {
	ctx context.Context
	Delivery
}

// beginLocked begins with those requests of an account that may be worked on by now, in the order
// in which they came: those behind one wait for its ticket.
func (l *Link) beginLocked(e *entry) {
	most := max(leastAtWork, int(l.options.AccountRate.Burst))
	for len(e.queue) > 0 {
		q := e.queue[0]
		p := q.place
		if e.atWork > 0 && (e.atWork >= most || e.bytesAtWork+p.size > maxBytesAtWork) {
			return
		}
		e.queue[0] = queued{}
		e.queue = e.queue[1:]
		p.atWork, p.bytesAtWork = true, p.size
		e.atWork++
		e.bytesAtWork += p.size
		if p.aside = e.limit.spend(time.Now(), l.options.AccountRate, 1); p.aside {
			e.aside++
		}
		l.handlers.Go(func() {
			defer l.end(p)
			l.options.Handler(q.ctx, q.Delivery)
		})
	}
	e.queue = nil
}

// end ends the work on a request.
func (l *Link) end(p *place) {
	l.release(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.workedLocked(p)
}

// workedLocked lets another request of the account be worked on in place of this one.
func (l *Link) workedLocked(p *place) {
	if !p.atWork {
		return
	}
	p.atWork = false
	p.entry.atWork--
	p.entry.bytesAtWork -= p.bytesAtWork
	l.beginLocked(p.entry)
}

// place is the place of a request among those in flight. Link.mu guards what changes.
type place struct {
	entry  *entry
	size   int
	atWork bool // its Handler was called, and lets no other request begin yet
	aside  bool // a token of its account is set aside for it
	busy   bool // one of BusyInFlight
	free   bool // it was given back

	bytesAtWork int // those of size that let no other request begin yet
}

// room returns how many of so many bytes a frame may share with those in flight.
func room(most, size int) int {
	if size > largeFrame {
		return most - most/8
	}
	return most
}

// reserve reserves a place for a request among those in flight, or returns why there is none.
func (l *Link) reserve(account hive.AccountName, size int) (*place, Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.accounts[account]
	switch {
	case e == nil:
		return nil, DropForeign
	case l.draining:
		return nil, DropDraining
	case l.inFlight >= l.options.InFlight || l.bytes+size > room(maxBytesHeld, size):
		return nil, DropQueueFull
	case e.inFlight >= l.options.AccountInFlight || e.bytes+size > room(maxBytesHeldAccount, size):
		return nil, DropAccountQueue
	}
	if l.options.Held.Add(int64(size)) > int64(room(maxBytesTogether, size)) {
		l.options.Held.Add(-int64(size))
		return nil, DropQueueFull
	}
	e.hadRequest = true // it may be answered from now on, see connectionFor
	e.inFlight++
	e.bytes += size
	l.inFlight++
	l.bytes += size
	l.facts.Requests++
	return &place{entry: e, size: size}, dropNothing
}

func (l *Link) release(p *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.free {
		return
	}
	p.free = true
	p.entry.inFlight--
	p.entry.bytes -= p.size
	l.inFlight--
	l.bytes -= p.size
	l.options.Held.Add(-int64(p.size))
	if p.busy {
		l.busy--
	}
	l.decideLocked(p, false)
	l.closeIdleLocked()
}

// Drain stops taking requests, for good, and waits until no request is in flight any more: all
// calls of Handler have returned, save those that left. If ctx ends before, it returns the cause.
// Answers are still sent. Drain is the first half of an orderly stop; ending the context of
// [Link.Run] is the second. It may be called more than once.
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
