package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/protocol/hive"
)

// budget keeps the policy's counters in memory. What counts is in the ledger, as charges that were
// committed with the requests that they belong to. This is a copy of it, which is filled before the
// first decision and filled again after a commit that failed, so that a charge which did not reach
// the disk is not counted either. The zero value is ready.
//
// Charges that were given back (package refund) are in the ledger and not in the copy. Giving back
// changes the generation, too, so the next decision counts without them.
//
// The agent has one. The ledger's committing goroutine owns it: only there decisions count. mu is
// for others who look at it, status and [Agent.lifetimeOf].
type budget struct {
	mu   sync.Mutex
	book *policy.Book
	// shown is what status and metrics look at. They never take mu, which a decision needs.
	shown atomic.Pointer[shownCounters]
	rules *policy.Policy // by which shown and windows are
	// absent is what of book paid for transactions that provably never reached the chain.
	absent     map[hive.TxID]storedCharges
	windows    map[string]time.Duration // of the limits, by the policy that was in force at the last sweep
	generation uint64                   // of the ledger; another one means that a commit failed
	swept      time.Time                // when old charges were dropped last
}

// shownCounters is a copy of the fullest counters. It is never changed.
type shownCounters struct {
	fullest *policy.Summary
	absent  []storedCharges
}

// show publishes the counters as they are now. The caller holds mu.
func (b *budget) show(now time.Time) {
	if b.rules != nil && b.book != nil {
		b.shown.Store(&shownCounters{b.book.Summary(b.rules, now), slices.Collect(maps.Values(b.absent))})
	}
}

// sweepEvery is how often charges that no limit counts any more are dropped from memory.
const sweepEvery = time.Hour

// storedCharges is the charges of one request as the ledger keeps them.
type storedCharges struct {
	At      time.Time       `json:"at"`
	Charges []policy.Charge `json:"charges"`
	// Tx is the transaction that was to be broadcast for them, with its expiration. Charges of what
	// is handed out have none: it can still be sent. Neither have those of before this member.
	Tx        string    `json:"tx,omitempty"`
	TxExpires time.Time `json:"tx_expires,omitzero"`
	// LostUntil is set if what was charged was lost: until then nothing is left of any limit whose
	// window holds At.
	LostUntil time.Time `json:"lost_until,omitzero"`
}

// LostCharge returns what counts in the place of a charge that the ledger has lost: what the record
// of the request says, or else all that any limit has.
func LostCharge(lost ledger.LostCharge) (ledger.Charge, error) {
	s, until := storedCharges{At: lost.At}, lost.Until
	if until.IsZero() {
		until = lost.At.Add(policy.LongestWindow)
	}
	whole := false
	if r := lost.Record; r != nil {
		var err error
		s.Charges, whole, err = costOf(r.Content) // without the transaction, as in recordedCharges
		whole = whole && err == nil && len(s.Charges) > 0
	}
	if !whole {
		s.LostUntil = until
	}
	data, err := json.Marshal(s)
	return ledger.Charge{Data: data, Expires: until}, err
}

// costOf returns what the record of an admitted request says that it was charged. It reports
// whether that is all: a record says so much and no more, see [audit.Content.Encode].
func costOf(record []byte) (cost []policy.Charge, whole bool, err error) {
	var content audit.Content
	if err := json.Unmarshal(record, &content); err != nil {
		return nil, false, err
	}
	// The request itself may have been cut for good: what it cost is put back before.
	if err := content.Unpack(); err != nil && !errors.Is(err, audit.ErrCut) {
		return content.Cost, false, nil
	}
	return content.Cost, content.Cut == nil || content.Cut.Costs == 0, nil
}

// decodeCharges reads stored charges.
func decodeCharges(c ledger.Charge) (s storedCharges) {
	if err := json.Unmarshal(c.Data, &s); err != nil {
		// The ledger authenticates what it returns, so this is a bug of ours. To judge without
		// these charges would spend a budget twice; the panic refuses the request instead.
		panic("stored charge does not decode: " + err.Error())
	}
	return s
}

