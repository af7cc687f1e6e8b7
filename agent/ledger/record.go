package ledger

import (
	"context"
	"time"
)

// RecordType is what an audit record reports. The zero value is not valid.
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

// Spending is what a judged request used up, so that it is never accepted again. The numbers are on
// disk.
type Spending uint8

// What a request used up.
const (
	SpentNothing       Spending = iota // it was a replay, or had nothing to protect
	SpentNonce                         // the session's nonces up to its own
	SpentSessionDigest                 // its ciphertext, as long as the session lives
	SpentSlotDigest                    // its ciphertext, as long as the slot's secret
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
	Digest  [32]byte // of the ciphertext
	Spent   Spending
	TxID    [20]byte
	Content []byte // opaque, JSON by custom
}

// Entry is what a caller adds to the audit trail without a request.
type Entry struct {
	Type    RecordType // RecordStart, RecordStop, RecordAdmin, RecordEvent
	Outcome string     // what happened, a short constant
	Account string
	App     string
	Session SessionID
	Ref     uint64 // the request that it is about; zero if none
	Content []byte
}

// Append adds to the audit trail, waits for the commit and returns the number of the record.
func (l *Ledger) Append(ctx context.Context, e Entry) (uint64, error) {
	var number uint64
	err := l.submitContext(ctx, &op{apply: func(b *batch) error { number = b.append(e); return nil }})
	if err != nil {
		return 0, err
	}
	return number, nil
}

// Note adds to the audit trail with the next commit, and does not wait. If that commit does not
// succeed, the record may be lost or stand twice.
func (l *Ledger) Note(e Entry) error {
	size := stepBytes + len(e.Content)
	return l.queue.put(&op{keep: true, size: size, apply: func(b *batch) error { b.append(e); return nil }})
}

func (b *batch) append(e Entry) uint64 {
	return b.record(Record{
		Type: e.Type, Outcome: e.Outcome, Account: e.Account, App: e.App, Session: e.Session, Ref: e.Ref,
		Content: e.Content,
	}, nil)
}
