package agent

import (
	"pksa/agent/approve"
	"pksa/protocol/hive"
)

// InFlight returns how many requests hold a place at the links.
func (a *Agent) InFlight() (n int) {
	for _, l := range a.links.all() {
		n += l.Status().InFlight
	}
	return n
}

// SetStopping makes readiness see a stop.
func (a *Agent) SetStopping(stopping bool) { a.stopping.Store(stopping) }

// SetMismatched makes the keys of these roles ones that the chain does not know.
func (a *Agent) SetMismatched(account hive.AccountName, roles ...hive.Role) {
	a.mismatch.mu.Lock()
	defer a.mismatch.mu.Unlock()
	if a.mismatch.roles == nil {
		a.mismatch.roles, a.mismatch.words = map[hive.AccountName][]hive.Role{}, map[hive.AccountName][]string{}
	}
	a.mismatch.roles[account], a.mismatch.words[account] = roles, []string{"they do not fit"}
}

// HoldLargeWork works on as many large requests as may be worked on at once, until rest is called.
func (a *Agent) HoldLargeWork() (rest func()) {
	for range cap(a.largeWork) {
		a.largeWork <- struct{}{}
	}
	return func() {
		for range cap(a.largeWork) {
			<-a.largeWork
		}
	}
}

// Approvals returns where people answer with passkeys.
func Approvals(a *Agent) *approve.Desk { return a.approvals }
