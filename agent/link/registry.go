package link

import (
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"pksa/protocol/hive"
)

const (
	window      = 64               // registrations outstanding at most
	ackTimeout  = 10 * time.Second // HAS §4.2
	streakHint  = 3                // refusals in a row after which the clock is suspected
	parkInitial = 5 * time.Second
	parkMax     = 10 * time.Minute
)

type state uint8

const (
	unsent state = iota // waits for its turn in the window
	outstanding
	registered
	parked // refused or unanswered: asked again when due, with nothing else outstanding
	gone   // no longer an account of ours
)

// registry decides who is registered next. It is pure but for the jitter of pauses: it is told what
// happened and when. Link.mu guards it.
//
// Fresh accounts go first, up to a window of them at once. An `error` says nothing of whose it is:
// while one registration is outstanding it is that one's; while several are, no more are sent until
// as many are left as there were errors, and these are asked again alone. The same holds for what
// stays unanswered for ackTimeout.
type registry struct {
	active bool // a connection is there and has a key
	pace   bucket
	rate   Rate

	fresh  []*entry  // those no longer unsent are skipped
	out    []*entry  // oldest first
	parked []parking // by due; stale ones are skipped

	errors int       // since several were outstanding
	streak int       // refusals since the last acknowledgement, over connections
	count  int       // registered
	failed []failure // not yet told
}

// failure is an account that could not be registered.
type failure struct {
	account hive.AccountName
	reason  string
	tries   int
	retry   time.Duration
}

// parking is one place in the queue of those that are asked alone. It is stale once the entry has
// left it: its state or its due time have changed.
type parking struct {
	due time.Time
	e   *entry
}

func (p parking) stale() bool { return p.e.state != parked || !p.e.due.Equal(p.due) }

// begin starts on a new connection: everybody again, those that failed last time alone and after
// the others.
func (r *registry) begin(entries []*entry, now time.Time) {
	r.end()
	r.active = true
	for _, e := range entries {
		e.state, e.wasAsked, e.hadRequest = unsent, false, false
		if e.reason != "" {
			r.park(e, now)
			continue
		}
		r.fresh = append(r.fresh, e)
	}
}

// end forgets the connection.
func (r *registry) end() {
	*r = registry{pace: r.pace, rate: r.rate, streak: r.streak}
}

func (r *registry) add(e *entry) {
	e.state, e.wasAsked, e.hadRequest = unsent, false, false
	if r.active {
		r.fresh = append(r.fresh, e)
	}
}

func (r *registry) remove(e *entry) {
	if e.state == registered {
		r.count--
	}
	r.leave(e)
	e.state = gone
}

// next returns the account to register now, marked as outstanding, or how long to wait; a negative
// wait means until something happens.
func (r *registry) next(now time.Time) (*entry, time.Duration) {
	if !r.active {
		return nil, -1
	}
	r.expire(now)
	r.setSuspectsAside(now)
	if r.errors > 0 || len(r.out) >= window || r.mustStayAlone() {
		return nil, r.untilExpiry(now)
	}
	e, wait := r.candidate(now)
	if e == nil {
		return nil, wait
	}
	if wait := r.pace.wait(now, r.rate); wait > 0 {
		return nil, wait
	}
	r.pace.spend(now, r.rate, 1)
	r.claim(e, now)
	return e, 0
}

// mustStayAlone reports whether the outstanding one must stay the only one.
func (r *registry) mustStayAlone() bool { return len(r.out) == 1 && r.out[0].reason != "" }

