package agent

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/notify"
	"pksa/agent/policy"
	"pksa/agent/trace"
	"pksa/protocol/host"
)

// A sealed payload carries no MAC, so a relay can flip bits in one and hope that the result does
// something else (HAS §13.3). What comes of it is bad padding, bad UTF-8 or no JSON, in all but a
// few of a million tries: examples/docs/altered.md has the arithmetic. No sender makes these, so
// they are counted and give such a relay away: after damageLimit of them within faultWindow, or
// damageADay within a day, a session is silent on that relay for a while, at first for quietFirst,
// then for twice as long each time. Other sessions of the account go on, and so does the same
// session on other relays.
//
// JSON that is no acceptable request is a mistake of the application. It is answered each time and
// never counted, or one wrong feature of a program would silence all the others. By altering a
// payload it comes out so rarely that a relay is silenced long before.
//
// Replays are counted apart and with more patience: an application whose requests overtake each
// other looks the same for a while.
const (
	damageLimit = 5
	damageADay  = 20
	replayLimit = 100
	faultWindow = 10 * time.Minute
	quietFirst  = 10 * time.Minute
	quietMost   = 24 * time.Hour
)

// quarantine counts faulty requests of one sort, by listener, and remembers which are silent for
// them. The agent has two, for damaged payloads and for replays. The goroutines of the links'
// handlers count and ask, tidy forgets, the control socket lists and releases.
type quarantine struct {
	reason string // why a session is silent, for people
	limit  int    // of faults within the window
	aDay   int    // of faults within a day; zero: any number
	logins bool   // logins that have no session yet are counted too, by app

	mu     sync.Mutex
	faults map[listener]*faults
}

// listener is who hears requests from one relay: a session, or an app whose logins have none yet.
type listener struct {
	session ledger.SessionID
	app     string // empty if there is a session
	relay   string
}

type faults struct {
	recent []time.Time // within the window or the day, oldest first
	until  time.Time   // silent until then
	times  int         // how often the session was silenced
}

// Quarantine is a session that is silent on a relay for a while, and why. Where App is set, it is
// the logins of that app for which there is no session yet, and Session is zero.
type Quarantine struct {
	Session ledger.SessionID `json:"session"`
	App     string           `json:"app,omitempty"`
	Relay   string           `json:"relay"`
	Until   time.Time        `json:"until"`
	Times   int              `json:"times"`
	Reason  string           `json:"reason"`
}

// window returns how long a fault counts.
func (q *quarantine) window() time.Duration {
	if q.aDay > 0 {
		return 24 * time.Hour
	}
	return faultWindow
}

// quiet reports whether somebody is silent on a relay.
func (q *quarantine) quiet(who listener, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	f := q.faults[who]
	return f != nil && now.Before(f.until)
}

