package probe

import (
	"maps"
	"slices"
	"time"
)

// The times of a probe.
const (
	fresh      = 10 * time.Second       // how old a probe may be when its answer comes
	ownAnswer  = time.Second            // after which its sender answers it, if nobody else has
	ownPatient = 4 * time.Second        // the same where a copy may be there, which may be slow
	waitLeast  = 200 * time.Millisecond // before the first service at a relay, at least
	waitMost   = 2 * time.Second        // and at most
	roundTrips = 3                      // of the relay, in between
	spacing    = 2 * time.Second        // between probes that somebody else's probe causes
	meetAgain  = 10 * time.Second       // after which a copy that was met is looked for again
	retry      = 2                      // times a probe is sent again that was settled without being opened
	linger     = 5 * time.Second        // in which a copy that yields still answers, so that the other one knows
	farewell   = 300 * time.Millisecond // for that answer to be written
	steady     = 15 * time.Second       // for which a copy tells the same number of records
	alarmAgain = 10 * time.Minute       // after which the same copy is an alarm again
	answers    = 5                      // of other copies' probes at once, and one a second
)

// Outcome is what a probe found out. The texts are words of the audit trail and do not change.
type Outcome string

// The outcomes of a probe.
const (
	Alone      Outcome = "alone"      // it came back, and our own answer was the first
	Met        Outcome = "met"        // another copy answered
	Lost       Outcome = "lost"       // it did not come back
	Unopened   Outcome = "unopened"   // somebody answered who did not open it
	Unaccepted Outcome = "unaccepted" // it came back, and our own answer did not
)

// Deed is what a Watch wants done.
type Deed int

// The deeds.
const (
	SendProbe  Deed = iota + 1 // send Message through Relay, for whatever account
	SendAnswer                 // answer the request UUID of Account at Relay with Message
	Serve                      // begin to serve at Relay
	Alarm                      // another copy, Other, was met at Relay, and this one goes on
	Yield                      // another copy, Other, was met at Relay: stop serving, for good
	Stop                       // the other copy had time to learn of the yield: end the process
)

// Action is one deed with what it needs.
type Action struct {
	Do      Deed
	Relay   string
	Account string
	UUID    string
	Message Message
	Own     Facts // that the decision was made with
	Other   Facts
}

// Options are what a [Watch] is made of.
type Options struct {
	Instance ID
	Epoch    uint64
	Records  func() uint64 // in the ledger now
	NewID    func() ID     // nil: random
	Interval time.Duration // between probes at one relay
}

// Watch decides for one process. Its methods say what happened and when; what is to be done then
// waits in [Watch.Actions]. It must not be used concurrently.
type Watch struct {
	o       Options
	relays  map[string]*relay
	actions []Action

	serving  bool
	yielded  bool
	stopAt   time.Time
	stopping bool

	records uint64 // as they are told until
	steady  time.Time

	twin    ID // that was an alarm last
	alarmed time.Time
}

// relay is what is known of one relay.
type relay struct {
	open    bool      // requests are served
	opens   time.Time // when that begins; zero until a probe was sent
	latest  time.Time // when it begins at last
	next    time.Time // when the next probe is sent; zero while nothing is registered
	sent    time.Time // when the last one was sent
	again   bool      // another copy sent a probe while ours was out
	foreign time.Time // when another copy sent a probe last
	out     *flight
	old     ID  // nonce of the last probe that is not out any more
	retries int // of probes that were settled without being opened
	answers int // of other copies' probes that may be given
	filled  time.Time
	finding Finding
}

// flight is a probe that is out.
type flight struct {
	nonce    ID
	sent     time.Time
	back     time.Time // zero until it came back
	account  string    // known when it is back
	uuid     string    // known when it is back or was named
	answered bool      // by ourselves
}

// Finding is what the last probe through a relay has found out.
type Finding struct {
	Outcome Outcome
	At      time.Time
	Times   int // in a row that a probe had this outcome
	// Trip is the time from sending the probe to its coming back; zero if it did not come back.
	Trip time.Duration
	// Failed is how many probes in a row have ended as [Lost] or [Unaccepted].
	Failed int
}

// New returns a Watch of a process that does not serve yet.
func New(o Options) *Watch {
	if o.NewID == nil {
		o.NewID = NewID
	}
	return &Watch{o: o, relays: map[string]*relay{}}
}

// Add adds a relay. Nothing happens there before [Watch.Registered].
func (w *Watch) Add(name string) { w.relays[name] = &relay{answers: answers} }

