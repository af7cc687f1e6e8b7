package probe

import "time"

// Canary is whether a relay delivers requests to this wallet and passes its answers on: what the
// last probes through the relay found out, for people and machines.
type Canary struct {
	Relay   string    `json:"relay"`
	Result  string    `json:"result"`            // one of the words below
	Outcome string    `json:"outcome,omitempty"` // of the last probe
	At      time.Time `json:"at,omitzero"`
	Failed  int       `json:"failed,omitempty"`        // probes in a row that failed
	TripMS  int64     `json:"round_trip_ms,omitempty"` // from sending the last probe until it came back
	Hint    string    `json:"hint,omitempty"`
}

// The results of a [Canary].
const (
	Works  = "works"
	Fails  = "fails"     // twice in a row
	Unsure = "unsure"    // no probe has ended yet, or one failed
	Own    = "own relay" // it runs in this process and gets no probes
	Unsent = "not sent"  // no account is registered there
)

// failures is how many probes in a row have to fail before a relay counts as one that does not
// serve: one frame may be lost.
const failures = 2

// Canary returns what the finding says of a relay, and what a person should know about that.
func (f Finding) Canary(relay string) Canary {
	c := Canary{Relay: relay, Result: Works, Outcome: string(f.Outcome), At: f.At, Failed: f.Failed,
		TripMS: f.Trip.Milliseconds()}
	switch {
	case f.Failed >= failures:
		c.Result = Fails
	case f.Failed > 0 || f.Outcome == "":
		c.Result = Unsure
	}
	switch {
	case f.Outcome == Lost:
		c.Hint = "a request that this wallet sent itself did not come back: the relay does not deliver, or not " +
			"to its " +
			"sender. A second copy of this wallet would not be noticed there"
	case f.Outcome == Unaccepted:
		c.Hint = "the relay did not pass on our own answer to a request that this wallet sent itself: it may " +
			"refuse our " +
			"proof of key. `pksa keys check` compares the keys with the chain"
	case f.Outcome == Unopened && f.Times > 2:
		c.Hint = "another wallet of the account answers requests that it cannot open: a second copy of this wallet " +
			"would not be noticed there"
	}
	return c
}

// after returns how long to wait for the next probe. A failed one is repeated soon, so that one
// frame that was lost is told from a relay that does not serve, and then every minute, so that its
// recovery is seen soon.
func (w *Watch) after(f Finding) time.Duration {
	switch {
	case f.Failed == 0:
		return w.o.Interval
	case f.Failed < failures:
		return min(w.o.Interval, spacing)
	}
	return min(w.o.Interval, time.Minute)
}

// Ask has a probe sent through a relay now, unless one is out. It reports whether one is, or will
// be: false for a relay that is not known or has no registered account, or if this copy has
// yielded.
func (w *Watch) Ask(name string, now time.Time) bool {
	r := w.relays[name]
	if r == nil || w.yielded || r.out == nil && r.next.IsZero() {
		return false
	}
	if r.out == nil && r.next.After(now) {
		r.next = now
	}
	return true
}

// Promises returns the members that no answer of the control socket lacks.
func (Canary) Promises() []string { return []string{"relay", "result"} }
