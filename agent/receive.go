package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/places"
	"pksa/agent/probe"
	"pksa/agent/trace"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
	"pksa/protocol/secret"
)

// maxExpire is how far ahead a relay may say that a request expires (HAS §12).
const maxExpire = 24 * time.Hour

// delivered is a request as it came, before anything of it is opened.
type delivered struct {
	link    *link.Link
	relay   string
	msg     protocol.Request
	sealed  seal.Sealed
	digest  [32]byte // of sealed
	arrived time.Time
	key     ledger.RequestKey
	// brought is how it came; nil for a held request that a person goes on with.
	brought *link.Delivery
}

// name returns what is told of a request in logs, without the bytes that it came in: those who keep
// it do not keep these.
func (d delivered) name() delivered {
	d.sealed, d.msg.Data, d.brought = seal.Sealed{}, "", nil
	return d
}

func (d delivered) expires() time.Time { return time.UnixMilli(d.msg.Expire) }

func (d delivered) attrs() []any {
	return []any{
		slog.String("kind", d.msg.Kind.String()), slog.String("account", string(d.msg.Account)),
		slog.String("uuid", string(d.msg.UUID)), slog.String("relay", d.relay),
	}
}

// run is one request that somebody's key has opened.
type run struct {
	delivered
	ticket  *ledger.Ticket
	pace    link.Pace             // TooFast: it is recorded, so that its application can be told so, and no more
	app     string                // the slot that asks
	authKey secret.Hidden[string] // opens and seals
	session *ledger.Session       // nil if the key has none yet
	remnant *ledger.Remnant       // of the ended session whose key opened it; nil if none did
	pairing *pairing              // the link that the key came from, if one
	clear   []byte
	nonce   protocol.Nonce // zero if it has none
	// documented is set if its app gets errs in place of nacks.
	documented bool
	refused    string // code and reason, once it was refused
	leavePlace func() // gives back its place among those of its app; nil if it has none
	large      bool   // see beginLarge
	working    bool   // at it
}

// kept returns a run without the bytes that it came in and was opened to, for who only records what
// becomes of it: it has no place any more, so nothing else bounds them.
func (r *run) kept() *run {
	slim := *r
	slim.delivered = r.name()
	slim.ticket, slim.clear, slim.pairing, slim.leavePlace = nil, nil, nil, nil
	return &slim
}

func (r *run) attrs() []any {
	attrs := append(r.delivered.attrs(), slog.String("app", r.app))
	if r.session != nil {
		attrs = append(attrs, slog.String("session", r.session.ID.String()))
	} else if r.remnant != nil {
		attrs = append(attrs, slog.String("session", r.remnant.ID.String()))
	}
	return attrs
}

// receive takes one request from a link through the whole journey. It returns when the request is
// answered, dropped, or held for a pairing.
func (a *Agent) receive(ctx context.Context, delivery link.Delivery) {
	l, msg := delivery.Link, delivery.Request
	ticket, _ := delivery.Ticket.(*ledger.Ticket)
	// Whatever becomes of the request, those behind it must not wait for its turn for ever.
	defer ticket.Release()
	if msg.Kind == protocol.Challenge && probe.Marked(msg.Data) {
		a.probed(l, msg)
		return
	}
	if !a.twins.mayServe(l.URL(), a.quit) || !a.mayRecord() {
		a.drop(delivered{link: l, relay: l.URL(), msg: msg}, dropStopping)
		return
	}
	d := delivered{
		link: l, relay: l.URL(), msg: msg, arrived: time.Now(), brought: &delivery,
		key: ledger.RequestKey{Relay: l.URL(), UUID: msg.UUID.Key()},
	}
	if reason := a.check(&d); reason != "" {
		a.drop(d, reason)
		return
	}
	defer a.survive(d.name())
	// From here on the ledger knows the request, in memory: every way out must answer it or drop it
	// there, or its uuid stays in work until it expires.
	begun, err := a.ledger.Begin(ledger.Arrival{
		Key: d.key, Digest: d.digest, Expires: d.expires(),
	})
	switch {
	case errors.Is(err, ledger.ErrBusy):
		a.drop(d, dropBusy)
	case err != nil:
		a.log.Error("ledger does not take the request", append(d.attrs(), "err", err)...)
		a.drop(d, dropLedger)
	case begun.State == ledger.Answered:
		// Sending it again takes a proof of key.
		if d.charge(ctx, "") != link.Dropped {
			a.resend(ctx, d, begun.Answer)
		}
	case begun.State == ledger.InWork:
		ticket.Release() // this waits for another run, and no request behind it must wait for that
		if d.charge(ctx, "") != link.Dropped {
			a.join(ctx, d, begun)
		}
	case begun.State == ledger.New:
		a.open(ctx, d, ticket)
	default:
		a.drop(d, dropConflict)
	}
}