// Remove forgets a relay. What is to be done there already is returned all the same.
func (w *Watch) Remove(name string) { delete(w.relays, name) }

// Actions returns what is to be done, in this order, and forgets it.
func (w *Watch) Actions() []Action {
	actions := w.actions
	w.actions = nil
	return actions
}

func (w *Watch) do(a Action) { w.actions = append(w.actions, a) }

// Finding returns what the last probe through a relay has found out.
func (w *Watch) Finding(name string) Finding {
	if r := w.relays[name]; r != nil {
		return r.finding
	}
	return Finding{}
}

// Yielded reports whether this copy has yielded.
func (w *Watch) Yielded() bool { return w.yielded }

// facts returns what this copy says of itself. The number of records stays the same while two
// copies speak with each other: if it grew meanwhile, each could take the other one for the
// smaller.
func (w *Watch) facts(now time.Time) Facts {
	if now.After(w.steady) {
		w.records = w.o.Records()
	}
	w.steady = now.Add(steady)
	return Facts{Epoch: w.o.Epoch, Records: w.records, Instance: w.o.Instance, Serving: w.serving, Yielded: w.yielded}
}

// Registered notes that an account is registered on a new connection to the relay.
func (w *Watch) Registered(name string, now time.Time) {
	r := w.relays[name]
	if r == nil {
		return
	}
	// A probe of the connection before may still be delivered. It has nothing to tell any more.
	r.land()
	r.next = now
	if !r.open {
		r.opens, r.latest, r.retries = time.Time{}, time.Time{}, 0
	}
}

// NotSent notes that a probe could not be sent.
func (w *Watch) NotSent(name string, nonce ID, now time.Time) {
	r := w.relays[name]
	if r == nil || r.out == nil || r.out.nonce != nonce {
		return
	}
	r.land()
	r.next = now.Add(min(w.o.Interval, time.Minute))
	if !r.open { // nothing was found out, and nothing was served
		r.opens, r.latest = time.Time{}, time.Time{}
		r.next = now.Add(time.Second)
	}
}

func (r *relay) land() {
	if r.out != nil {
		r.old, r.out = r.out.nonce, nil
	}
}

// Named notes under which uuid the relay passes the probe on that is out.
func (w *Watch) Named(name, uuid string) {
	if r := w.relays[name]; r != nil && r.out != nil && r.out.uuid == "" {
		r.out.uuid = uuid
	}
}

// Delivered notes that a relay delivered a request with a message in it.
func (w *Watch) Delivered(name, account, uuid string, m Message, now time.Time) {
	r := w.relays[name]
	if r == nil || m.Answer || m.Nonce == r.old {
		return
	}
	if r.out != nil && r.out.nonce == m.Nonce {
		r.back(account, uuid, now)
		return
	}
	for _, other := range w.relays {
		if other.out != nil && other.out.nonce == m.Nonce || other.old == m.Nonce {
			return // ours, passed on to another relay
		}
	}
	w.foreign(r, Action{Do: SendAnswer, Relay: name, Account: account, UUID: uuid,
		Message: Message{Answer: true, Nonce: m.Nonce}}, now)
}

// back records that our own probe came back, and how long we wait for an answer of another copy.
func (r *relay) back(account, uuid string, now time.Time) {
	if !r.out.back.IsZero() {
		return
	}
	r.out.back, r.out.account, r.out.uuid = now, account, uuid
	wait := min(max(roundTrips*now.Sub(r.out.sent), waitLeast), waitMost)
	if opens := r.out.sent.Add(wait); !r.open && opens.Before(r.opens) {
		r.opens = opens
	}
}

// foreign answers the probe of another copy, and has a probe of our own sent. It may be an old one
// that the relay has kept, so it proves nothing.
func (w *Watch) foreign(r *relay, answer Action, now time.Time) {
	if since := min(now.Sub(r.filled), answers*time.Second); since >= time.Second {
		r.answers, r.filled = min(answers, r.answers+int(since/time.Second)), now
	}
	if r.answers == 0 {
		return
	}
	r.answers--
	r.foreign = now
	answer.Message.Facts = w.facts(now)
	w.do(answer)
	switch soon := later(now, r.sent.Add(spacing)); {
	case w.yielded:
		w.stopAt = earlier(w.stopAt, now.Add(farewell))
	case r.out != nil:
		r.again = true
	case r.next.After(soon):
		r.next = soon
	}
}

