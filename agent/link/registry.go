package link

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"pksa/protocol/hive"
)

const (
	// windowFirst bounds the registrations outstanding on a new connection and after silence: a
	// relay may take a second for each bad one, as our own does while nothing is proved to it, and
	// a proof that waits for longer than 10 s behind those is refused, too.
	//
	// The bound grows by one with each acknowledgement, up to windowMost: a relay that answers them
	// keeps up, and a far one would make each window last a round trip. It grows by one with an
	// `error` that came soon, too, but with one it is window at most: an `error` may be about any
	// registration, and those that are left are asked again one by one.
	windowFirst, window, windowMost = 4, 64, 256
	// soon is how fast a relay answers that can be asked for more.
	soon = 500 * time.Millisecond
	// provenCost is what a registration takes of the pace while the window has all its size.
	provenCost  = 0.4
	ackTimeout  = 10 * time.Second // HAS §4.2
	streakHint  = 3                // refusals in a row after which the clock is suspected
	parkInitial = 5 * time.Second  // pause after the first failure of an account
	parkMax     = 10 * time.Minute // largest pause
)

type state uint8

const (
	unsent      state = iota // waits for its turn in the window
	outstanding              // sent, and not yet answered
	registered               // acknowledged on this connection
	parked                   // refused or unanswered: asked again when due, alone
	gone                     // no longer an account of the link; its answer may be outstanding
)

// registry decides which account is registered next. Its methods are given what happened and when;
// it does no I/O and reads no clock. Link.mu guards it.
//
// Accounts that have not failed go first, up to a window of them at once, which grows. An `error`
// of the relay has no member that names an account, but its text may end with a colon and the name,
// as those of our own relay do: then it belongs to that account. Otherwise, while one registration
// is outstanding, the error belongs to that one. While several are, no more are sent until only as
// many are left as there were errors; these are asked again, each alone. The same is done with
// those that stay unanswered for ackTimeout. An account that is removed while it is outstanding
// stays so until its answer has come, or until then: the answer must not be taken for another's.
type registry struct {
	active bool // there is a connection, and its key is known
	pace   bucket
	rate   Rate

	fresh  []*entry  // accounts to ask; those that are no longer unsent are skipped
	out    []*entry  // outstanding, the oldest first
	parked []parking // by due time; stale ones are skipped

	grown  int       // by which the window is larger than at first
	errors int       // of the relay while several were outstanding
	streak int       // refusals since the last acknowledgement, over all connections
	cause  string    // of the last failure
	count  int       // of registered accounts
	failed []failure // not yet logged
}

// failure is an account that could not be registered.
type failure struct {
	account hive.AccountName
	reason  string
	tries   int
	retry   time.Duration
}

// parking is one place in the queue of those that are asked alone. It is stale when the state or
// the due time of its entry has changed since.
type parking struct {
	due time.Time
	e   *entry
}

func (p parking) stale() bool { return p.e.state != parked || !p.e.due.Equal(p.due) }

// begin starts on a new connection, with all accounts: those that failed last time alone and after
// the others, so that they hold up nobody.
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

// end forgets the connection. The pace is kept: a relay that hangs up must not get more proofs by
// it. So is the streak: a wrong clock is wrong on every connection.
func (r *registry) end() {
	*r = registry{pace: r.pace, rate: r.rate, streak: r.streak, cause: r.cause}
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
	if e.state != outstanding {
		r.leave(e)
	}
	e.state = gone
}

// sentFor returns the registration of an account whose answer has not come, the oldest one; nil if
// there is none.
func (r *registry) sentFor(name string) *entry {
	for _, e := range r.out {
		if string(e.account.Name) == name {
			return e
		}
	}
	return nil
}

// next returns the account to register now and marks it as outstanding. If there is none it returns
// the time to wait, negative for until something happens.
func (r *registry) next(now time.Time) (*entry, time.Duration) {
	if !r.active {
		return nil, -1
	}
	// Both free places in the window.
	r.expire(now)
	r.setSuspectsAside(now)
	// While an error has no owner, one more registration would be one more suspect.
	if r.errors > 0 || len(r.out) >= windowFirst+r.grown || r.mustStayAlone() {
		return nil, r.untilExpiry(now)
	}
	e, wait := r.candidate(now)
	if e == nil {
		return nil, wait
	}
	if wait := r.pace.wait(now, r.rate); wait > 0 {
		return nil, wait
	}
	cost := 1.0
	if windowFirst+r.grown == windowMost {
		cost = provenCost
	}
	r.pace.spend(now, r.rate, cost)
	r.claim(e, now)
	return e, 0
}

// mustStayAlone reports whether the outstanding registration must stay the only one: it failed
// before, and the next error must be known to be its own.
func (r *registry) mustStayAlone() bool { return len(r.out) == 1 && r.out[0].reason != "" }

