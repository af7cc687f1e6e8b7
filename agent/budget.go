package agent

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

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
	mu         sync.Mutex
	book       *policy.Book
	absent     *policy.Book // of book, what paid for transactions that provably never reached the chain
	generation uint64       // of the ledger; another one means that a commit failed
	swept      time.Time    // when old charges were dropped last
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

// state returns what is known of the transaction that the charges paid for; zero if nothing is.
func (s storedCharges) state(v ledger.View) ledger.FateState {
	id, err := hive.ParseTxID(s.Tx)
	if s.Tx == "" || err != nil {
		return 0
	}
	f, _ := v.Fate(id)
	return f.State
}

// use calls f with the counters as of the view.
func (b *budget) use(v ledger.View, f func(*policy.Book)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A judge of a commit that failed has charged this copy, and the disk has nothing of it.
	if b.book == nil || b.generation != v.Generation {
		b.book, b.absent = fill(v)
		b.generation = v.Generation
	}
	f(b.book)
}

// load fills the counters before the first decision.
func (b *budget) load(v ledger.View) { b.use(v, func(*policy.Book) {}) }

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
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.book == nil {
		return nil
	}
	rooms := p.Room(b.book, now)
	at := now // as Room asks: a clock that was set back must not make windows hold less
	if latest := b.book.Latest(); at.Before(latest) {
		at = latest
	}
	for i, r := range rooms {
		never := b.absent.Used(policy.Counter{Limit: r.Limit.Name, Split: r.Split, Unit: r.Unit}, r.Window, at)
		if never.Sign() > 0 {
			rooms[i].NotOnChain = policy.Amount(never)
		}
	}
	return rooms
}

// fill reads the charges that the ledger holds, and counts them in the order of time: the book
// counts an instant before the latest as the latest. What was given back does not count.
func fill(v ledger.View) (book, absent *policy.Book) {
	type charged struct {
		storedCharges
		state ledger.FateState
	}
	var all []charged
	for c := range v.Charges() {
		s := decodeCharges(c)
		if state := s.state(v); state != ledger.Released {
			all = append(all, charged{s, state})
		}
	}
	slices.SortFunc(all, func(a, b charged) int { return a.At.Compare(b.At) })
	book, absent = new(policy.Book), new(policy.Book)
	for _, s := range all {
		book.Add(s.At, s.Charges)
		if s.state == ledger.Absent {
			absent.Add(s.At, s.Charges)
		}
	}
	return book, absent
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
		book.Add(v.Now, charges)
		if v.Now.Sub(b.swept) > sweepEvery {
			book.Keep(inForce.Limits(), v.Now)
			b.swept = v.Now
		}
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

// newRefunds makes what looks after the charges of transactions that failed.
func (a *Agent) newRefunds() *refund.Watch {
	return refund.New(refund.Options{
		Ledger: a.ledger, Look: a.node.Presence, Charged: a.charged, Alarm: a.alarm, Logger: a.log,
		Changed: func(ctx context.Context) {
			// The next decision would count anew, too. Status shows it at once.
			if err := a.ledger.Look(ctx, a.budget.load); err != nil {
				a.log.Warn("counters not read again", "err", err)
			}
		},
	})
}

// charged returns what counts for these transactions.
func (a *Agent) charged(ctx context.Context, ids []hive.TxID) (map[hive.TxID]refund.Charged, error) {
	wanted := make(map[string]hive.TxID, len(ids))
	for _, id := range ids {
		wanted[id.String()] = id
	}
	found := make(map[hive.TxID]refund.Charged, len(ids))
	err := a.ledger.Look(ctx, func(v ledger.View) {
		for c := range v.Charges() {
			s := decodeCharges(c)
			if id, ok := wanted[s.Tx]; ok {
				found[id] = refund.Charged{Until: c.Expires, TxExpires: s.TxExpires, Charges: s.Charges}
			}
		}
	})
	return found, err
}
