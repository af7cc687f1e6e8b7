package agent

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
)

// budget keeps the policy's counters in memory. What counts is in the ledger, as charges that were
// committed with the requests that they belong to. This is a copy of it, which is filled before the
// first decision and filled again after a commit that failed, so that a charge which did not reach
// the disk is not counted either. The zero value is ready.
//
// The agent has one. The ledger's committing goroutine owns it: only there decisions count. mu is
// for others who look at it, status and [Agent.lifetimeOf].
type budget struct {
	mu         sync.Mutex
	book       *policy.Book
	generation uint64    // of the ledger; another one means that a commit failed
	swept      time.Time // when old charges were dropped last
}

// sweepEvery is how often charges that no limit counts any more are dropped from memory.
const sweepEvery = time.Hour

// storedCharges is the charges of one request as the ledger keeps them.
type storedCharges struct {
	At      time.Time       `json:"at"`
	Charges []policy.Charge `json:"charges"`
}

// use calls f with the counters as of the view.
func (b *budget) use(v ledger.View, f func(*policy.Book)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A judge of a commit that failed has charged this copy, and the disk has nothing of it.
	if b.book == nil || b.generation != v.Generation {
		b.book, b.generation = fill(v), v.Generation
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

// fill reads the charges that the ledger holds, and counts them in the order of time: the book
// counts an instant before the latest as the latest.
func fill(v ledger.View) *policy.Book {
	var all []storedCharges
	for c := range v.Charges() {
		var s storedCharges
		if err := json.Unmarshal(c.Data, &s); err != nil {
			// The ledger authenticates what it returns, so this is a bug of ours. To judge without
			// these charges would spend a budget twice; the panic refuses the request instead.
			panic("stored charge does not decode: " + err.Error())
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b storedCharges) int { return a.At.Compare(b.At) })
	book := new(policy.Book)
	for _, s := range all {
		book.Add(s.At, s.Charges)
	}
	return book
}

// charge counts what a request costs, and returns the record of it for the ledger, which commits it
// with the request.
func (b *budget) charge(v ledger.View, inForce *policy.Policy, charges []policy.Charge) []ledger.Charge {
	if len(charges) == 0 {
		return nil
	}
	data, err := json.Marshal(storedCharges{v.Now, charges})
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