// candidate returns the account whose turn it is, without removing it from its queue.
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

// claim moves a candidate from its queue to the outstanding ones.
func (r *registry) claim(e *entry, now time.Time) {
	if e.state == parked {
		r.parked = r.parked[1:]
	} else {
		r.fresh = r.fresh[1:]
	}
	e.state, e.wasAsked, e.sentAt = outstanding, true, now
	r.out = append(r.out, e)
}

// sent begins the wait for the answer again, now that the frame has been written: it may have
// waited for its turn.
func (r *registry) sent(e *entry, now time.Time) {
	if e.state == outstanding {
		e.sentAt = now
	}
}

// acknowledged records an acknowledgement. It reports false if the account was not asked for on
// this connection; a late one counts.
func (r *registry) acknowledged(e *entry) bool {
	if !e.wasAsked {
		return false
	}
	if e.state != registered {
		r.leave(e)
		r.count++
		r.grown = min(r.grown+1, windowMost-windowFirst)
	}
	e.state, e.pause, e.reason, e.tries = registered, nil, "", 0
	r.streak = 0
	return true
}

// refused records an `error` of the relay. named is the account of the link that its text names,
// nil if it names none. It returns the account that the error belongs to, or nil if that cannot be
// known or no registration is outstanding.
func (r *registry) refused(text string, named *entry, now time.Time) *entry {
	e := r.sentFor(nameIn(text))
	r.grown = min(r.grown, window-windowFirst)
	if len(r.out) > 0 && now.Sub(cmp.Or(e, r.out[0]).sentAt) < soon {
		r.grown = min(r.grown+1, window-windowFirst)
	}
	switch {
	case e != nil:
	case named != nil && named.state == parked && named.wasAsked:
		// Late: it was set aside for its silence. Those that are outstanding now are not meant.
		e = named
	case len(r.out) == 1 && r.errors == 0:
		e = r.out[0]
	default:
		if len(r.out) > 0 {
			r.errors++
		}
		return nil
	}
	r.fail(e, text, now)
	if len(r.out) == 0 {
		r.streak++
	}
	return e
}

// nameIn returns what stands behind the last colon and space of a text, empty if nothing does: any
// other word may be the name of an account by chance.
func nameIn(text string) string {
	i := strings.LastIndex(text, ": ")
	if i < 0 {
		return ""
	}
	return text[i+2:]
}

// fail sets an outstanding account aside until its pause is over, which grows with each failure: a
// relay that refuses an account for good is not asked without end.
func (r *registry) fail(e *entry, reason string, now time.Time) {
	r.leave(e)
	if e.state == gone {
		return
	}
	if e.pause == nil {
		e.pause = backoff.NewExponentialBackOff(backoff.WithInitialInterval(parkInitial),
			backoff.WithMaxInterval(parkMax), backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0))
		e.since = now
	}
	e.reason, r.cause = reason, reason
	e.tries++
	pause := e.pause.NextBackOff()
	r.failed = append(r.failed, failure{e.account.Name, reason, e.tries, pause})
	r.park(e, now.Add(pause))
}

// leave removes an entry from the outstanding ones. With none left, no error can have an owner.
func (r *registry) leave(e *entry) {
	r.out = slices.DeleteFunc(r.out, func(other *entry) bool { return other == e })
	if len(r.out) == 0 {
		r.errors = 0
	}
}

// expire handles those that got no answer in time: one that was asked alone has failed, the others
// are asked again alone.
func (r *registry) expire(now time.Time) {
	alone := r.mustStayAlone()
	for len(r.out) > 0 && now.Sub(r.out[0].sentAt) >= ackTimeout {
		e := r.out[0]
		r.grown = 0
		if alone {
			r.fail(e, ReasonSilence, now)
			r.streak++
			return
		}
		r.setAside(e, now)
	}
}

// setSuspectsAside has those asked again alone that an `error` may have been about: when only as
// many are left as there were errors, all others have been acknowledged.
func (r *registry) setSuspectsAside(now time.Time) {
	if r.errors == 0 || len(r.out) > r.errors {
		return
	}
	for len(r.out) > 0 {
		r.setAside(r.out[0], now)
	}
}

// setAside has an account asked again alone, as soon as nothing else is outstanding. That is no
// failure of it yet: it has no pause.
func (r *registry) setAside(e *entry, now time.Time) {
	r.leave(e)
	if e.state == gone {
		return
	}
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

// untilExpiry returns the time until expire has something to do.
func (r *registry) untilExpiry(now time.Time) time.Duration {
	if len(r.out) == 0 {
		return -1
	}
	return max(0, ackTimeout-now.Sub(r.out[0].sentAt))
}

// Our own reasons for which an account is not registered; others are the relay's words.
const (
	ReasonSilence = "no answer from the relay"
	reasonUnclear = "not acknowledged among others; asked again alone"
	reasonProof   = "no proof of key: "
)
