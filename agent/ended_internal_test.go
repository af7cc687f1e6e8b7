package agent

import (
	"time"

	"pksa/agent/ledger"
	"pksa/protocol/hive"
)

// TestingDrainRemnants takes all tries that requests for an account may make now, and returns how
// many they were.
func (a *Agent) TestingDrainRemnants(account hive.AccountName) (n int) {
	for now := time.Now(); a.remnants.take(account, now) && n < 1_000_000; n++ {
	}
	return n
}

// TestingSilence lets a session be silent on a relay for some time.
func (a *Agent) TestingSilence(id ledger.SessionID, relay string) {
	for range damageLimit {
		a.byDamage.count(listener{session: id, relay: relay}, time.Now())
	}
}