// transaction returns the transaction that the charges paid for, and reports whether it is known.
func (s storedCharges) transaction() (hive.TxID, bool) {
	if s.Tx == "" {
		return hive.TxID{}, false
	}
	id, err := hive.ParseTxID(s.Tx)
	return id, err == nil
}

// use calls f with the counters as of the view.
func (b *budget) use(v ledger.View, f func(*policy.Book)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renew(v)
	f(b.book)
}

// renew fills the counters if they are not those of the view. The caller holds mu.
func (b *budget) renew(v ledger.View) {
	// A judge of a commit that failed has charged this copy, and the disk has nothing of it.
	if b.book == nil || b.generation != v.Generation {
		b.fill(v)
		b.generation = v.Generation
		b.show(v.Now)
	}
}

// refresh takes over what is known of failed transactions since. It reads the charges of those
// alone, unless charges were given back.
func (b *budget) refresh(v ledger.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renew(v)
	known := b.absent
	b.absent = map[hive.TxID]storedCharges{}
	var unknown []ledger.Fate
	for _, f := range v.Fates() {
		if f.State != ledger.Absent {
			continue
		}
		if s, ok := known[f.TxID]; ok {
			b.absent[f.TxID] = s
		} else {
			unknown = append(unknown, f)
		}
	}
	for id, c := range chargesOf(v, unknown) {
		b.absent[id] = decodeCharges(c)
	}
	b.show(v.Now)
}

// chargesOf returns what counts for the transactions of these fates.
func chargesOf(v ledger.View, fates []ledger.Fate) map[hive.TxID]ledger.Charge {
	found, missing := map[hive.TxID]ledger.Charge{}, map[hive.TxID]bool{}
	for _, f := range fates {
		missing[f.TxID] = true
		if f.Until.IsZero() {
			continue
		}
		for _, c := range v.ChargesOf(f.Number, f.Until) {
			if id, ok := decodeCharges(c).transaction(); ok && id == f.TxID {
				found[id] = c
				delete(missing, id)
			}
		}
	}
	if len(missing) == 0 {
		return found
	}
	// The others are found in one pass over all charges, however many are asked for: those whose
	// end is not known, and those that an earlier program recorded after a person's yes, under the
	// number of the yes.
	for c := range v.Charges() {
		if id, ok := decodeCharges(c).transaction(); ok && missing[id] {
			found[id] = c
		}
	}
	return found
}

// load fills the counters before the first decision, and shows them as another policy counts that
// comes into force.
func (b *budget) load(v ledger.View, inForce *policy.Policy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.follow(inForce)
	b.renew(v)
	b.sweep(v.Now)
	b.show(v.Now)
}

// follow takes over what the policy in force says of the limits. The caller holds mu.
func (b *budget) follow(inForce *policy.Policy) {
	if b.rules != inForce {
		b.rules, b.windows = inForce, inForce.Windows()
		b.swept = time.Time{}
	}
}

// peek calls f with the counters as they were last, nil if there are none yet: for questions whose
// answer decides nothing.
func (b *budget) peek(f func(policy.Counters)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.book == nil {
		f(nil)
		return
	}
	f(b.book)
}

// room returns what is left of each limit, nil before the counters are read. What paid for
// transactions that never reached the chain is part of what is used, and shown apart.
func (b *budget) room(p *policy.Policy, now time.Time) []policy.Room {
	shown := b.shown.Load()
	if shown == nil {
		return nil
	}
	rooms, absent := p.Room(shown.fullest, now), new(policy.Book)
	for _, s := range shown.absent {
		s.count(absent)
	}
	at := now // as Room asks: a clock that was set back must not make windows hold less
	if latest := shown.fullest.Latest(); at.Before(latest) {
		at = latest
	}
	for i, r := range rooms {
		never := absent.Used(policy.Counter{Limit: r.Limit.Name, Split: r.Split, Unit: r.Unit}, r.Window, at)
		if never.Sign() > 0 {
			rooms[i].NotOnChain = policy.Amount(never)
		}
	}
	return rooms
}

