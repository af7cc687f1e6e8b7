package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
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

// TurnBack leads the ledger back to a time before its last record. ErrNotAhead. What was used up
// stays so:
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
//
// All is one commit. If more than 2,000 sessions end or change by it, or keys are spent, so many do
// so at a time, in commits before that. One that was cut off between them leaves a ledger that is
// as far ahead as before, and can be given again; sessions that were made in the future may have
// expired by then.
func (l *Ledger) TurnBack(ctx context.Context, t TurnBack) (TurnedBack, error) {
	// What has been led back already has expired, by the time of the ledger.
	l.turning.Store(true)
	defer l.turning.Store(false)
	var done TurnedBack
	w := turning{TurnBack: t, now: millis(t.Now)}
	err := l.inPortions(ctx, &w.ended, func(b *batch) (part []*Session, left bool, err error) {
		if b.last.time <= w.now {
			return nil, false, ErrNotAhead
		}
		work := w.work(b)
		if part, left = w.portion(b, work); left {
			return part, true, nil
		}
		done, err = w.finish(b, work)
		return nil, false, err
	})
	if err != nil {
		return TurnedBack{}, err
	}
	return done, nil
}

// turning is a ledger that is being led back. The committing goroutine has it.
type turning struct {
	TurnBack
	now   int64      // the right time, ms
	from  []byte     // the key of the first auth_key that was not looked at; nil: none was spent
	ended []*Session // by commits before
}

// turningWork is what is left to do, by id or key.
type turningWork struct {
	keys     []pair // what auth_keys are to be, as it is encoded; more than one commit spends, at most
	next     []byte // the key behind them
	sessions []*Session
	remnants []SessionID
}

func (w *turning) work(b *batch) turningWork {
	k := turningWork{
		sessions: b.sessionsWith(func(s *Session) bool { return w.ends(b, s) || w.turns(s) }),
		remnants: b.allRemnants(func(r *Remnant) bool { return millis(r.Ended) > w.now }),
	}
	k.keys, k.next = b.keysAbove(w.now+nonceSlack.Milliseconds(), w.from, b.o.expireMost+1)
	return k
}

// portion does a part of the work, if it is too much for one commit, and reports whether it did.
// All of it only denies: the ledger is ahead until the last commit.
func (w *turning) portion(b *batch, k turningWork) (ended []*Session, did bool) {
	left := b.o.expireMost
	if len(k.keys)+len(k.sessions)+len(k.remnants) <= left {
		return nil, false
	}
	if len(k.keys) > left {
		k.keys, k.next = k.keys[:left], k.keys[left].key
	}
	b.putKeys(k.keys)
	w.from = k.next
	left -= len(k.keys)
	part := k.sessions[:min(len(k.sessions), left)]
	ended = w.turnSessions(b, part)
	left -= len(part)
	for _, id := range k.remnants[:min(len(k.remnants), left)] {
		b.turnRemnant(id, w.now)
	}
	return ended, true
}

// finish does what is left, and leads the ledger back with that.
func (w *turning) finish(b *batch, k turningWork) (TurnedBack, error) {
	done := TurnedBack{Was: fromMillis(b.last.time)}
	held, err := b.numberedCharges()
	if err != nil {
		b.fail(err)
		return done, err
	}
	charges, err := w.Charges(held)
	if err != nil {
		return done, err // nothing was written so far
	}
	if w.from != nil { // of sessions that ended in between, too
		k.keys, _ = b.keysAbove(w.now+nonceSlack.Milliseconds(), nil, math.MaxInt)
	}
	b.putKeys(k.keys)
	done.Ended = append(w.ended, w.turnSessions(b, k.sessions)...)
	for _, id := range k.remnants {
		b.turnRemnant(id, w.now)
	}
	b.now = fromMillis(w.now)
	b.recharge(charges)
	b.turnFates(charges)
	b.put(bucketMeta, metaFloor, encodeNumber(uint64(w.now)))
	number := b.record(Record{Type: RecordAdmin, Outcome: outcomeLedBack, Content: w.Audit(done)}, nil)
	turns := append(append([]uint64{}, b.l.state.turns...), number)
	b.put(bucketMeta, metaTurns, encodeNumbers(turns))
	b.after = append(b.after, func(st *state) { st.floor, st.turns = w.now, turns })
	// What stands beside the records before this one says what was charged, with the old times: it
	// must not be read again.
	b.gatherNow = true
	b.l.generation++
	return done, nil
}

// Turns returns the numbers of the records at which the ledger was led back, in order. Between two
// of them times do not go back.
func (l *Ledger) Turns() []uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.turns
}

// ends reports whether the last nonce of a session is of the future.
func (w *turning) ends(b *batch, s *Session) bool {
	// A floor of the future was set when a restored ledger was accepted under the wrong clock.
	// Which nonces were taken before, nobody knows: no session can show that its own are all old.
	right := w.now + nonceSlack.Milliseconds()
	return b.l.state.floor > right || s.LastNonce > right
}

// turns reports whether a session has times of the future.
func (w *turning) turns(s *Session) bool {
	return millis(s.Created) > w.now || millis(s.LastUsed) > w.now
}

// turnSessions ends those of the sessions whose last nonce is of the future, returns them, and
// takes the times of the others back.
func (w *turning) turnSessions(b *batch, sessions []*Session) (ended []*Session) {
	right := fromMillis(w.now)
	for _, s := range sessions {
		if w.ends(b, s) {
			// By the time of the ledger: that of its records goes back once.
			b.endSession(s, ending{Outcome: "session ended: its last nonce is of the future", Revoked: true})
			b.turnRemnant(s.ID, w.now)
			ended = append(ended, s)
			continue
		}
		if !w.turns(s) {
			continue
		}
		fresh := b.update(s, b.last.number, func(s *Session) {
			if s.Created.After(right) {
				s.Expires = right.Add(s.Expires.Sub(s.Created))
				s.Created = right
			}
			if s.LastUsed.After(right) {
				s.LastUsed = right
			}
		})
		b.putSession(fresh)
	}
	return ended
}

// keysAbove returns auth_keys of ended sessions whose last nonce is above one, from a key on, as
// they make no session again: every request of it would be refused. It stops behind so many, and
// returns the key from which it would go on.
func (b *batch) keysAbove(most int64, from []byte, stop int) (spent []pair, next []byte) {
	next = from
	for p, err := range scan(b.in, bucketKeys, from) {
		if err != nil {
			b.fail(err)
			break
		}
		plain, err := b.vault.open(bucketKeys, p.key, p.value)
		if err != nil {
			b.fail(err)
			break
		}
		k, err := decodeAuthKey(plain)
		if err != nil {
			b.fail(damaged(bucketKeys, p.key))
			break
		}
		key := bytes.Clone(p.key)
		next = keyAfter(key)
		if k.Session != 0 || k.Revoked || k.LastNonce <= most {
			continue
		}
		k.Revoked = true
		if spent = append(spent, pair{key, k.encode()}); len(spent) == stop {
			break
		}
	}
	return spent, next
}

func (b *batch) putKeys(keys []pair) {
	for _, k := range keys {
		b.put(bucketKeys, k.key, k.value)
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
