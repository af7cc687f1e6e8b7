package relay

import (
	"sync"
	"time"

	"pksa/protocol/hive"
)

// Bounds of what is remembered of proofs that registered. A wallet makes a new proof for each
// registration, so an account needs one for each of its connections in twenty seconds.
const (
	maxSpentOfAccount = 64
	maxSpent          = 200_000
)

// spentProofs remembers the proofs of key with which accounts were registered, as long as these are
// good. Whoever saw a registration could replay it on a connection of his own otherwise, and leave
// out the member pok of a message that has both forms: then he would be taken for a wallet of
// protocol 0.8, and could answer without a proof. Its methods may be called concurrently.
type spentProofs struct {
	mu    sync.Mutex
	seen  map[hive.AccountName][]spentProof
	count int
	sweep time.Time // when those that have expired are dropped next
}

// spentProof names a memo: its key encrypts nothing else, for the nonce is part of that key.
type spentProof struct {
	from  hive.PublicKey
	nonce uint64
	until time.Time
}

// spend reports whether a proof of an account is new, and remembers it until then. It also reports
// false where there are too many to remember.
func (p *spentProofs) spend(account hive.AccountName, proof spentProof, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.After(p.sweep) {
		p.sweep = now.Add(2 * proofWindow)
		for name := range p.seen {
			p.forgetLocked(name, now)
		}
	}
	p.forgetLocked(account, now)
	seen := p.seen[account]
	for _, other := range seen {
		if other.from == proof.from && other.nonce == proof.nonce {
			return false
		}
	}
	if len(seen) >= maxSpentOfAccount || p.count >= maxSpent {
		return false
	}
	if p.seen == nil {
		p.seen = map[hive.AccountName][]spentProof{}
	}
	p.seen[account] = append(seen, proof)
	p.count++
	return true
}

// forgetLocked drops the proofs of an account that are too old to be taken anyway.
func (p *spentProofs) forgetLocked(account hive.AccountName, now time.Time) {
	seen := p.seen[account]
	kept := seen[:0]
	for _, proof := range seen {
		if now.Before(proof.until) {
			kept = append(kept, proof)
		}
	}
	p.count -= len(seen) - len(kept)
	if len(kept) == 0 {
		delete(p.seen, account)
		return
	}
	p.seen[account] = kept
}