// survive keeps a request that panics from ending the process: a relay could end it again and
// again. Nothing of the request goes on; what was admitted stays unfinished until the next start.
func (a *Agent) survive(d delivered) {
	p := recover()
	if p == nil {
		return
	}
	// The panic's value may hold what the request said: the log gets its type and the place.
	a.alarm(alarmPanic, append(d.attrs(), "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))...)
	a.ledger.Drop(d.key)
}

// check looks at what is in clear (HAS §12). It returns the reason to drop the request; empty if
// there is none.
func (a *Agent) check(d *delivered) string {
	switch expires := d.expires(); {
	case !expires.After(d.arrived):
		return dropExpired
	case expires.Sub(d.arrived) > maxExpire:
		return dropFarExpire
	}
	if !a.holds(d.msg.Account) {
		return dropForeign
	}
	sealed, err := seal.Parse(d.msg.Data)
	if err != nil {
		return dropData
	}
	d.sealed, d.digest = sealed, sealed.Digest()
	return ""
}

// join waits for the run that works on the same request. A run of this process sends its answer on
// the newest connection, which is this one. A run of an earlier process sends nothing: its outcome
// is being looked up, and the answer is sent here.
func (a *Agent) join(ctx context.Context, d delivered, begun ledger.Begun) {
	if !a.inherited(d.key) {
		return
	}
	d.letNext()
	answer, err := begun.Wait(ctx)
	if err != nil {
		return
	}
	a.resend(ctx, d, answer)
}

// charge charges the account for a request that somebody's key has opened: the share of its app or,
// while that is not known, what those have together. Nobody pays for one that a person brings by a
// pairing link.
func (d delivered) charge(ctx context.Context, app string) link.Pace {
	if d.brought == nil {
		return link.InTime
	}
	return d.brought.Charge(ctx, app)
}

// letNext lets the next request of the account begin: from now on this one waits for something else
// than this machine, and a slow node must delay only those that wait for it.
func (d delivered) letNext() {
	if d.brought != nil {
		d.brought.LetNext()
	}
}

// opened lets the large requests of the account behind it be opened.
func (d delivered) opened() {
	if d.brought != nil {
		d.brought.Opened()
	}
}

// open finds out who made the request and hands it on.
func (a *Agent) open(ctx context.Context, d delivered, ticket *ledger.Ticket) {
	r, whose := a.identify(ctx, d)
	if r != nil {
		ticket.Of(r.app)
		switch r.pace = d.charge(ctx, r.app); r.pace {
		case link.Dropped:
			a.ledger.Drop(d.key) // the link has counted it
			return
		case link.TooFast:
			d.letNext() // it may wait for its app's before it, and no other app's must wait for that
		}
		d.opened()
		r.documented = a.ledger.Documented(r.app)
		r.ticket = ticket
	}
	if whose == ended && d.msg.Kind == protocol.Auth {
		// A link for it may still be pasted.
		if whose = nobodys; a.renews(ctx, r) {
			whose = opened
		}
	}
	if r != nil && whose != nobodys && r.pace == link.InTime {
		if !a.takePlace(r) {
			a.ledger.Drop(d.key)
			a.drop(d, dropBusy)
			return
		}
		defer a.running.done()
		defer r.leavePlace()
	}
	switch {
	case r != nil && a.silenced(ctx, r, whose):
		a.ledger.Drop(d.key)
		a.drop(d, dropQuarantine)
	case whose == ended:
		a.serveEnded(ctx, r)
	case whose == opened:
		a.serve(ctx, r)
	case whose == altered:
		a.rejectAltered(ctx, r, "altered on its way: the padding or the UTF-8 behind the first block is wrong")
	case d.msg.Kind == protocol.Auth && (r == nil || r.pace == link.InTime) && d.mayHold():
		ticket.Release() // it waits for a person, and no request behind it must wait for that
		a.hold(ctx, d)
	case whose == untried:
		a.ledger.Drop(d.key)
		a.drop(d, dropUntried)
	default:
		a.ledger.Drop(d.key)
		a.drop(d, dropNobody)
	}
}

// The places of requests that somebody's key has opened: of each app, and beyond these of whoever
// comes first. What is not opened yet, or is told "busy", has a place at its link. The bytes are
// those of the sealed text and of the opened one; in memory a request takes twice to three times as
// many: the opened text, its operations, the transaction and the record.
var (
	ownPlaces    = places.Room{Requests: 16, Bytes: 2 << 20}
	sharedPlaces = places.Room{Requests: 1024, Bytes: 2 << 20}
)

// takePlace moves a request from the places of its link to those of its app: one app that waits for
// a slow node takes no place of others. It reports whether there is one; then the caller gives it
// back, and calls done of a.running.
func (a *Agent) takePlace(r *run) (ok bool) {
	if r.leavePlace, ok = a.places.Take(r.app, len(r.msg.Data)+len(r.clear)); !ok {
		return false
	}
	a.running.join() // before the link forgets it: a stop waits for the one or the other
	if r.brought != nil {
		r.brought.Leave()
		r.brought.Request.Data = ""
	}
	// What it came in is of no more use: it was opened, and its digest is known.
	r.msg.Data, r.sealed = "", seal.Sealed{}
	return true
}

// mayHold reports whether the request may be kept for a pairing link.
func (d delivered) mayHold() bool { return d.brought == nil || d.brought.MayHold() }

// hold keeps an auth_req for a pairing link that may still be pasted.
func (a *Agent) hold(ctx context.Context, d delivered) {
	now := time.Now()
	if d.brought != nil {
		// Before it perhaps goes on: that may take as long as a person does, and the requests
		// behind it would wait for a token that it does not need.
		d.brought.Spare()
		d.brought.LetNext()
	}
	d.brought = nil // from now on it costs nobody
	if d.msg.AuthKey != "" {
		// Only an application that has a secret sends an auth_key, and it is no secret of ours. It
		// is shown at once, not when the request expires.
		a.noticed(trace.Unopened, d)
	}
	a.evict(a.pairings.hold(d, d.expires(), now))
	a.log.Debug("auth request kept for a pairing link", d.attrs()...)
	// A link that was pasted while the request was on its way here did not find it, so the request
	// looks for the link once more.
	pr, ok := a.pairings.waiting(d.msg.Account, d.msg.UUID, now)
	if !ok {
		return
	}
	if _, err := d.sealed.Open(string(pr.link.Reveal().Key)); err != nil {
		return
	}
	if d, here := a.pairings.take(pairKey{d.msg.Account, d.msg.UUID.Key()}); here {
		a.resume(ctx, d)
	}
}

// evict ends requests that are dropped from the waiting list.
func (a *Agent) evict(held []heldRequest) {
	for _, h := range held {
		a.ledger.Drop(h.key)
		a.drop(h.delivered, dropNobody)
	}
}

// resume goes on with a held auth_req whose link has come.
func (a *Agent) resume(ctx context.Context, d delivered) {
	defer a.survive(d.name())
	if !d.expires().After(time.Now()) {
		a.ledger.Drop(d.key)
		a.drop(d, dropExpired)
		return
	}
	a.open(ctx, d, nil)
}

// largeClear is from how many bytes on a request is large that was opened: reading, building and
// judging it takes a processor for a millisecond, or ten.
const largeClear = 32 << 10

// newLargeWork returns the places of large requests that are worked on at once. So many leave
// processors to all others, if there are two: these must not wait for an app that sends large ones.
func newLargeWork() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

// beginLarge waits until a large request may be worked on, in the order of those who wait. Who
// waits for anything else interrupts the work meanwhile: what it waits for may be a request behind
// it here.
func (a *Agent) beginLarge(ctx context.Context, r *run) {
	if !r.large || r.working {
		return
	}
	select {
	case a.largeWork <- struct{}{}:
		r.working = true
	case <-ctx.Done(): // a stop, which waits for nothing
	}
}

// endLarge ends the work on a large request, or interrupts it.
func (a *Agent) endLarge(r *run) {
	if r.working {
		r.working = false
		<-a.largeWork
	}
}

// serve decodes the clear payload and hands it to the handler of its kind.
func (a *Agent) serve(ctx context.Context, r *run) {
	r.large = len(r.clear) >= largeClear
	a.beginLarge(ctx, r)
	defer a.endLarge(r)
	var err error
	switch r.msg.Kind {
	case protocol.Auth:
		var data protocol.AuthReqData
		if data, err = protocol.DecodeAuthReqData(r.clear); err == nil {
			a.serveAuth(ctx, r, data)
		}
	case protocol.Sign:
		var data protocol.SignReqData
		if data, err = protocol.DecodeSignReqData(r.clear); err == nil {
			r.nonce = data.Nonce
			a.serveSign(ctx, r, data)
		}
	case protocol.Challenge:
		var data protocol.ChallengeReqData
		if data, err = protocol.DecodeChallengeReqData(r.clear); err == nil {
			r.nonce = data.Nonce
			a.serveChallenge(ctx, r, data)
		}
	}
	switch {
	case err == nil:
	case protocol.Garbled(r.clear):
		a.rejectAltered(ctx, r, "altered on its way: no JSON behind the first block")
	default:
		a.rejectMistake(ctx, r, err)
	}
}

// holds reports whether any key of the account is held.
func (a *Agent) holds(account hive.AccountName) bool {
	_, ok := a.keys.LowestKey(account)
	return ok
}
