package trace

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Kind is what went wrong with a request. The texts are part of the JSON of status.
type Kind string

// The kinds.
const (
	// Unopened is a request that no secret, session or pairing link opens.
	Unopened Kind = "unopened"
	// Untried is a request that was not tried with all keys, because strangers had used up what
	// there is for keys.
	Untried Kind = "untried"
	// Busy is a request above the rate of its account, whose application was told "busy".
	Busy Kind = "busy"
	// TooFast is a request above the rate of its account that got no answer.
	TooFast Kind = "too_fast"
	// RelayTooFast is a pause in reading a relay that sends above its rate.
	RelayTooFast Kind = "relay_too_fast"
	// TooMany is a request that found too many others in work.
	TooMany Kind = "too_many"
	// SessionsFull is a login that was refused because the account has as many sessions as it may.
	SessionsFull Kind = "sessions_full"
	// Ended is a request in a session that has ended.
	Ended Kind = "session_ended"
	// Altered is a request that somebody altered between its application and this wallet.
	Altered Kind = "altered"
	// Invalid is a request that its application made wrong, and that was answered so.
	Invalid Kind = "invalid"
	// OwnDisplaced is a request at the wallet's own relay that made room for another one, or found
	// none at a wallet.
	OwnDisplaced Kind = "own_relay_displaced"
	// OwnTooMany is a frame that the wallet's own relay refused because of a limit.
	OwnTooMany Kind = "own_relay_too_many"
	// OwnSilent is a connection to the wallet's own relay that said nothing and made room.
	OwnSilent Kind = "own_relay_silent"
	// OwnFull is a connection that found no place at the wallet's own relay.
	OwnFull Kind = "own_relay_full"
)

// kinds are all kinds, in the order in which they are listed.
var kinds = []Kind{Unopened, Untried, Busy, TooFast, RelayTooFast, TooMany, SessionsFull, Ended, Altered, Invalid,
	OwnDisplaced, OwnTooMany, OwnSilent, OwnFull}

// Advice returns what a person should think of first.
func (k Kind) Advice() string {
	switch k {
	case Unopened:
		return "a wrong secret, or a session that has ended? the application hears nothing"
	case Untried:
		return "a relay passes on more of strangers than keys are tried for; the sessions and apps used last are " +
			"served, " +
			"others may have to ask again"
	case Busy:
		return "the application was told to ask again later (limits.account_requests_per_second)"
	case TooFast:
		return "the application hears nothing (limits.account_requests_per_second)"
	case RelayTooFast:
		return "its requests wait, and after 10 s of that it is hung up on (limits.requests_per_second)"
	case TooMany:
		return "the applications hear nothing; is the disk slow, or a person asked about many requests?"
	case SessionsFull:
		return "does the application log in each time it runs? it should keep its session " +
			"(limits.sessions_per_app, limits.sessions_per_account)"
	case Ended:
		return "the application should log in again; `pksa session list --ended` shows its sessions"
	case Altered:
		return "the relay, or somebody between it and the application, changes what it carries"
	case Invalid:
		return "a mistake of the application, which was told so; the log and `pksa audit tail` name the member"
	case OwnDisplaced:
		return "their applications hear nothing; does a program send many requests that nobody answers?"
	case OwnTooMany:
		return "the senders were told \"too many requests\", or \"too many registrations\"; does a program send too " +
			"fast?"
	case OwnSilent:
		return "all its places were taken; does somebody open many connections? a firewall, or less in " +
			"relay.connections_per_address, keeps them out"
	case OwnFull:
		return "all its places, or those of an address, were taken; more in relay.connections_per_address, if " +
			"that is " +
			"your own proxy, else a firewall"
	}
	return ""
}

// what returns what was counted, after a number.
func (k Kind) what(n uint64, account hive.AccountName, app string) string {
	noun, verb := "request", ""
	switch k {
	case Unopened:
		verb = " that nothing opens"
	case Untried:
		verb = " not tried with all keys, dropped"
	case Busy:
		verb = " above the rate, answered with \"busy\""
	case TooFast:
		verb = " above the rate, dropped"
	case RelayTooFast:
		noun, verb = "pause", " in reading a relay that sends above its rate"
	case TooMany:
		verb = " dropped because too many were in work"
	case SessionsFull:
		noun, verb = "login", " refused because the account has all the sessions that it may have"
	case Ended:
		verb = " in ended sessions" + of(app)
	case Altered:
		verb = of(app) + ", altered on the way"
	case Invalid:
		verb = of(app) + " with a mistake, answered with \"invalid request\""
	case OwnDisplaced:
		verb = " at the own relay dropped to make room"
	case OwnTooMany:
		noun, verb = "message", " to the own relay refused as too many"
	case OwnSilent:
		noun, verb = "silent connection", " to the own relay closed to make room"
	case OwnFull:
		noun, verb = "connection", " to the own relay without a place"
	}
	if n != 1 {
		noun += "s"
	}
	if account != "" {
		noun += " for " + string(account)
	}
	return fmt.Sprintf("%d %s%s", n, noun, verb)
}

func of(app string) string {
	if app == "" {
		return ""
	}
	return " of " + app
}

