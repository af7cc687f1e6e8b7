package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
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

// aboveTheRate has nine apps of an account ask for votes, each three times a second for 20 s, which
// is within a tenth of the account's rate, beside one that asks so often. It returns how long the
// nine's answers take, sorted, and what the other one heard: acks, "busy", and nothing.
func aboveTheRate(t *testing.T, loud int) (took []time.Duration, acks, busy, silent int) {
	script, asked := &scriptedClient{}, map[string]time.Time{}
	key := func(app int) string { return fmt.Sprintf("%08d-5a35-47cb-a6b4-e8c4d3144cf9", app) }
	var mu sync.Mutex
	heard := map[string]time.Time{}
	note := func(wire *relaytest.Wire, f relaytest.Frame) {
		if f.To == relaytest.ToRelay && f.UUID != "" {
			mu.Lock()
			heard[f.UUID] = time.Now()
			mu.Unlock()
		}
		script.fault(wire, f)
	}
	within(t, worldOptions{fault: note, configure: func(c *config.Config) { c.AccountRequestsPerSecond = 40 },
		prepare: func(w *world) {
			for app := range 10 {
				name := fmt.Sprint("app-", app)
				if _, err := w.ledger.AddSlot(w.t.Context(), name, ledger.Secret(secret+name), nil); err != nil {
					w.t.Fatal(err)
				}
				if _, err := w.ledger.AddSession(w.t.Context(), ledger.NewSession{Account: "alice", App: name,
					AuthKey: ledger.Secret(key(app)), Origin: ledger.Hand, Expires: w.ledger.Now().Add(time.Hour)},
					nil); err != nil {
					w.t.Fatal(err)
				}
			}
		}}, func(t *testing.T, w *world) {
		w.node.FailAlways("condenser_api.broadcast_transaction", nodetest.Fault{Slow: 100 * time.Millisecond})
		time.Sleep(10 * time.Second)
		ask := func(app int) string {
			id := uuid(1000*len(asked) + app)
			asked[id] = time.Now()
			script.sayAll(request("sign_req", id, key(app), votePayload(id, nowNonce()+int64(len(asked)))))
			return id
		}
		var ids [10][]string
		const perSecond = 1200 // a divisor of which is each pace
		for n := range 20 * perSecond {
			if loud > 0 && n%(perSecond/loud) == 0 {
				ids[0] = append(ids[0], ask(0))
			}
			if app := n % (perSecond / 3); app%40 == 0 && app/40 < 9 {
				ids[1+app/40] = append(ids[1+app/40], ask(1+app/40))
			}
			time.Sleep(time.Second / perSecond)
		}
		time.Sleep(5 * time.Second)
		for app, of := range ids {
			for _, id := range of {
				answer := script.answerTo(id)
				switch {
				case app > 0 && answerKind(answer) != "ack":
					t.Errorf("app %d was answered with %s %q", app, answerKind(answer), errorText(answer, key(app)))
				case app > 0:
					took = append(took, heard[id].Sub(asked[id]))
				case answer == nil:
					silent++
				case answerKind(answer) == "ack":
					acks++
				default:
					busy++
				}
			}
		}
	})
	slices.Sort(took)
	return took, acks, busy, silent
}

// Nine quiet apps are never told that the wallet is busy, and wait no longer, while a loud one asks
// for ten times as much as the rate of their account; that one has what they leave.
func TestQuietAppsBesideOneAboveTheRate(t *testing.T) {
	alone, _, _, _ := aboveTheRate(t, 0)
	beside, acks, busy, silent := aboveTheRate(t, 400)
	slowest := len(beside) - 1
	t.Logf("alone to %v, beside to %v; the loud one: %d acks, %d busy, %d silent", alone[slowest], beside[slowest],
		acks, busy, silent)
	if len(alone) != 9*3*20 || len(beside) != len(alone) || beside[slowest] > 2*alone[slowest] {
		t.Errorf("%d answers up to %v, and beside a loud app %d up to %v", len(alone), alone[slowest], len(beside),
			beside[slowest])
	}
	if rest := (40 - 9*3) * 20; acks < rest || acks > rest+2*80 || busy == 0 || silent == 0 {
		t.Errorf("the loud one got %d acks, %d busy, %d silent", acks, busy, silent)
	}
}

// What is too fast waits for those of its app before it. Those of other apps do not wait for that.
func TestTooFastKeepsNobodyWaiting(t *testing.T) {
	waitingWorld(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		const many = 200 // twice as many as may come at once
		first := nowNonce()
		text := func(n int) string {
			return fmt.Sprintf(`{"key_type":"posting","challenge":"hello","nonce":%d}`, first+int64(n))
		}
		rest := w.agent.HoldLargeWork()
		script.sayAll(request("challenge_req", uuid(0), authKey, text(0)+strings.Repeat(" ", 40<<10)))
		for n := range many {
			script.sayAll(request("challenge_req", uuid(1+n), authKey, text(1+n)))
		}
		m := script.askFor(request("challenge_req", uuid(500), otherKey, text(0)), time.Second)
		if ack, ok := m.(protocol.Ack); !ok || ack.UUID != protocol.UUID(uuid(500)) || script.count() != 1 {
			t.Errorf("the other app hears %+v, and there are %d answers", m, script.count())
		}
		rest()
		time.Sleep(time.Second)
		busy := 0
		for n := range many {
			if errorText(script.answerTo(uuid(1+n)), authKey) == protocol.TextBusy {
				busy++
			}
		}
		if busy == 0 {
			t.Error("the loud app was never told that the wallet is busy")
		}
	})
}
