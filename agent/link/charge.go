package link

import "time"

// Who sends what is not known before some key opens it, so the rate of an account is charged then,
// and whatever nobody's key opens does not use it up. A token is set aside when the frame comes, so
// that of many requests the last ones are too fast, and goes back if nothing opens it. What finding
// out costs is paid by the bucket of [Link.MayTry].

// Pace is whether a request is within the rate of its account.
type Pace uint8

// The paces.
const (
	InTime  Pace = iota
	TooFast      // above the rate: its application may be told to ask again later, and no more
	Dropped      // above that rate, too: it was counted as dropped, and gets no answer
)

// Charge charges a request that somebody's key has opened to the rate of its account. It is called
// once, while Handler works on the request.
func (d Delivery) Charge() Pace {
	l, e := d.Link, d.place.entry
	pace := l.charge(d.place)
	if pace == Dropped {
		l.countDrop(DropAccountRate)
		l.options.Dropped(e.account.Name, DropAccountRate)
	}
	return pace
}

func (l *Link) charge(p *place) Pace {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, e := time.Now(), p.entry
	aside := p.aside
	p.aside = false
	switch {
	case aside || e.limit.spend(now, l.options.AccountRate, 1):
		return InTime
	case p.free || l.busy >= l.options.BusyInFlight || !e.busy.spend(now, l.options.BusyRate, 1):
		return Dropped
	}
	p.busy = true
	l.busy++
	return TooFast
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