const (
	// span is how long a request is counted, in slots of a length each.
	span   = time.Hour
	slots  = 12
	length = span / slots
	// maxPlaces bounds the places: kind, account and app. Others are counted under no account.
	maxPlaces = 1000
	// again is the least time between two lines of the program's log about one kind.
	again = time.Minute
)

// Log keeps what went wrong. The zero value is ready. All methods may be called concurrently, and
// none waits.
type Log struct {
	mu     sync.Mutex
	places map[place]*counts
	lines  map[Kind]*line
}

type place struct {
	kind    Kind
	account hive.AccountName
	app     string
}

// counts are the numbers of one place: slot i holds those of the last time whose number of lengths
// since 1970 is i modulo slots.
type counts struct {
	slots  [slots]uint64
	newest int64 // number of lengths since 1970
	last   time.Time
}

// line is what the program's log has not been told of one kind.
type line struct {
	Line
	told time.Time // when it was told last; zero: never
}

// Line is one line for the program's log: what went wrong since the line before.
type Line struct {
	Kind    Kind
	Count   uint64
	Account hive.AccountName // of the last one; empty if there is none
	Relay   string           // of the last one
}

// Entry is what went wrong in the last hour with requests for one account, or for no known one.
type Entry struct {
	Kind    Kind             `json:"kind"`
	Account hive.AccountName `json:"account,omitempty"`
	App     string           `json:"app,omitempty"` // of Ended
	Count   uint64           `json:"count"`
	Last    time.Time        `json:"last"`
}

// String returns the number and what happened, for example "3 requests for alice that nothing
// opens".
func (e Entry) String() string { return e.Kind.what(e.Count, e.Account, e.App) }

// String returns the number and what happened.
func (l Line) String() string { return l.Kind.what(l.Count, "", "") }

// Where is whose request it was, as far as that is known, and by which relay it came.
type Where struct {
	Account hive.AccountName
	App     string
	Relay   string
}

// Count counts one request. If the program's log should be told now, it returns the line.
func (l *Log) Count(kind Kind, account hive.AccountName, relay string, now time.Time) (Line, bool) {
	return l.CountAt(kind, Where{Account: account, Relay: relay}, now)
}

// CountAt counts one request whose app is known, as Count does.
func (l *Log) CountAt(kind Kind, w Where, now time.Time) (Line, bool) { return l.Add(kind, 1, w, now) }

// Add counts several requests at once, one at least, as Count does.
func (l *Log) Add(kind Kind, n uint64, w Where, now time.Time) (Line, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == nil {
		l.places, l.lines = map[place]*counts{}, map[Kind]*line{}
	}
	l.placeLocked(place{kind, w.Account, w.App}, now).add(n, now)
	at := l.lines[kind]
	if at == nil {
		at = &line{Line: Line{Kind: kind}}
		l.lines[kind] = at
	}
	at.Count += n
	at.Account, at.Relay = w.Account, w.Relay
	return at.take(now)
}

// placeLocked returns the counts of a place. If there is no room for another one, those of no
// account.
func (l *Log) placeLocked(p place, now time.Time) *counts {
	if c := l.places[p]; c != nil {
		return c
	}
	if len(l.places) >= maxPlaces {
		for old, c := range l.places {
			if now.Sub(c.last) >= span {
				delete(l.places, old)
			}
		}
	}
	if len(l.places) >= maxPlaces {
		p.account, p.app = "", "" // a place for each kind, above the bound
	}
	c := l.places[p]
	if c == nil {
		c = &counts{}
		l.places[p] = c
	}
	return c
}

func (c *counts) add(n uint64, now time.Time) {
	c.advance(now)
	c.slots[c.newest%slots] += n
	c.last = now
}

// advance empties the slots whose time is over.
func (c *counts) advance(now time.Time) {
	n := now.UnixNano() / int64(length)
	for i := max(c.newest+1, n-slots+1); i <= n; i++ {
		c.slots[i%slots] = 0
	}
	c.newest = max(c.newest, n)
}

func (c *counts) sum() (n uint64) {
	for _, slot := range c.slots {
		n += slot
	}
	return n
}

// take returns what is to be told now, and begins to count again.
func (l *line) take(now time.Time) (Line, bool) {
	if l.Count == 0 || !l.told.IsZero() && now.Sub(l.told) < again {
		return Line{}, false
	}
	told := l.Line
	l.told, l.Count = now, 0
	return told, true
}

// Due returns the lines that the program's log should be told now: what was counted since the last
// one, where no request came since.
func (l *Log) Due(now time.Time) (due []Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range kinds {
		if at := l.lines[kind]; at != nil {
			if told, ok := at.take(now); ok {
				due = append(due, told)
			}
		}
	}
	return due
}

// List returns what went wrong in the last hour, by kind and account.
func (l *Log) List(now time.Time) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Entry
	for p, c := range l.places {
		c.advance(now)
		if n := c.sum(); n > 0 {
			all = append(all, Entry{Kind: p.kind, Account: p.account, App: p.app, Count: n, Last: c.last})
		}
	}
	sorts.By(all, func(a, b Entry) int {
		return cmp.Or(slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind), cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.App, b.App))
	})
	return all
}
