package ledger

import (
	"strconv"
	"time"
)

// SessionID names a session for good: the number of the audit record that made it.
type SessionID uint64

// String is the id in decimal.
func (id SessionID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Origin says how a session came to be. The zero value is not valid.
type Origin uint8

// The three ways to a session.
const (
	Service Origin = iota + 1 // an auth_req that opened with a slot's secret
	Hand                      // made by the operator
	Paired                    // taken from a link or QR code
)

// String is "service", "hand" or "paired".
func (o Origin) String() string {
	switch o {
	case Service:
		return "service"
	case Hand:
		return "hand"
	case Paired:
		return "paired"
	}
	return "unknown"
}

// NewSession is what a session is made of.
//
// An auth_key belongs to one account and one app: the pages of HAS ask for a key for each account
// (HAS §9.1), and a key shared by two would let a relay deliver one account's requests as the
// other's.
type NewSession struct {
	Account string
	App     string // slot name
	AuthKey Secret
	Token   Secret // empty: a fresh uuid v4
	Origin  Origin
	Relay   string // where it was made, or empty
	Expires time.Time
	// LastNonce, in ms, is what the session took before it came here, from another wallet; usually
	// zero. Only a higher nonce is fresh.
	LastNonce int64
}

// Session is a live session as it was when it was asked for. It is shared: do not change it.
type Session struct {
	ID       SessionID
	Account  string
	App      string
	AuthKey  Secret
	Token    Secret // uuid v4, the same for life; sent, never trusted
	Origin   Origin
	Relay    string
	Created  time.Time
	Expires  time.Time
	LastUsed time.Time // Created if never

	LastNonce int64 // ms; the highest that was admitted or denied
	Nonceless bool  // took a request without nonce: its auth_key makes no session again
	// NoncesOnly demands nonces: the ledger was restored, so digests may have been lost.
	NoncesOnly bool
	Digests    int // how many ciphertexts it remembers

	asOf uint64 // number of the last record that is reflected here
}
