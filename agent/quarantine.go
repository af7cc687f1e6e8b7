package agent

import (
	"context"
	"sync"
	"time"

	"pksa/agent/ledger"
)

// A sealed payload carries no MAC, so a relay can flip bits in one and hope that the result does
// something else (HAS §13.3). One try in hundreds of thousands is even valid UTF-8. The failures
// give such a relay away: after damageLimit of them within faultWindow a session is silent on that
// relay for a while, at first for quietFirst, then for twice as long each time. Other sessions of
// the account go on, and so does the same session on other relays.
//
// Replays are counted apart and with more patience: an application whose requests overtake each
// other looks the same for a while.
const (
	damageLimit = 5
	replayLimit = 100
	faultWindow = 10 * time.Minute
	quietFirst  = 10 * time.Minute
	quietMost   = 24 * time.Hour
)

// quarantine counts faulty requests of one sort, by session and relay, and remembers which sessions
// are silent for them. The agent has two, for damaged payloads and for replays. The goroutines of
// the links' handlers count and ask, tidy forgets, the control socket lists and releases.
type quarantine struct {
	reason string // why a session is silent, for people
	limit  int    // of faults within the window

	mu     sync.Mutex
	faults map[sessionAtRelay]*faults
}

type sessionAtRelay struct {
	session ledger.SessionID
	relay   string
}

type faults struct {
	recent []time.Time // within the window, oldest first
	until  time.Time   // silent until then
	times  int         // how often the session was silenced
}

// Quarantine is a session that is silent on a relay for a while, and why.
type Quarantine struct {
	Session ledger.SessionID `json:"session"`
	Relay   string           `json:"relay"`
	Until   time.Time        `json:"until"`
	Times   int              `json:"times"`
	Reason  string           `json:"reason"`
}

// quiet reports whether the session is silent on the relay.
func (q *quarantine) quiet(id ledger.SessionID, relay string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := q.faults[sessionAtRelay{id, relay}]
	return f != nil && now.Before(f.until)
}

// count adds one fault, and reports whether it silenced the session, and until when.
func (q *quarantine) count(id ledger.SessionID, relay string, now time.Time) (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.faults == nil {
		q.faults = map[sessionAtRelay]*faults{}
	}
	f := q.faults[sessionAtRelay{id, relay}]
	if f == nil {
		f = &faults{}
		q.faults[sessionAtRelay{id, relay}] = f
	}
	for len(f.recent) > 0 && now.Sub(f.recent[0]) > faultWindow {
		f.recent = f.recent[1:]
	}
	f.recent = append(f.recent, now)
	if len(f.recent) < q.limit {
		return time.Time{}, false
	}
	// The count begins again, so that after the silence the relay has as many tries as before; only
	// the next silence is longer.
	f.recent = nil
	f.until = now.Add(min(quietFirst<<min(f.times, 10), quietMost)) // the shift is bounded: it must not overflow
	f.times++
	return f.until, true
}

// forget drops what counts for nothing any more. How often a session was silenced is remembered for
// as long as the longest silence after the last one.
func (q *quarantine) forget(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, f := range q.faults {
		old := len(f.recent) == 0 || now.Sub(f.recent[len(f.recent)-1]) > faultWindow
		if old && now.Sub(f.until) > quietMost {
			delete(q.faults, key)
		}
	}
}

// release lets the session listen again everywhere and forgets its faults. It reports whether there
// were any.
func (q *quarantine) release(id ledger.SessionID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := false
	for key := range q.faults {
		if key.session == id {
			delete(q.faults, key)
			found = true
		}
	}
	return found
}

// list returns the sessions that are silent now.
func (q *quarantine) list(now time.Time) []Quarantine {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []Quarantine
	for key, f := range q.faults {
		if now.Before(f.until) {
			all = append(all, Quarantine{key.session, key.relay, f.until, f.times, q.reason})
		}
	}
	return all
}

// rejectDamaged answers a payload that a session's key opens but that is no request of its kind,
// and counts it against the session: it is either a client's bug or a relay that flips bits.
func (a *Agent) rejectDamaged(ctx context.Context, r *run, reason string) {
	a.countFault(&a.byDamage, r)
	a.reject(ctx, r, "invalid", reason)
}

// countFault counts a request against the session that it came in, on its relay.
func (a *Agent) countFault(q *quarantine, r *run) {
	if r.session == nil {
		return
	}
	until, silenced := q.count(r.session.ID, r.relay, r.arrived)
	if !silenced {
		return
	}
	a.log.Warn("session does not listen to this relay for now; `pksa session release` ends that",
		append(r.attrs(), "until", until, "reason", q.reason)...)
	a.noteEvent(eventQuarantine, ledger.Entry{Account: string(r.msg.Account), App: r.app, Session: r.session.ID},
		map[string]any{"relay": r.relay, "until": until, "reason": q.reason})
}

// quarantines returns the sessions that are silent on a relay now, for whatever reason.
func (a *Agent) quarantines() []Quarantine {
	now := time.Now()
	return append(a.byDamage.list(now), a.byReplay.list(now)...)
}