// keepAfter is after how many stored charges those that are old are merged while counters are
// filled: there may be more than memory holds.
const keepAfter = 100_000

// fill reads the charges that the ledger holds. What was given back does not count.
func (b *budget) fill(v ledger.View) {
	b.book, b.absent = new(policy.Book), map[hive.TxID]storedCharges{}
	n := 0
	for c := range v.Charges() {
		s := decodeCharges(c)
		var fate ledger.Fate
		id, ok := s.transaction()
		if ok {
			fate, _ = v.Fate(id)
		}
		switch fate.State {
		case ledger.Released:
			continue
		case ledger.Absent:
			b.absent[id] = s
		}
		s.count(b.book)
		if n++; n%keepAfter == 0 {
			b.sweep(v.Now)
		}
	}
	b.sweep(v.Now)
}

// sweep drops charges that no limit counts any more, and has old ones take less memory.
func (b *budget) sweep(now time.Time) {
	if b.windows != nil {
		b.book.Keep(b.windows, now)
	}
	b.swept = now
}

// count adds stored charges to a book.
func (s storedCharges) count(book *policy.Book) {
	if !s.LostUntil.IsZero() {
		book.Lose(s.At, s.LostUntil)
	}
	book.Fill(s.At, s.Charges)
}

// charge counts what a request costs, and returns the record of it for the ledger, which commits it
// with the request. tx is what is broadcast for it, nil if nothing is.
func (b *budget) charge(v ledger.View, inForce *policy.Policy, charges []policy.Charge,
	tx *transaction) []ledger.Charge {
	if len(charges) == 0 {
		return nil
	}
	stored := storedCharges{At: v.Now, Charges: charges}
	if tx != nil {
		stored.Tx, stored.TxExpires = tx.id.String(), tx.tx.Expiration.Time()
	}
	data, err := json.Marshal(stored)
	if err != nil {
		panic("charges cannot be written: " + err.Error()) // unreachable: all are texts
	}
	b.use(v, func(book *policy.Book) {
		b.follow(inForce)
		book.Add(v.Now, charges)
		if v.Now.Sub(b.swept) > sweepEvery {
			b.sweep(v.Now)
		}
		b.show(v.Now)
	})
	return []ledger.Charge{{Data: data, Expires: v.Now.Add(keep(inForce, charges))}}
}

// keep returns how long charges are remembered: as long as the longest window that they count in.
func keep(inForce *policy.Policy, charges []policy.Charge) time.Duration {
	var longest time.Duration
	limits := inForce.Limits()
	for _, c := range charges {
		longest = max(longest, limits[c.Limit])
	}
	return longest
}

// TurnBack leads the ledger back to the right time, after it was written under a clock far ahead.
// It frees no budget: charges of the future count from now on, and those that were dropped because
// the clock was ahead of their end are read from the trail. kept is how long charges count at most;
// by is what confirmed the time.
func (m Admin) TurnBack(ctx context.Context, now time.Time, kept time.Duration, by string) (ledger.TurnedBack,
	error) {
	recorded, err := m.recordedCharges(now, kept)
	if err != nil {
		return ledger.TurnedBack{}, fmt.Errorf("reading the audit trail: %w", err)
	}
	return m.Ledger.TurnBack(ctx, ledger.TurnBack{
		Now:     now,
		Charges: func(held []ledger.Charge) ([]ledger.Charge, error) { return mergeCharges(held, recorded, now) },
		Audit: func(done ledger.TurnedBack) []byte {
			return encodeRecord(map[string]any{"act": "ledger clock", "was": done.Was, "confirmed_by": by,
				"sessions_ended": len(done.Ended)})
		},
	})
}

