package link

import (
	"cmp"
	"maps"
	"time"

	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

// Status is the state of a link at one instant. Texts that came from the relay are cut to 200 bytes
// and hold printable characters only.
type Status struct {
	URL       string
	Connected bool           // the relay has given its key and the connection lives
	Since     time.Time      // when it was connected; zero if it is not
	DownSince time.Time      // since when it is not connected; zero if it is
	RelayKey  hive.PublicKey // of this connection; null if not connected
	Protocol  float64        // by the relay's last greeting; 0 = it did not say
	Server    string         // the same
	Version   string         // the same

	Accounts   int       // of the link
	Registered int       // acknowledged on this connection
	Pending    int       // neither registered nor in Refused
	Refused    []Refusal // by name
	Hint       string    // what a person might do about it; may be empty
	// KeyRefused is set while the relay is refused because of its key.
	KeyRefused *KeyError
	Pinned     bool // Options.Key names its key

	InFlight     int       // requests that Handler has not returned from
	Draining     bool      // no requests are taken any more
	RelayError   string    // the relay's last `error`; empty if all accounts were registered since, or an hour passed
	RelayErrorAt time.Time // when that was
	LastError    string    // why the last connection ended, or was not made
	LastErrorAt  time.Time // when that was
	LastReason   outage.Reason
	NextAttempt  time.Time // zero unless the link waits for it
	Counters     Counters
}

// Refusal is an account that could not be registered and will be tried again.
type Refusal struct {
	Account hive.AccountName
	Reason  string    // the relay's error, or words of ours
	Since   time.Time // of the first failure
	Tries   int       // that failed
	Next    time.Time // of the next try; zero while one runs
}

// Counters count since the link was made. They only grow.
type Counters struct {
	Connections uint64          // that got as far as the relay's key
	Reconnects  uint64          // connections without the first
	KeyChanges  uint64          // connections on which the relay had another key than before
	KeyRefusals uint64          // connections that ended because of the relay's key
	Attempts    uint64          // to connect
	Frames      uint64          // of WebSocket, read, of any kind
	Pauses      uint64          // in reading, because the relay sent more than Options.LinkRate
	Requests    uint64          // given to Handler
	Answers     uint64          // written
	RelayErrors uint64          // `error` messages
	Refusals    uint64          // registrations refused, unanswered when alone, or without proof
	Drops       map[Drop]uint64 // a copy; it belongs to the caller
	// Losses are connections that ended or were not made, by why. It is a copy as well.
	Losses map[outage.Reason]uint64
}

// facts is what only Status needs. Link.mu guards it.
type facts struct {
	Counters
	drops        map[Drop]uint64
	greeting     protocol.Connected
	since        time.Time
	servedAt     time.Time // when the first account of this connection was acknowledged
	hinted       string    // what the log was told last
	relayError   string
	relayErrorAt time.Time
	downSince    time.Time
	lastError    string
	lastErrorAt  time.Time
	lastReason   outage.Reason
	losses       map[outage.Reason]uint64
	next         time.Time
	keyRefused   *KeyError // of the last connection; nil once one was not refused
	keyTold      time.Time // when Options.KeyRefused was called last
}

// relayErrorShown is how long an `error` of a relay is of interest that is about no registration.
const relayErrorShown = time.Hour

// Status returns the state of the link now. It walks over all accounts.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &l.facts
	s := Status{
		URL: l.URL(), Accounts: len(l.accounts), Registered: l.reg.count,
		Protocol: f.greeting.Protocol, Server: clip(f.greeting.Server), Version: clip(f.greeting.Version),
		InFlight: l.inFlight, Draining: l.draining, RelayError: f.relayError, RelayErrorAt: f.relayErrorAt,
		LastError: f.lastError, LastErrorAt: f.lastErrorAt, LastReason: f.lastReason, NextAttempt: f.next,
		KeyRefused: f.keyRefused, Pinned: !l.options.Key.IsNull(), Counters: f.Counters,
	}
	s.Counters.Drops, s.Counters.Losses = maps.Clone(f.drops), maps.Clone(f.losses)
	if l.conn == nil {
		s.DownSince = f.downSince
	} else {
		s.Connected, s.Since, s.RelayKey = true, f.since, l.conn.key
	}
	if s.RelayError == "" || time.Since(f.relayErrorAt) > relayErrorShown {
		s.RelayError, s.RelayErrorAt = "", time.Time{}
	}
	s.Hint = l.reg.hint()
	if f.keyRefused != nil {
		s.Hint = f.keyRefused.Advice()
	}
	s.Refused = l.refusedLocked()
	s.Pending = s.Accounts - s.Registered - len(s.Refused)
	return s
}

func (l *Link) refusedLocked() []Refusal {
	var refused []Refusal
	for name, e := range l.accounts {
		if e.tries == 0 {
			continue
		}
		r := Refusal{Account: name, Reason: e.reason, Since: e.since, Tries: e.tries}
		if e.state == parked {
			r.Next = e.due
		}
		refused = append(refused, r)
	}
	sorts.By(refused, func(a, b Refusal) int { return cmp.Compare(a.Account, b.Account) })
	return refused
}

// recordAttempt records that a connection is being made.
func (l *Link) recordAttempt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Attempts++
	l.facts.next = time.Time{}
	l.facts.since, l.facts.servedAt = time.Time{}, time.Time{}
}

// beginServing makes a connection the newest and starts registering on it.
func (l *Link) beginServing(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.conn = c
	l.reg.begin(l.sortedLocked(), now)
	l.facts.since = now
	if l.facts.Connections++; l.facts.Connections > 1 {
		l.facts.Reconnects++
	}
}

// recordEnd records the end of a connection and returns how far it came.
func (l *Link) recordEnd() life {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = nil
	if l.conn != nil {
		l.facts.downSince = time.Now()
	}
	l.conn = nil // from now on no answer is sent, and no proof made, for its key
	l.reg.end()
	since := l.facts.servedAt
	if since.IsZero() && len(l.accounts) == 0 {
		since = l.facts.since
	}
	if since.IsZero() {
		return life{}
	}
	return life{served: true, lasted: time.Since(since)}
}

// clip returns text of a relay as one line that is fit for messages and logs.
func clip(text string) string { return plain.Line(text, 200) }
