// Package audit reads the audit trail that the ledger keeps. Start with [Trail], which reads pages
// of records and verifies the whole; [ReadTrail] makes requests of records that [Replay] judges by
// another policy.
//
// # What it promises
//
// Nothing here changes the trail. A page fits one answer of the control socket, however long the
// records are, and reading it looks at a bounded number of records. The form of [Record] and
// [Content] is what people and machines see; members are added to it, none is changed or removed.
//
// # Where to look
//
// record.go is one record as people see it, content.go what the record of a request holds, cut.go
// how that is bounded, and denials.go the sums that stand for many denied requests. page.go reads a
// part of the trail, verify.go all of it. request.go makes requests of records, replay.go judges
// them again.
package audit

import (
	"sync/atomic"

	"pksa/agent/ledger"
	"pksa/protocol/hive"
)

// Trail is an audit trail that can be read. Its methods may be called concurrently, also while an
// agent writes to the ledger.
type Trail struct {
	Ledger *ledger.Ledger
	// LedgerID is the ledger's random id, which the keystore holds.
	LedgerID string
	// Progress, unless nil, is told by Verify how many records it has read, of how many.
	Progress func(done, all uint64)
}

// Reading is how far a verification is, for those who wait for it. The zero value is ready. Its
// methods may be called concurrently; of several verifications it is about the one that spoke last.
type Reading struct{ done, all atomic.Uint64 }

// At notes how many records were read, of how many.
func (r *Reading) At(done, all uint64) {
	r.all.Store(all)
	r.done.Store(done)
}

// HowFar is how many records a verification has read, of how many.
type HowFar struct {
	Done uint64 `json:"done"`
	All  uint64 `json:"all"`
}

// Promises returns the members that no answer of the agent lacks.
func (HowFar) Promises() []string { return []string{"done", "all"} }

// Now returns how far it is. Zeros are of a verification that has not begun.
func (r *Reading) Now() HowFar { return HowFar{Done: r.done.Load(), All: r.all.Load()} }

// Name returns what published checkpoints call the trail: 16 hexadecimal digits. It tells trails
// apart and does not disclose the ledger's id.
func (t Trail) Name() string {
	return hive.HashText("pksa audit trail " + t.LedgerID).String()[:16]
}
