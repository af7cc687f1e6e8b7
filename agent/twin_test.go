package agent_test

import (
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/protocol/hive"
)

// Equal requests before and after a restart are transactions of their own, although they are built
// in the same second on the same block: else one transaction would answer two requests.
func TestEqualOperationsDifferAfterRestart(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		seen := map[hive.TxID]bool{}
		ask := func(c *client.Client, s *client.Session) {
			for range 5 {
				signed, err := c.Sign(t.Context(), s, vote("same"))
				if err != nil {
					t.Fatal(err)
				}
				if seen[signed.ID] {
					t.Errorf("%s answers two requests", signed.ID)
				}
				seen[signed.ID] = true
			}
		}
		c := w.dial()
		s := w.login(c)
		ask(c, s)
		began := time.Now()
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if lost := time.Since(began); lost > 2*time.Second {
			t.Fatalf("the restart took %s: too long to show anything", lost)
		}
		ask(c, s)
		if n := len(w.chain.Transactions()); n != 10 {
			t.Errorf("10 requests are %d transactions", n)
		}
	})
}
