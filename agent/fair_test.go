package agent_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/node/nodetest"
)

// besideLoud returns how long the votes of a quiet app take, sorted, beside another app of its
// account that always has so many on their way: through relay, link, agent, ledger and node.
func besideLoud(t *testing.T, loud int) (took []time.Duration) {
	faster := func(c *config.Config) { c.AccountRequestsPerSecond = 500 }
	within(t, worldOptions{configure: faster}, func(t *testing.T, w *world) {
		w.node.FailAlways("condenser_api.broadcast_transaction", nodetest.Fault{Slow: 100 * time.Millisecond})
		if _, err := w.ledger.AddSlot(t.Context(), "loud", secret+"loud", nil); err != nil {
			t.Fatal(err)
		}
		var over atomic.Bool
		var others sync.WaitGroup
		for n := range loud {
			c := w.dial()
			grant, err := c.Authenticate(t.Context(), client.Auth{Account: "alice", Secret: secret + "loud"})
			if err != nil {
				t.Fatal(err)
			}
			others.Go(func() {
				for k := 0; !over.Load(); k++ {
					if _, err := c.Sign(t.Context(), grant.Session, vote(fmt.Sprintf("loud-%d-%d", n, k))); err != nil {
						t.Errorf("loud vote %d: %v", k, err)
						return
					}
				}
			})
		}
		c := w.dial()
		s := w.login(c)
		for k := range 20 {
			time.Sleep(time.Duration(100+37*k%97) * 2 * time.Millisecond)
			begun := time.Now()
			if _, err := c.Sign(t.Context(), s, vote(fmt.Sprint("quiet-", k))); err != nil {
				t.Errorf("quiet vote %d: %v", k, err)
			}
			took = append(took, time.Since(begun))
		}
		over.Store(true)
		others.Wait()
	})
	slices.Sort(took)
	return took
}

// A quiet app waits no longer, by its slowest vote, while a loud one of the same account always has
// twenty on their way, as long as both together keep within the rate of the account.
func TestQuietAppBesideALoudOne(t *testing.T) {
	alone, beside := besideLoud(t, 0), besideLoud(t, 20)
	t.Logf("alone %v to %v, beside %v to %v", alone[0], alone[19], beside[0], beside[19])
	if beside[19] > 2*alone[19] || alone[0] < 100*time.Millisecond {
		t.Errorf("its slowest vote takes %v, and %v beside a loud app", alone[19], beside[19])
	}
}