// count adds one fault, and reports whether it silenced somebody, and until when.
func (q *quarantine) count(who listener, now time.Time) (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.faults == nil {
		q.faults = map[listener]*faults{}
	}
	f := q.faults[who]
	if f == nil {
		f = &faults{}
		q.faults[who] = f
	}
	for len(f.recent) > 0 && now.Sub(f.recent[0]) > q.window() {
		f.recent = f.recent[1:]
	}
	f.recent = append(f.recent, now)
	lately := 0
	for _, at := range f.recent {
		if now.Sub(at) <= faultWindow {
			lately++
		}
	}
	if lately < q.limit && (q.aDay == 0 || len(f.recent) < q.aDay) {
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
// as long as the longest silence after the last one, and while the session lives: so there is one
// entry for each live session, and each app, of a relay.
func (q *quarantine) forget(now time.Time, lives func(ledger.SessionID) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, f := range q.faults {
		old := len(f.recent) == 0 || now.Sub(f.recent[len(f.recent)-1]) > q.window()
		if old && now.Sub(f.until) > quietMost || key.session != 0 && !lives(key.session) {
			delete(q.faults, key)
		}
	}
}

// release lets somebody listen again to all relays and forgets the faults. It reports whether there
// were any. The relay of who is not looked at.
func (q *quarantine) release(who listener) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := false
	for key := range q.faults {
		if key.session == who.session && key.app == who.app {
			delete(q.faults, key)
			found = true
		}
	}
	return found
}

// list returns who is silent now.
func (q *quarantine) list(now time.Time) []Quarantine {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []Quarantine
	for key, f := range q.faults {
		if now.Before(f.until) {
			all = append(all, Quarantine{key.session, key.app, key.relay, f.until, f.times, q.reason})
		}
	}
	return all
}

// rejectAltered answers what somebody altered on its way, and counts it. The answer is that to any
// invalid request, so that the relay does not learn how far its payload came.
func (a *Agent) rejectAltered(ctx context.Context, r *run, reason string) {
	if !a.nobodyBetween(r.relay) {
		a.countFault(&a.byDamage, r)
		a.noticeAt(trace.Altered, r)
	}
	a.reject(ctx, r, string(policy.CodeInvalid), reason)
}

// rejectMistake answers a request that its application made so, as its own mistake: each time, and
// at the cost of its rate alone.
func (a *Agent) rejectMistake(ctx context.Context, r *run, err error) {
	a.noticeAt(trace.Invalid, r)
	a.reject(ctx, r, string(policy.CodeInvalid), err.Error())
}

// nobodyBetween reports whether nobody stands between the applications and this wallet: the relay
// is the one in this process, and listens on this machine alone.
func (a *Agent) nobodyBetween(relay string) bool {
	if a.ownRelay == nil || !a.settings().OwnRelay(relay) {
		return false
	}
	name, _, err := net.SplitHostPort(a.settings().RelayListen)
	return err == nil && host.Loopback(name)
}

// listener returns whom the faults of a request are counted against: its session, or its app if a
// login has none yet. It is false for a request by a pairing link, of which there is one only.
func (r *run) listener() (listener, bool) {
	if r.session != nil {
		return listener{session: r.session.ID, relay: r.relay}, true
	}
	return listener{app: r.app, relay: r.relay}, r.pairing == nil
}

// ends returns how a person ends that somebody is not heard, and the same for one who is away,
// without the name of an app.
func (who listener) ends() (hint, away string) {
	if who.session == 0 {
		return fmt.Sprintf("`pksa session release --app %s` ends that", who.app),
			"On the wallet's machine: `pksa status` shows what ends that."
	}
	hint = fmt.Sprintf("`pksa session release %s` ends that", who.session)
	return hint, "On the wallet's machine: " + hint + "."
}

// countFault counts a request against its listener.
func (a *Agent) countFault(q *quarantine, r *run) {
	who, ok := r.listener()
	if !ok || who.session == 0 && !q.logins {
		return
	}
	until, silenced := q.count(who, r.arrived)
	if !silenced {
		return
	}
	e := ledger.Entry{Account: string(r.msg.Account), App: r.app, Session: who.session}
	what := "session does not listen to this relay for now"
	if who.session == 0 {
		what = "logins of this app are not heard from this relay for now"
	}
	hint, away := who.ends()
	a.log.Warn(what, append(r.attrs(), "until", until, "reason", q.reason, "hint", hint)...)
	a.desk.Tell(notify.Event{Kind: notify.Quarantined, Account: e.Account, What: strings.ToUpper(what[:1]) + what[1:] +
		".", Do: away, Details: []string{fmt.Sprintf("App %s, relay %s: %s; %s.", r.app, r.relay, q.reason, hint)}})
	a.noteEvent(eventQuarantine, e, map[string]any{"relay": r.relay, "until": until, "reason": q.reason})
}

// quarantines returns the sessions that are silent on a relay now, for whatever reason.
func (a *Agent) quarantines() []Quarantine {
	now := time.Now()
	return append(a.byDamage.list(now), a.byReplay.list(now)...)
}
