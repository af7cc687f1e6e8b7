package audit

import (
	"context"

	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Window is what a page of the newest records reads at a time.
func Window(ctx context.Context, l *ledger.Ledger, from, to uint64) (list []ledger.Record, step uint64, err error) {
	p := pager{ctx: ctx, ledger: l, step: pageWindow}
	list, err = p.window(from, to)
	return list, p.step, err
}

// Seen is how many numbers a page of the newest records looks at.
func Seen(ctx context.Context, l *ledger.Ledger, q Query) (seen int, err error) {
	p := pager{ctx: ctx, ledger: l, q: q, match: &matcher{Filter: q.Filter}}
	err = p.back()
	return p.seen, err
}

// AppendLower is what a search compares texts by.
var AppendLower = appendLower

// ReplayWith is [Replay] with other bounds.
func ReplayWith(read Source, p *policy.Policy, n *hive.Network, changes, declined int) (Replayed, error) {
	r := replay{policy: p, windows: p.Windows(), mostChanges: changes, mostDeclined: declined}
	return r.run(read, n)
}

// TryWith is [Trail.Try] from record 7 on, with another bound of what limits count, and another
// reason to end.
func TryWith(read Source, old, next *policy.Policy, bytes int, end func() error) Trial {
	r := replay{policy: next, before: old, from: 7, mostBytes: bytes, end: end}
	return r.try(read, hive.Mainnet)
}

// FirstTried is the first record of a trial.
var FirstTried = firstTried

// The bounds of [Replay].
const (
	MostChanges  = mostChanges
	MostDeclined = mostDeclined
)

// ApprovalOf returns what verifying finds of the approval in a record.
func ApprovalOf(r *ledger.Record, wallet string) (found Verified) {
	found.approval(r, wallet)
	return found
}
