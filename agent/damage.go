package agent

import (
	"sync"
	"time"

	"pksa/agent/ledger"
)

// A sealed payload carries no MAC, so a relay can flip bits in one and hope that what comes out
// does something else (HAS §13.3). One try in hundreds of thousands is even valid UTF-8. A relay
// that tries is noticed by its failures: after damageLimit of them within damageWindow a session
// does not listen to that relay for a while, at first for damageQuiet, then for twice as long each
// time. Other sessions of the account, and the same session on other relays, go on.
//
// Replays count apart and with more patience: an application whose requests overtake each other
// looks the same for a while.
const (
	damageLimit  = 5
	replayLimit  = 100
	damageWindow = 10 * time.Minute
	damageQuiet  = 10 * time.Minute
	damageMost   = 24 * time.Hour
)

// damage counts failures by session and relay. All methods may be called concurrently.
type damage struct {
	limit  int // of failures within the window
	mu     sync.Mutex
	counts map[damageKey]*damageCount
}

type damageKey struct {
	session ledger.SessionID
	relay   string
}

type damageCount struct {
	recent []time.Time // failures within the window, oldest first
	until  time.Time   // silent until then
	times  int         // how often it was silenced
}

// Quarantine is a session that does not listen to a relay for now.
type Quarantine struct {
	Session ledger.SessionID `json:"session"`
	Relay   string           `json:"relay"`
	Until   time.Time        `json:"until"`
	Times   int              `json:"times"`
}

// quiet says whether the session is silent on the relay.
func (d *damage) quiet(id ledger.SessionID, relay string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts[damageKey{id, relay}]
	return c != nil && now.Before(c.until)
}

// failed counts one failure and says whether that silenced the session, and until when.
func (d *damage) failed(id ledger.SessionID, relay string, now time.Time) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts == nil {
		d.counts = map[damageKey]*damageCount{}
	}
	c := d.counts[damageKey{id, relay}]
	if c == nil {
		c = &damageCount{}
		d.counts[damageKey{id, relay}] = c
	}
	for len(c.recent) > 0 && now.Sub(c.recent[0]) > damageWindow {
		c.recent = c.recent[1:]
	}
	c.recent = append(c.recent, now)
	if len(c.recent) < d.limit {
		return time.Time{}, false
	}
	c.recent = nil
	c.until = now.Add(min(damageQuiet<<min(c.times, 10), damageMost))
	c.times++
	return c.until, true
}

// forget drops what counts for nothing any more. How often a session was silenced is remembered for
// as long as the longest silence after the last one.
func (d *damage) forget(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, c := range d.counts {
		old := len(c.recent) == 0 || now.Sub(c.recent[len(c.recent)-1]) > damageWindow
		if old && now.Sub(c.until) > damageMost {
			delete(d.counts, key)
		}
	}
}

// release lets the session listen again everywhere and forgets its failures.
func (d *damage) release(id ledger.SessionID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := false
	for key := range d.counts {
		if key.session == id {
			delete(d.counts, key)
			found = true
		}
	}
	return found
}

// list gives the sessions that are silent now.
func (d *damage) list(now time.Time) []Quarantine {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Quarantine
	for key, c := range d.counts {
		if now.Before(c.until) {
			all = append(all, Quarantine{key.session, key.relay, c.until, c.times})
		}
	}
	return all
}