// Answered notes that an answer to a request of ours came. m is nil if no copy of this wallet
// sealed it.
func (w *Watch) Answered(name, uuid string, m *Message, now time.Time) {
	r := w.relays[name]
	switch {
	case r == nil || r.out == nil || now.Sub(r.out.sent) > fresh:
	case m == nil:
		if r.out.uuid == uuid {
			w.unopened(r, now)
		}
	case !m.Answer || m.Nonce != r.out.nonce: // an old one, or not even an answer
	case m.Instance == w.o.Instance && r.out.answered:
		w.conclude(r, Alone, now)
	default:
		w.meet(name, r, m.Facts, now)
	}
}

// unopened counts an answer by somebody who cannot open a probe, such as a person's wallet that
// says no to everything. Another copy may have been too late for the same probe.
func (w *Watch) unopened(r *relay, now time.Time) {
	retries := r.retries
	w.conclude(r, Unopened, now)
	if r.retries = retries + 1; r.retries <= retry {
		r.next = now
		if !r.open {
			r.opens = r.latest
		}
	}
}

// meet decides between this copy and another one that has just answered.
func (w *Watch) meet(name string, r *relay, other Facts, now time.Time) {
	own := w.facts(now)
	w.conclude(r, Met, now)
	r.next = now.Add(meetAgain)
	switch {
	case w.yielded:
	case Yields(own, other):
		w.yielded = true
		w.stopAt = now.Add(linger)
		w.do(Action{Do: Yield, Relay: name, Own: own, Other: other})
	case other.Instance != w.twin || now.Sub(w.alarmed) >= alarmAgain:
		w.twin, w.alarmed = other.Instance, now
		w.do(Action{Do: Alarm, Relay: name, Own: own, Other: other})
	}
}

func (w *Watch) conclude(r *relay, outcome Outcome, now time.Time) {
	f := Finding{Outcome: outcome, At: now, Times: 1}
	if r.finding.Outcome == outcome {
		f.Times = r.finding.Times + 1
	}
	if outcome == Lost || outcome == Unaccepted {
		f.Failed = r.finding.Failed + 1
	}
	if !r.out.back.IsZero() {
		f.Trip = r.out.back.Sub(r.out.sent)
	}
	r.finding = f
	r.land()
	r.next, r.retries = now.Add(w.after(f)), 0
	if r.again {
		r.next, r.again = later(now, r.sent.Add(spacing)), false
	}
}

// Tick does what is due, and returns when something is due next; zero if nothing is.
func (w *Watch) Tick(now time.Time) (next time.Time) {
	due := func(at time.Time) bool {
		if at.IsZero() || !at.After(now) {
			return !at.IsZero()
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(w.relays)) {
		w.tickRelay(name, due, now)
	}
	if w.yielded && !w.stopping && due(w.stopAt) {
		w.stopping = true
		w.do(Action{Do: Stop})
	}
	return next
}

func (w *Watch) tickRelay(name string, due func(time.Time) bool, now time.Time) {
	r := w.relays[name]
	if out := r.out; out != nil {
		switch back := !out.back.IsZero(); {
		case due(out.sent.Add(fresh)) && back:
			w.conclude(r, Unaccepted, now)
		case due(out.sent.Add(fresh)):
			w.conclude(r, Lost, now)
		case back && !out.answered && due(out.back.Add(r.patience())):
			out.answered = true
			w.do(Action{Do: SendAnswer, Relay: name, Account: out.account, UUID: out.uuid,
				Message: Message{Facts: w.facts(now), Answer: true, Nonce: out.nonce}})
		}
	}
	if r.out == nil && !w.yielded && due(r.next) {
		w.send(name, r, now)
		due(r.out.sent.Add(fresh))
	}
	if !r.open && !w.yielded && due(r.opens) {
		r.open, w.serving = true, true
		w.do(Action{Do: Serve, Relay: name})
	}
}

// patience returns how long our own probe waits for the answer of another copy, before we answer
// it.
func (r *relay) patience() time.Duration {
	if r.out.sent.Sub(r.foreign) < spacing+fresh {
		return ownPatient
	}
	return ownAnswer
}

func (w *Watch) send(name string, r *relay, now time.Time) {
	r.out = &flight{nonce: w.o.NewID(), sent: now}
	r.sent, r.next = now, time.Time{}
	if r.latest.IsZero() {
		r.latest = now.Add(waitMost)
		r.opens = r.latest
	}
	w.do(Action{Do: SendProbe, Relay: name, Message: Message{Facts: w.facts(now), Nonce: r.out.nonce}})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
