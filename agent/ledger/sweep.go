package ledger

import (
	"cmp"
	"context"

	"pksa/protocol/sorts"
)

// sweepMost is how many records of a kind one commit drops at most. It bounds how long requests
// wait for that, and how much of the file it brings into memory.
const sweepMost = 1000

// sweep ends sessions that have expired, and drops answers, charges, fates and remnants that are of
// no more use.
func (b *batch) sweep() error {
	if !b.l.turning.Load() {
		b.endExpired(b.allSessions())
	}
	b.sweepFates()
	b.sweepRemnants()
	return b.sweepStored()
}

// sweepStored drops answers and charges that are of no more use. If there may be more of them, the
// next commit goes on.
func (b *batch) sweepStored() error {
	more := b.sweepRequests()
	more = b.sweepCharges() || more
	b.after = append(b.after, func(*state) { b.l.sweeping = more && b.l.sweepNext() })
	return nil
}

func (l *Ledger) sweepNext() bool { return l.queue.put(&op{apply: (*batch).sweepStored}) == nil }

// expireMost is how many sessions one commit ends that have expired, or that an operator's act ends
// or opens: that may be all, and each takes some KiB until the commit has ended.
const expireMost = 2000

// endExpired ends those of the sessions that have expired. They grant nothing even before this; now
// they leave a tombstone, a remnant and a record.
func (b *batch) endExpired(all []*Session) {
	n := 0
	for _, s := range all {
		if s.Expires.After(b.now) {
			continue
		}
		if n++; n > b.o.expireMost {
			return // the next sweep goes on
		}
		b.endSession(s, ending{Outcome: "session expired", Expired: true})
	}
}

// EndExpired ends the sessions of an account that have expired, without waiting for a sweep. If
// there are none, it writes nothing.
func (l *Ledger) EndExpired(ctx context.Context, account string) error {
	l.mu.RLock()
	all := l.state.accounts[account]
	none := len(live(all, l.nowLocked())) == len(all)
	l.mu.RUnlock()
	if none {
		return nil
	}
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		all := b.sessionsOf(account)
		sorts.By(all, func(one, other *Session) int { return cmp.Compare(one.ID, other.ID) })
		b.endExpired(all)
		return nil
	}})
}

// sweepRequests drops settled requests past their end. While too many requests are known it also
// drops others, first those that are gathered and end soonest. If one of them comes again, its
// nonce or digest refuses it. It returns whether there may be more.
func (b *batch) sweepRequests() (more bool) {
	// Down to half of the bound; up to three quarters of it, only what has expired goes.
	now, spare := millis(b.now), b.l.knownRequests()-b.o.Requests/2
	if spare < b.o.Requests/4 {
		spare = 0
	}
	var gone [][]byte
	for p, err := range scan(b.in, bucketRequests, nil) {
		end, number, err := endOfPair(bucketRequests, p, err)
		if err != nil {
			b.fail(err)
			return false
		}
		if more = len(gone) >= sweepMost; more || end > now && len(gone) >= spare {
			break
		}
		// The latest state may stand in the trail: what is not final there must stay.
		if q, ok := b.latestRequest(p, end, number); ok && q.Final {
			gone = append(gone, p.key)
			b.drop(q.Key, number)
		}
	}
	// What is not gathered yet is forgotten in memory, and passed over when it would be gathered.
	for number, at := range b.l.state.positions {
		if more = len(gone) >= sweepMost; more {
			break
		}
		if at.end > now && len(gone) >= spare {
			continue
		}
		if q, ok := b.findRequest(at.end, number); ok && q.Final {
			b.drop(q.Key, number)
			gone = append(gone, endKey(at.end, number)) // an older state of it may be gathered
		}
	}
	for _, key := range gone {
		b.delete(bucketRequests, key)
	}
	return more
}

// latestRequest returns the latest state of a request that is gathered, of which p is the pair.
func (b *batch) latestRequest(p pair, end int64, number uint64) (request, bool) {
	if _, later := b.positionOf(number); later {
		return b.findRequest(end, number)
	}
	plain, err := b.vault.open(bucketRequests, p.key, p.value)
	if err != nil {
		b.fail(err)
		return request{}, false
	}
	q, err := decodeRequest(plain)
	if err != nil {
		b.fail(damaged(bucketRequests, p.key))
		return request{}, false
	}
	return q, true
}

// endOfPair reads the end in time from the key of a pair. err is the error of reading the pair.
func endOfPair(in bucket, p pair, err error) (end int64, number uint64, _ error) {
	if err != nil {
		return 0, 0, err
	}
	if end, number, err = endOf(p.key); err != nil {
		return 0, 0, damaged(in, p.key)
	}
	return end, number, nil
}

func (b *batch) drop(key RequestKey, number uint64) {
	b.dropped[number] = true
	b.after = append(b.after, func(*state) { b.l.sweptLocked(key, number) })
}

func (l *Ledger) knownRequests() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.known.len()
}

func (l *Ledger) sweptLocked(key RequestKey, number uint64) {
	l.known.forget(key, number)
}

// sweepCharges drops gathered charges that have expired. The others are few; gathering passes over
// those of them that have expired. It returns whether there may be more.
func (b *batch) sweepCharges() (more bool) {
	now := millis(b.now)
	var gone [][]byte
	for p, err := range scan(b.in, bucketCharges, nil) {
		end, _, err := endOfPair(bucketCharges, p, err)
		if err != nil {
			b.fail(err)
			return false
		}
		if more = len(gone) >= sweepMost; more || end > now {
			break
		}
		gone = append(gone, p.key)
	}
	for _, key := range gone {
		b.delete(bucketCharges, key)
	}
	return more
}
