package link

import (
	"context"
	"slices"
	"time"
)

// Who sends what is not known before some key opens it, so the rate of an account is charged then,
// and whatever nobody's key opens does not use it up. A token is set aside when the frame comes, so
// that of many requests the last ones are too fast, and goes back if nothing opens it. A request
// for which there was none has one of its app's share, or waits until it is known whether those
// before it need theirs. What finding out costs is paid by the bucket of [Link.MayTry].

// Pace is whether a request is within the rate of its account.
type Pace uint8

// The paces.
const (
	InTime  Pace = iota
	TooFast      // above the rate and the app's share: it may be told to ask again later, and no more
	Dropped      // above that rate, too: it was counted as dropped, and gets no answer
)

// Charge charges a request that somebody's key has opened to the rate of its account. Each app that
// asks has an equal share of that, which no other uses up; what the others leave is anybody's.
// Requests of which only the account is known have a share together, under the empty name. Charge
// is called once, while Handler works on the request, and may wait for other calls of Handler to
// find out whether a key opens theirs. The end of ctx ends the wait: then no token has come.
func (d Delivery) Charge(ctx context.Context, app string) Pace {
	l, e := d.Link, d.place.entry
	if l.chargeRate(ctx, d.place, app) {
		return InTime
	}
	if l.chargeBusy(d.place, app) {
		return TooFast
	}
	l.countDrop(DropAccountRate)
	l.options.Dropped(e.account.Name, DropAccountRate)
	return Dropped
}

// Spare returns the token that was set aside for a request that nobody pays for: those behind it
// must not wait for what becomes of it. A second call does nothing.
func (d Delivery) Spare() {
	d.Link.mu.Lock()
	defer d.Link.mu.Unlock()
	d.Link.decideLocked(d.place, false)
}

// chargeRate reports whether there is a token for the request.
func (l *Link) chargeRate(ctx context.Context, p *place, app string) bool {
	l.mu.Lock()
	e := p.entry
	if p.aside {
		l.decideLocked(p, true)
		e.limit.note(time.Now(), l.options.AccountRate, app)
		l.mu.Unlock()
		return true
	}
	inTime := e.limit.spendFor(time.Now(), l.options.AccountRate, app)
	if inTime || e.aside == 0 {
		l.mu.Unlock()
		return inTime
	}
	waits := make(chan bool, 1)
	e.waiting = append(e.waiting, waits)
	l.mu.Unlock()
	select {
	case inTime := <-waits:
		return inTime
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := slices.Index(e.waiting, waits); at >= 0 {
		e.waiting = slices.Delete(e.waiting, at, at+1)
		return false
	}
	return <-waits // it was decided in the same moment
}

// decideLocked ends the time in which it is not known whether a key opens the request. A token that
// was set aside for nothing is the next one's who waits, once what shares took in advance is there.
func (l *Link) decideLocked(p *place, opened bool) {
	if !p.aside {
		return
	}
	e := p.entry
	p.aside = false
	e.aside--
	switch {
	case opened:
	case len(e.waiting) > 0 && e.limit.tokens >= 0:
		e.waiting[0] <- true
		e.waiting = e.waiting[1:]
	default:
		e.limit.putBack(time.Now(), l.options.AccountRate, 1)
	}
	if e.aside == 0 {
		for _, waits := range e.waiting {
			waits <- false
		}
		e.waiting = nil
	}
}

// chargeBusy reports whether the application may be told that its request is too fast.
func (l *Link) chargeBusy(p *place, app string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.free || l.busy >= l.options.BusyInFlight || !p.entry.busy.spendFor(time.Now(), l.options.BusyRate, app) {
		return false
	}
	p.busy = true
	l.busy++
	return true
}

// MayTry pays for the keys that a request is tried with, all or none, from what the link has for
// requests that nothing opens.
func (l *Link) MayTry(keys int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries.spend(time.Now(), l.options.Tries, float64(keys))
}

// Untry pays back what a request has cost that a key opens after all: its account pays for it.
func (l *Link) Untry(keys int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries.putBack(time.Now(), l.options.Tries, float64(keys))
}

// MayHold reports whether one more request that nothing opens may be kept for its account, and
// counts it. They come at the rate of an account's own at most, which they do not use up.
func (d Delivery) MayHold() bool {
	l := d.Link
	l.mu.Lock()
	defer l.mu.Unlock()
	return d.place.entry.held.spend(time.Now(), l.options.AccountRate, 1)
}
