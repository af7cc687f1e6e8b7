package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// ErrNotAhead means that a ledger is not ahead of the time that it was to be led back to.
var ErrNotAhead = errors.New("the ledger is not in the future")

// nonceSlack is how far ahead of the right time a last nonce may be: clocks of applications differ.
const nonceSlack = 5 * time.Minute

// outcomeLedBack is how the record says it.
const outcomeLedBack = "ledger led back"

// TurnBack is what a ledger is led back with that was written under a clock far ahead.
type TurnBack struct {
	Now time.Time // the right time
	// Charges returns all charges that count from then on, of those that the ledger holds. Sweeps
	// under the wrong clock may have dropped some that count again. It runs in the committing
	// goroutine.
	Charges func(held []Charge) ([]Charge, error)
	// Audit returns the content of the audit record.
	Audit func(TurnedBack) []byte
}

// TurnedBack is the result of TurnBack.
type TurnedBack struct {
	Was   time.Time  // of the last record
	Ended []*Session // whose last nonce is of the future: no nonce would be new before that has come
}

// TurnBack leads the ledger back to a time before its last record, in one commit. ErrNotAhead. What
// was used up stays so:
//
//   - no nonce up to the right time counts any more, also of requests that were refused meanwhile
//     because the ledger was ahead of them;
//   - sessions whose last nonce is of the future end, and their auth_keys make no session again:
//     to lower that nonce would let requests come again. The others go on;
//   - sessions that were made in the future live as long as they were given, from then on;
//   - charges are what Charges says.
//
// The record of it has the right time. It is the only record whose time may lie before that of the
// one before it: see [Ledger.Turns].
func (l *Ledger) TurnBack(ctx context.Context, t TurnBack) (TurnedBack, error) {
	var done TurnedBack
	err := l.submitContext(ctx, &op{apply: func(b *batch) error {
		var err error
		done, err = b.turnBack(t)
		return err
	}})
	if err != nil {
		return TurnedBack{}, err
	}
	return done, nil
}

// Turns returns the numbers of the records at which the ledger was led back, in order. Between two
// of them times do not go back.
func (l *Ledger) Turns() []uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.turns
}

func (b *batch) turnBack(t TurnBack) (TurnedBack, error) {
	now := millis(t.Now)
	done := TurnedBack{Was: fromMillis(b.last.time)}
	if b.last.time <= now {
		return done, ErrNotAhead
	}
	held, err := b.numberedCharges()
	if err != nil {
		b.fail(err)
		return done, err
	}
	charges, err := t.Charges(held)
	if err != nil {
		return done, err // nothing was written so far
	}
	b.now = fromMillis(now)
	done.Ended = b.turnSessions(now)
	b.spendKeys(now + nonceSlack.Milliseconds())
	b.turnRemnants()
	b.recharge(charges)
	b.turnFates(charges)
	b.put(bucketMeta, metaFloor, encodeNumber(uint64(now)))
	number := b.record(Record{Type: RecordAdmin, Outcome: outcomeLedBack, Content: t.Audit(done)}, nil)
	turns := append(append([]uint64{}, b.l.state.turns...), number)
	b.put(bucketMeta, metaTurns, encodeNumbers(turns))
	b.after = append(b.after, func(st *state) { st.floor, st.turns = now, turns })
	// What stands beside the records before this one says what was charged, with the old times: it
	// must not be read again.
	b.gatherNow = true
	b.l.generation++
	return done, nil
}

