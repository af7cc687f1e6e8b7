package ledger

// sweepMost bounds how many records of a kind one sweep drops, and so the time that requests wait
// for it.
const sweepMost = 5000

// sweep ends the sessions that have expired and drops answers and charges that are of no more use.
func (b *batch) sweep() error {
	for _, s := range b.allSessions() {
		if !s.Expires.After(b.now) {
			b.endSession(s, ending{Outcome: "session expired"})
		}
	}
	b.after = append(b.after, func(*state) { b.l.sweeping = false })
	b.sweepRequests()
	b.sweepCharges()
	return nil
}

// sweepRequests drops settled requests past their end, and while too many are known also others,
// those first that are gathered and end soonest: if one of them comes again, its nonce or digest
// refuses it.
func (b *batch) sweepRequests() {
	now, spare := millis(b.now), b.l.knownRequests()-b.o.Requests/2
	if spare < b.o.Requests/4 {
		spare = 0 // not that many
	}
	var gone [][]byte
	cursor := b.tx.Bucket(bucketRequests).Cursor()
	for key, _ := cursor.First(); key != nil && len(gone) < sweepMost; key, _ = cursor.Next() {
		end, number, err := endOf(key)
		if err != nil {
			b.fail(damaged(bucketRequests, key))
			return
		}
		if end > now && len(gone) >= spare {
			break
		}
		if q, ok := b.findRequest(end, number); ok && q.Final {
			gone = append(gone, append([]byte(nil), key...))
			b.drop(q.Key, number)
		}
	}
	// Those not gathered yet are forgotten in memory; gathering passes them over.
	for number, at := range b.l.state.places {
		if at.end > now && len(b.dropped) >= spare {
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
}

func (b *batch) drop(key RequestKey, number uint64) {
	b.dropped[number] = true
	b.after = append(b.after, func(*state) { b.l.sweptLocked(key, number) })
}

func (l *Ledger) knownRequests() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.runs)
}

func (l *Ledger) sweptLocked(key RequestKey, number uint64) {
	if r := l.runs[key]; r != nil && r.number == number && r.stored && r.final {
		delete(l.runs, key)
	}
}

// sweepCharges drops gathered charges; the others are few, and are passed over when they are gathered.
func (b *batch) sweepCharges() {
	now := millis(b.now)
	var gone [][]byte
	cursor := b.tx.Bucket(bucketCharges).Cursor()
	for key, _ := cursor.First(); key != nil && len(gone) < sweepMost; key, _ = cursor.Next() {
		end, _, err := endOf(key)
		if err != nil {
			b.fail(damaged(bucketCharges, key))
			return
		}
		if end > now {
			break
		}
		gone = append(gone, append([]byte(nil), key...))
	}
	for _, key := range gone {
		b.delete(bucketCharges, key)
	}
}
