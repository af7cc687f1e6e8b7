package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/protocol/hive"
)

// budget keeps the policy's counters in memory. What counts is in the ledger, as charges that were
// committed with the requests that they belong to. This is a copy of it, which is filled before the
// first decision and filled again after a commit that failed, so that a charge which did not reach
// the disk is not counted either. The zero value is ready.
//
// Charges that were given back (package refund) are in the ledger and not in the copy. Giving back
// changes the generation, too, so the next decision counts without them.
//
// The agent has one. The ledger's committing goroutine owns it: only there decisions count. mu is
// for others who look at it, status and [Agent.lifetimeOf].
type budget struct {
	mu   sync.Mutex
	book *policy.Book
	// shown is what status and metrics look at. They never take mu, which a decision needs.
	shown atomic.Pointer[shownCounters]
	rules *policy.Policy // by which shown and windows are
	// absent is what of book paid for transactions that provably never reached the chain.
	absent     map[hive.TxID]storedCharges
	exact      exactCharges
	windows    map[string]time.Duration // of the limits, by the policy that was in force at the last sweep
	generation uint64                   // of the ledger; another one means that a commit failed
	swept      time.Time                // when old charges were dropped last
}

// shownCounters is a copy of the fullest counters. It is never changed.
type shownCounters struct {
	fullest *policy.Summary
	absent  []storedCharges
}

// show publishes the counters as they are now. The caller holds mu.
func (b *budget) show(now time.Time) {
	if b.rules != nil && b.book != nil {
		b.shown.Store(&shownCounters{b.book.Summary(b.rules, now), slices.Collect(maps.Values(b.absent))})
	}
}

// sweepEvery is how often charges that no limit counts any more are dropped from memory.
const sweepEvery = time.Hour

// use calls f with the counters as of the view.
func (b *budget) use(v ledger.View, f func(*policy.Book)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renew(v)
	f(b.book)
}

// renew fills the counters if they are not those of the view. The caller holds mu.
func (b *budget) renew(v ledger.View) {
	// A judge of a commit that failed has charged this copy, and the disk has nothing of it.
	if b.book == nil || b.generation != v.Generation {
		b.fill(v)
		b.generation = v.Generation
		b.show(v.Now)
	}
}

// refresh takes over what is known of failed transactions since. It reads the charges of those
// alone, unless charges were given back.
func (b *budget) refresh(v ledger.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renew(v)
	known := b.absent
	b.absent = map[hive.TxID]storedCharges{}
	var unknown []ledger.Fate
	for _, f := range v.Fates() {
		if f.State != ledger.Absent {
			continue
		}
		if s, ok := known[f.TxID]; ok {
			b.absent[f.TxID] = s
		} else {
			unknown = append(unknown, f)
		}
	}
	for id, c := range chargesOf(v, unknown) {
		b.absent[id] = decodeCharges(c)
	}
	b.show(v.Now)
}

// chargesOf returns what counts for the transactions of these fates.
func chargesOf(v ledger.View, fates []ledger.Fate) map[hive.TxID]ledger.Charge {
	found, missing := map[hive.TxID]ledger.Charge{}, map[hive.TxID]bool{}
	for _, f := range fates {
		missing[f.TxID] = true
		if f.Until.IsZero() {
			continue
		}
		for _, c := range v.ChargesOf(f.Number, f.Until) {
			if id, ok := decodeCharges(c).transaction(); ok && id == f.TxID {
				found[id] = c
				delete(missing, id)
			}
		}
	}
	if len(missing) == 0 {
		return found
	}
	// The others are found in one pass over all charges, however many are asked for: those whose
	// end is not known, and those that an earlier program recorded after a person's yes, under the
	// number of the yes.
	for c := range v.Charges() {
		if id, ok := decodeCharges(c).transaction(); ok && missing[id] {
			found[id] = c
		}
	}
	return found
}

// load fills the counters before the first decision, and shows them as another policy counts that
// comes into force.
func (b *budget) load(v ledger.View, inForce *policy.Policy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.follow(inForce)
	b.renew(v)
	b.sweep(v.Now)
	b.show(v.Now)
}

// follow takes over what the policy in force says of the limits. The caller holds mu.
func (b *budget) follow(inForce *policy.Policy) {
	if b.rules != inForce {
		b.rules, b.windows = inForce, inForce.Windows()
		b.swept = time.Time{}
	}
}

// peek calls f with the counters as they were last, nil if there are none yet: for questions whose
// answer decides nothing.
func (b *budget) peek(f func(policy.Counters)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.book == nil {
		f(nil)
		return
	}
	f(b.book)
}

