package agent

import "pksa/agent/ledger"

// SpendTries uses up what all links have for requests that nothing opens, and so much more that it
// takes them half a minute to have some again.
func (a *Agent) SpendTries() {
	for _, l := range a.links.all() {
		l.MayTry(190_000 * 31)
	}
}

// SlotsFor returns the slots in the order in which they are tried.
func (a *Agent) SlotsFor(account string) []ledger.Slot { return a.slotsFor(account) }

// AddUncertain counts broadcasts of so many bytes in all whose outcome is not known.
func (a *Agent) AddUncertain(number, bytes int) { a.uncertain.add(number, bytes) }

// Uncertain returns how many there are.
func (a *Agent) Uncertain() int64 { return a.uncertain.number.Load() }