// candidate returns whose turn it is, without taking it out of its queue.
func (r *registry) candidate(now time.Time) (*entry, time.Duration) {
	for len(r.fresh) > 0 && r.fresh[0].state != unsent {
		r.fresh = r.fresh[1:]
	}
	if len(r.fresh) > 0 {
		return r.fresh[0], 0
	}
	if len(r.out) > 0 {
		return nil, r.untilExpiry(now)
	}
	for len(r.parked) > 0 && r.parked[0].stale() {
		r.parked = r.parked[1:]
	}
	if len(r.parked) == 0 {
		return nil, -1
	}
	if wait := r.parked[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	return r.parked[0].e, 0
}

func (r *registry) claim(e *entry, now time.Time) {
	if e.state == parked {
		r.parked = r.parked[1:]
	} else {
		r.fresh = r.fresh[1:]
	}
	e.state, e.wasAsked, e.sentAt = outstanding, true, now
	r.out = append(r.out, e)
}

// sent moves the start of the wait for an answer to when the frame had left.
func (r *registry) sent(e *entry, now time.Time) {
	if e.state == outstanding {
		e.sentAt = now
	}
}

// acknowledged reports whether the acknowledgement was one that we waited for, be it late.
func (r *registry) acknowledged(e *entry) bool {
	if !e.wasAsked {
		return false
	}
	if e.state != registered {
		r.leave(e)
		r.count++
	}
	e.state, e.pause, e.reason, e.tries = registered, nil, "", 0
	r.streak = 0
	return true
}

// refused is told of an `error` of the relay. It returns the account that it belongs to, or nil if
// that cannot be known or no registration is outstanding.
func (r *registry) refused(text string, now time.Time) *entry {
	if len(r.out) != 1 || r.errors > 0 {
		if len(r.out) > 0 {
			r.errors++
		}
		return nil
	}
	e := r.out[0]
	r.fail(e, text, now)
	r.streak++
	return e
}

// fail takes an outstanding account out of the way until its pause is over.
func (r *registry) fail(e *entry, reason string, now time.Time) {
	r.leave(e)
	if e.pause == nil {
		e.pause = backoff.NewExponentialBackOff(backoff.WithInitialInterval(parkInitial),
			backoff.WithMaxInterval(parkMax), backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0))
		e.since = now
	}
	e.reason = reason
	e.tries++
	pause := e.pause.NextBackOff()
	r.failed = append(r.failed, failure{e.account.Name, reason, e.tries, pause})
	r.park(e, now.Add(pause))
}

func (r *registry) leave(e *entry) {
	r.out = slices.DeleteFunc(r.out, func(other *entry) bool { return other == e })
	if len(r.out) == 0 {
		r.errors = 0
	}
}

// expire deals with those that got no answer: one that was asked alone has failed, the others are
// asked again alone.
func (r *registry) expire(now time.Time) {
	alone := r.mustStayAlone()
	for len(r.out) > 0 && now.Sub(r.out[0].sentAt) >= ackTimeout {
		e := r.out[0]
		if alone {
			r.fail(e, reasonSilence, now)
			r.streak++
			return
		}
		r.setAside(e, now)
	}
}

// setSuspectsAside asks alone those that an `error` may have been about.
func (r *registry) setSuspectsAside(now time.Time) {
	if r.errors == 0 || len(r.out) > r.errors {
		return
	}
	for len(r.out) > 0 {
		r.setAside(r.out[0], now)
	}
}

// setAside has an account asked again alone, as soon as nothing else is outstanding.
func (r *registry) setAside(e *entry, now time.Time) {
	r.leave(e)
	if e.reason == "" {
		e.reason, e.since = reasonUnclear, now
	}
	r.park(e, now)
}

// park puts an entry into the queue by its due time.
func (r *registry) park(e *entry, due time.Time) {
	e.state, e.due = parked, due
	at, _ := slices.BinarySearchFunc(r.parked, due, func(p parking, due time.Time) int {
		if p.due.After(due) {
			return 1
		}
		return -1 // equal ones keep their order
	})
	r.parked = slices.Insert(r.parked, at, parking{due, e})
}

func (r *registry) untilExpiry(now time.Time) time.Duration {
	if len(r.out) == 0 {
		return -1
	}
	return max(0, ackTimeout-now.Sub(r.out[0].sentAt))
}

// Reasons of our own why an account is not registered.
const (
	reasonSilence = "no answer from the relay"
	reasonUnclear = "not acknowledged among others; asked again alone"
	reasonProof   = "no proof of key: "
)