// mergeCharges returns the charges that the ledger holds, with those of the trail that it lacks. No
// charge is of the future any more.
func mergeCharges(held []ledger.Charge, recorded []recordedCharge, now time.Time) ([]ledger.Charge, error) {
	counts := map[string]int{} // of held ones that the trail has not named yet
	var all []ledger.Charge
	for _, c := range held {
		s := decodeCharges(c)
		if late := s.At.Sub(now); late > 0 {
			s.At, c.Expires = now, c.Expires.Add(-late)
			if !s.LostUntil.IsZero() {
				s.LostUntil = s.LostUntil.Add(-late)
			}
		}
		var err error
		if c.Data, err = json.Marshal(s); err != nil {
			return nil, err
		}
		counts[s.sum()]++
		all = append(all, c)
	}
	for _, c := range recorded {
		if sum := decodeCharges(c.Charge).sum(); counts[sum] > 0 {
			counts[sum]--
		} else if !c.released {
			all = append(all, c.Charge)
		}
	}
	return all, nil
}

// sum returns a text that is the same for what was charged equally at the same time.
func (s storedCharges) sum() string {
	text, _ := json.Marshal(s.Charges) // texts and numbers
	return fmt.Sprint(s.At.UnixMilli(), " ", string(text))
}

// recordedCharge is a charge by the word of the trail.
type recordedCharge struct {
	ledger.Charge
	released bool // it was given back, and does not count
}

// recordedCharges reads from the trail what was charged and may still count. Times that the ledger
// was led back from are taken back as they were then.
func (m Admin) recordedCharges(now time.Time, kept time.Duration) ([]recordedCharge, error) {
	var found []storedCharges
	var numbers []uint64 // of their requests
	released := map[uint64]bool{}
	back := func(to time.Time) {
		for i := range found {
			if found[i].At.After(to) {
				found[i].At = to
			}
		}
	}
	turns := m.Ledger.Turns()
	for r, err := range m.Ledger.Audit(1) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(turns, r.Number) {
			back(r.Time)
		}
		switch r.Outcome {
		case refund.RecordRelease:
			released[r.Ref] = true
		case refund.RecordOnChain:
			released[r.Ref] = false // it counts again
		}
		// Of the future or not, it may be later than what follows.
		if r.Verdict != ledger.Admitted || r.Type != ledger.RecordJudged && r.Type != ledger.RecordDecided ||
			r.Time.Add(kept).Before(now) {
			continue
		}
		cost, whole, err := costOf(r.Content)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", r.Number, err)
		}
		if len(cost) == 0 && whole {
			continue
		}
		// Without the transaction: its expiration is not in the trail, and without that nobody can
		// prove that it never reached the chain. Such a charge is never given back.
		s := storedCharges{At: r.Time, Charges: cost}
		if !whole {
			s.LostUntil = r.Time.Add(kept)
		}
		found = append(found, s)
		numbers = append(numbers, cmp.Or(r.Ref, r.Number))
	}
	back(now)
	var all []recordedCharge
	for i, s := range found {
		if !s.LostUntil.IsZero() {
			s.LostUntil = s.At.Add(kept) // At has gone back meanwhile
		}
		if data, err := json.Marshal(s); err != nil {
			return nil, err
		} else if until := s.At.Add(kept); until.After(now) {
			all = append(all, recordedCharge{ledger.Charge{Data: data, Expires: until}, released[numbers[i]]})
		}
	}
	return all, nil
}

// newRefunds makes what looks after the charges of transactions that failed.
func (a *Agent) newRefunds() *refund.Watch {
	return refund.New(refund.Options{
		Ledger: a.ledger, Look: a.node.Presence, Charged: a.charged, Alarm: a.alarm, Logger: a.log,
		Changed: func(ctx context.Context) {
			if err := a.ledger.Look(ctx, a.budget.refresh); err != nil {
				a.log.Warn("counters not read again", "err", err)
			}
		},
	})
}

// charged returns what counts for the transactions of these fates.
func (a *Agent) charged(ctx context.Context, fates []ledger.Fate) (map[hive.TxID]refund.Charged, error) {
	found := make(map[hive.TxID]refund.Charged, len(fates))
	err := a.ledger.Look(ctx, func(v ledger.View) {
		for id, c := range chargesOf(v, fates) {
			s := decodeCharges(c)
			found[id] = refund.Charged{Until: c.Expires, TxExpires: s.TxExpires, Charges: s.Charges}
		}
	})
	return found, err
}