// room returns what is left of each limit, nil before the counters are read. What paid for
// transactions that never reached the chain is part of what is used, and shown apart.
func (b *budget) room(p *policy.Policy, now time.Time) []policy.Room {
	shown := b.shown.Load()
	if shown == nil {
		return nil
	}
	rooms, absent := p.Room(shown.fullest, now), new(policy.Book)
	for _, s := range shown.absent {
		s.count(absent)
	}
	at := now // as Room asks: a clock that was set back must not make windows hold less
	if latest := shown.fullest.Latest(); at.Before(latest) {
		at = latest
	}
	for i, r := range rooms {
		never := absent.Used(policy.Counter{Limit: r.Limit.Name, Split: r.Split, Unit: r.Unit}, r.Window, at)
		if never.Sign() > 0 {
			rooms[i].NotOnChain = policy.Amount(never)
		}
	}
	return rooms
}

// keepAfter is after how many stored charges those that are old are merged while counters are
// filled: there may be more than memory holds.
const keepAfter = 100_000

// fill reads the charges that the ledger holds. What was given back does not count.
func (b *budget) fill(v ledger.View) {
	b.book, b.absent, b.exact = new(policy.Book), map[hive.TxID]storedCharges{}, nil
	n := 0
	for c := range v.Charges() {
		s := decodeCharges(c)
		var fate ledger.Fate
		id, ok := s.transaction()
		if ok {
			fate, _ = v.Fate(id)
		}
		switch fate.State {
		case ledger.Released:
			continue
		case ledger.Absent:
			b.absent[id] = s
		}
		s.count(b.book)
		b.exact.add(s, v.Now)
		if n++; n%keepAfter == 0 {
			b.sweep(v.Now)
		}
	}
	b.sweep(v.Now)
}

// sweep drops charges that no limit counts any more, and has old ones take less memory.
func (b *budget) sweep(now time.Time) {
	if b.windows != nil {
		b.book.Keep(b.windows, now)
	}
	b.exact.drop(now)
	b.swept = now
}

// count adds stored charges to a book.
func (s storedCharges) count(book *policy.Book) {
	if !s.LostUntil.IsZero() {
		book.Lose(s.At, s.LostUntil)
	}
	book.FillUntil(s.At, s.ExactExpires, s.Charges)
}

// charge counts what a request costs, and returns the record of it for the ledger, which commits it
// with the request.
func (b *budget) charge(v ledger.View, inForce *policy.Policy, charges []policy.Charge, p *proposal) []ledger.Charge {
	if p.request.Exact {
		b.use(v, func(*policy.Book) {
			if c := b.exact.of(p.run.app, p.tx.id); c != nil {
				c.again++
			}
		})
	}
	if len(charges) == 0 {
		return nil
	}
	stored := storedCharges{At: v.Now, Charges: charges}
	switch tx := p.sent(); {
	case p.request.Exact:
		stored.Exact, stored.ExactApp, stored.ExactExpires = p.tx.id.String(), p.run.app, p.tx.tx.Expiration.Time()
	case tx != nil:
		stored.Tx, stored.TxExpires = tx.id.String(), tx.tx.Expiration.Time()
	}
	b.use(v, func(book *policy.Book) {
		b.follow(inForce)
		book.AddUntil(v.Now, stored.ExactExpires, charges)
		b.exact.add(stored, v.Now)
		if v.Now.Sub(b.swept) > sweepEvery {
			b.sweep(v.Now)
		}
		b.show(v.Now)
	})
	return []ledger.Charge{{Data: stored.encode(), Expires: stored.counts().Add(keep(inForce, charges))}}
}

// What is remembered of transactions of one app's making that were charged and can still be
// included, and how often one of them may come again: a repeat counts in no limit.
const (
	mostExact      = 1000
	mostExactBytes = 1 << 20 // of their charges
	mostAgain      = 16
)

// exactCharges is what apps were charged for transactions of their own making that can still be
// included. Whoever brings such a one again is not charged again for it; another app is.
type exactCharges map[string]*appCharges // by app

// appCharges are those of one app.
type appCharges struct {
	by    map[hive.TxID]*exactCharge
	bytes int // of all of them
}

type exactCharge struct {
	charges []policy.Charge
	known   map[policy.Charge]bool // the same, but for who opened a counter
	bytes   int                    // of charges, roughly
	expires time.Time
	again   int // how often it was allowed again, since this process began
}

// exactBytes is what a charge takes beside its texts, in both forms.
const exactBytes = 256

