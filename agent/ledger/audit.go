package ledger

import "time"

// RecordType says what an audit record reports. The zero value is not valid.
type RecordType uint8

// The types of records. Their numbers are on disk.
const (
	RecordStart    RecordType = 1  // the agent started
	RecordStop     RecordType = 2  // it stopped in order
	RecordAdmin    RecordType = 3  // an administrator's act: slots, sessions made by hand, reload
	RecordJudged   RecordType = 4  // a request was admitted, denied or set pending
	RecordDecided  RecordType = 5  // a pending request was judged again; Ref is its number
	RecordSettled  RecordType = 6  // an outcome; Ref is the request's number
	RecordRejected RecordType = 7  // a request that never came to judging, but was answered
	RecordEvent    RecordType = 8  // anything else: ignored, failed, clock, relay trouble
	RecordAccepted RecordType = 9  // a restored ledger was accepted
	RecordEnded    RecordType = 10 // a session ended by itself
)

// Record is one record of the audit trail.
type Record struct {
	Number  uint64
	Time    time.Time // ledger time, ms
	Type    RecordType
	Ref     uint64 // the request that a decision or outcome belongs to; zero if none
	Verdict Verdict
	Outcome string // of RecordSettled; an action's name of others
	Account string
	Kind    string
	App     string
	Session SessionID
	Key     RequestKey
	Nonce   int64
	Digest  [32]byte
	TxID    [20]byte
	Content []byte // opaque, JSON by custom
}

// Entry is what a caller adds to the audit trail by itself.
type Entry struct {
	Type    RecordType // RecordStart, RecordStop, RecordAdmin, RecordEvent
	Outcome string     // what happened, a short constant
	Account string
	App     string
	Session SessionID
	Content []byte
}
