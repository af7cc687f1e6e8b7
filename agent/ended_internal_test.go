package agent

import (
	"time"

	"pksa/protocol/hive"
)

// TestingDrainRemnants takes all tries that requests for an account may make now, and returns how
// many they were.
func (a *Agent) TestingDrainRemnants(account hive.AccountName) (n int) {
	for now := time.Now(); a.remnants.take(account, now) && n < 1_000_000; n++ {
	}
	return n
}