func (e *exactCharges) add(s storedCharges, now time.Time) {
	id, err := hive.ParseTxID(s.Exact)
	if err != nil || !s.ExactExpires.After(now) {
		return
	}
	if *e == nil {
		*e = exactCharges{}
	}
	of := (*e)[s.ExactApp]
	if of == nil {
		of = &appCharges{by: map[hive.TxID]*exactCharge{}}
		(*e)[s.ExactApp] = of
	}
	one := of.by[id]
	if one == nil {
		one = &exactCharge{expires: s.ExactExpires, known: map[policy.Charge]bool{}}
		of.by[id] = one
	}
	one.charges = append(one.charges, s.Charges...)
	for _, c := range s.Charges {
		c.OpenedBy = ""
		one.known[c] = true
		size := exactBytes + len(c.Limit) + len(c.Split) + len(c.Unit) + len(c.Amount)
		one.bytes, of.bytes = one.bytes+size, of.bytes+size
	}
}

// of returns what an app was charged for a transaction, nil if nothing.
func (e exactCharges) of(app string, id hive.TxID) *exactCharge {
	if of := e[app]; of != nil {
		return of.by[id]
	}
	return nil
}

// has reports whether a charge is among them.
func (c *exactCharge) has(one policy.Charge) bool {
	one.OpenedBy = ""
	return c.known[one]
}

// drop forgets what can no longer be included.
func (e exactCharges) drop(now time.Time) {
	for app, of := range e {
		maps.DeleteFunc(of.by, func(_ hive.TxID, c *exactCharge) bool {
			gone := !c.expires.After(now)
			if gone {
				of.bytes -= c.bytes
			}
			return gone
		})
		if len(of.by) == 0 {
			delete(e, app)
		}
	}
}

// paid returns what the app was charged for a transaction, nil if nothing, and why it may not have
// it all the same; empty if it may.
func (e exactCharges) paid(app string, id hive.TxID, now time.Time) (c *exactCharge, problem string) {
	if c = e.of(app, id); c != nil {
		if c.again >= mostAgain {
			problem = fmt.Sprintf("%s has this transaction already, and asked for it again %d times", app, c.again)
		}
		return c, problem
	}
	full := func() bool {
		of := e[app]
		return of != nil && (len(of.by) >= mostExact || of.bytes >= mostExactBytes)
	}
	if full() {
		e.drop(now)
	}
	if full() {
		problem = fmt.Sprintf("%d transactions that %s made can still be included, and more may not", len(e[app].by),
			app)
	}
	return nil, problem
}

// conclude makes the second half of a decision. What the app was charged already for the very
// transaction is taken off the counters, and off what is charged. A problem denies the request. The
// caller holds mu, as in use.
func (b *budget) conclude(p *proposal, counters policy.Counters, inForce *policy.Policy,
	now time.Time) (d policy.Decision, problem string) {
	if !p.request.Exact || p.tx == nil {
		return p.prospect.Conclude(inForce, counters, now), ""
	}
	paid, problem := b.exact.paid(p.run.app, p.tx.id, now)
	if paid == nil {
		if d = p.prospect.Conclude(inForce, counters, now); len(d.Charges) == 0 {
			problem = "" // nothing of it is remembered
		}
		return d, problem
	}
	var own policy.Reserve
	own.Remove(paid.charges)
	d = p.prospect.Conclude(inForce, own.Beside(counters), now)
	d.Charges = slices.DeleteFunc(slices.Clone(d.Charges), paid.has)
	return d, problem
}

// keep returns how long charges are remembered: as long as the longest window that they count in.
func keep(inForce *policy.Policy, charges []policy.Charge) time.Duration {
	var longest time.Duration
	limits := inForce.Limits()
	for _, c := range charges {
		longest = max(longest, limits[c.Limit])
	}
	return longest
}

// newRefunds makes what looks after the charges of transactions that failed.
func (a *Agent) newRefunds() *refund.Watch {
	return refund.New(refund.Options{
		Ledger: a.ledger, Look: a.node.Presence, Charged: a.charged, Alarm: a.alarm, Logger: a.log,
		Changed: func(ctx context.Context) {
			if err := a.ledger.Look(ctx, a.budget.refresh); err != nil {
				a.log.Warn("counters not read again", "err", err)
			}
		},
	})
}

// charged returns what counts for the transactions of these fates.
func (a *Agent) charged(ctx context.Context, fates []ledger.Fate) (map[hive.TxID]refund.Charged, error) {
	found := make(map[hive.TxID]refund.Charged, len(fates))
	err := a.ledger.Look(ctx, func(v ledger.View) {
		for id, c := range chargesOf(v, fates) {
			s := decodeCharges(c)
			found[id] = refund.Charged{Until: c.Expires, TxExpires: s.TxExpires, Charges: s.Charges}
		}
	})
	return found, err
}
