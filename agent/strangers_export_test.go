package agent

import (
	"time"

	"pksa/agent/ledger"
	"pksa/protocol/hive"
)

// SpendTries uses up what all links have for requests that nothing opens, and so much more that it
// takes them half a minute to have some again.
func (a *Agent) SpendTries() {
	for _, l := range a.links.all() {
		l.MayTry(190_000 * 31)
	}
}

// SlotsFor returns the slots in the order in which they are tried.
func (a *Agent) SlotsFor(account string) []ledger.Slot { return a.slotsFor(account) }

// AddUncertain counts broadcasts of so many bytes in all whose outcome is not known, made by an app
// or, if that is empty, by the wallet.
func (a *Agent) AddUncertain(maker string, number, bytes int) { a.uncertain.add(maker, number, bytes) }

// UncertainFull reports whether nothing that the wallet makes is broadcast.
func (a *Agent) UncertainFull() bool { return a.uncertain.full("") }

// UncertainOf returns how many of them an app made.
func (a *Agent) UncertainOf(maker string) int {
	a.uncertain.mu.Lock()
	defer a.uncertain.mu.Unlock()
	return a.uncertain.of[maker].number
}

// FillRecentIDs takes all ids that one app may have.
func (a *Agent) FillRecentIDs(maker string) {
	for n := range mostRecentExact {
		a.recent.takeExact(hive.TxID{byte(n), byte(n >> 8)}, maker, time.Now())
	}
}

// Uncertain returns how many there are.
func (a *Agent) Uncertain() int {
	a.uncertain.mu.Lock()
	defer a.uncertain.mu.Unlock()
	return a.uncertain.all.number
}

// FillOwnIDs takes all ids that there may be, as of transactions that the wallet made.
func (a *Agent) FillOwnIDs() {
	now := time.Now()
	for n := range mostRecent {
		a.recent.take(hive.TxID{1, byte(n), byte(n >> 8), byte(n >> 16)}, now.Add(lifetime), now)
	}
}

// RecentIDs returns how many ids of transactions are kept.
func (a *Agent) RecentIDs() int {
	a.recent.mu.Lock()
	defer a.recent.mu.Unlock()
	return len(a.recent.ids)
}