// turnSessions ends the sessions whose last nonce is of the future, returns them, and takes the
// times of the others back.
func (b *batch) turnSessions(now int64) (ended []*Session) {
	// A floor of the future was set when a restored ledger was accepted under the wrong clock.
	// Which nonces were taken before, nobody knows: no session can show that its own are all old.
	floored := b.l.state.floor > now+nonceSlack.Milliseconds()
	for _, s := range b.allSessions() {
		if floored || s.LastNonce > now+nonceSlack.Milliseconds() {
			b.endSession(s, ending{Outcome: "session ended: its last nonce is of the future", Revoked: true})
			ended = append(ended, s)
			continue
		}
		if !s.Created.After(b.now) && !s.LastUsed.After(b.now) {
			continue
		}
		fresh := b.update(s, b.last.number, func(s *Session) {
			if s.Created.After(b.now) {
				s.Expires = b.now.Add(s.Expires.Sub(s.Created))
				s.Created = b.now
			}
			if s.LastUsed.After(b.now) {
				s.LastUsed = b.now
			}
		})
		b.putSession(fresh)
	}
	return ended
}

// spendKeys lets the auth_keys of ended sessions make none again, if the last nonce is above this
// one: every request of such a session would be refused.
func (b *batch) spendKeys(most int64) {
	spent := map[string]authKey{}
	err := b.each(bucketKeys, func(key, plain []byte) error {
		k, err := decodeAuthKey(plain)
		if err == nil && k.Session == 0 && k.LastNonce > most {
			k.Revoked = true
			spent[string(key)] = k
		}
		return err
	})
	if err != nil {
		b.fail(err)
	}
	for key, k := range spent {
		b.put(bucketKeys, []byte(key), k.encode())
	}
}

// recharge writes charges in place of all that there are.
func (b *batch) recharge(charges []Charge) {
	b.charges, b.recharged = nil, true
	b.pending.add(edit{act: actDrop, bucket: bucketCharges})
	byKey := map[string][]Charge{}
	for _, c := range charges {
		if !c.Expires.After(b.now) {
			continue
		}
		// Where nothing changed, they lie where they lay: fates name them by request and end.
		key := string(endKey(millis(c.Expires), cmp.Or(c.number, b.next())))
		byKey[key] = append(byKey[key], c)
	}
	// In the order of their keys: in any other, the store takes time by the square of their number.
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		b.put(bucketCharges, []byte(key), encodeCharges(byKey[key]))
	}
}

// turnFates lets fates name their charges by the ends that these have now. One that was given back
// would count again where its fate ended first.
func (b *batch) turnFates(charges []Charge) {
	ends := map[uint64]time.Time{}
	for _, c := range charges {
		if c.number != 0 && c.Expires.After(ends[c.number]) {
			ends[c.number] = c.Expires
		}
	}
	for _, f := range b.allFates() {
		if end, held := ends[f.Number]; held && !end.Equal(f.Until) {
			f.Until = end
			b.setFate(f)
		}
	}
}

// numberedCharges returns all charges with the numbers of their requests.
func (b *batch) numberedCharges() (all []Charge, err error) {
	add := func(number uint64, charges []Charge) {
		for _, c := range charges {
			c.number = number
			all = append(all, c)
		}
	}
	for p, err := range scan(b.in, bucketCharges, nil) {
		_, number, err := endOfPair(bucketCharges, p, err)
		if err != nil {
			return nil, err
		}
		charges, err := b.openCharges(p)
		if err != nil {
			return nil, err
		}
		add(number, charges)
	}
	for _, c := range slices.Concat(b.l.state.charges, b.charges) {
		add(c.number, c.charges)
	}
	return all, nil
}

func encodeNumbers(list []uint64) []byte {
	var w writer
	w.byte(1)
	w.uint(uint64(len(list)))
	for _, n := range list {
		w.uint(n)
	}
	return w.b
}

// turns reads the numbers of the records at which the ledger was led back.
func (r lookup) turns() (list []uint64, err error) {
	plain, err := r.value(bucketMeta, metaTurns)
	if err != nil || plain == nil {
		return nil, err
	}
	v := reader{b: plain}
	v.version(1)
	for n := v.uint(); n > 0 && !v.bad; n-- {
		list = append(list, v.uint())
	}
	if v.end() != nil {
		return nil, damaged(bucketMeta, metaTurns)
	}
	return list, nil
}
