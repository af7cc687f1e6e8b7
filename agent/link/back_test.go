package link_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
	"pksa/protocol"
)

// relayTrip is the round trip to a relay that is far away. Until a request can come there are five:
// TCP, TLS, the upgrade with its greeting, the key, and the registration.
const relayTrip = 100 * time.Millisecond

// away is how a relay leaves its wallets and comes back.
type away struct {
	outage time.Duration   // from the loss until it is back for good
	flaps  []time.Duration // when it is back for two seconds in between
	silent bool            // nothing answers meanwhile; else connections are refused
}

// returns tells for each of so many wallets how long after the relay was back it was given a
// request: it was connected, had the key, was registered and reads. Sorted.
func (a away) returns(t *testing.T, wallets int) (waits []time.Duration) {
	var up atomic.Bool
	var back time.Time
	var mu sync.Mutex // guards back and waits
	down := errors.New("the relay is away")
	up.Store(true)
	all := make([]*world, wallets)
	for i := range all {
		r := &relay{
			greet: func(p *peer) { time.Sleep(relayTrip); p.send(greeting) },
			keyed: func(p *peer) { time.Sleep(relayTrip); p.send(protocol.KeyAck{Key: p.key}) },
		}
		r.register = func(p *peer, account protocol.RegisterAccount) {
			time.Sleep(relayTrip)
			p.judge(account)
			p.send(request(account.Name, p.n))
		}
		w := &world{t: t, relay: r, net: &network{relay: r}, done: make(chan struct{})}
		given := false
		set := link.Options{
			Handler: func(context.Context, link.Delivery) {
				mu.Lock()
				defer mu.Unlock()
				if !given && !back.IsZero() {
					given = true
					waits = append(waits, time.Since(back))
				}
			},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				// The system asks again after one second, two, four: it is not told of the relay.
				for again := time.Second; a.silent && !up.Load(); again *= 2 {
					if err := pause(ctx, again); err != nil {
						return nil, err
					}
				}
				if !up.Load() {
					return nil, down
				}
				if err := pause(ctx, 2*relayTrip); err != nil {
					return nil, err
				}
				return w.net.DialContext(ctx, network, address)
			},
		}
		fill(&set, w)
		l, err := link.New(set)
		if err != nil {
			t.Fatal(err)
		}
		l.TestingChance(rand.New(rand.NewPCG(uint64(i), uint64(a.outage))).Float64)
		if err := l.SetAccounts(accounts("alice")); err != nil {
			t.Fatal(err)
		}
		w.link, all[i] = l, w
		w.run(t, l)
		t.Cleanup(w.close)
	}
	time.Sleep(time.Minute)
	leave := func() {
		up.Store(false)
		for _, w := range all {
			w.net.last().cut()
		}
	}
	leave()
	lost := time.Now()
	for _, at := range a.flaps {
		time.Sleep(time.Until(lost.Add(at)))
		up.Store(true)
		time.Sleep(flapTime)
		leave()
	}
	time.Sleep(time.Until(lost.Add(a.outage)))
	mu.Lock()
	back = time.Now()
	mu.Unlock()
	up.Store(true)
	time.Sleep(time.Minute)
	synctest.Wait()
	slices.Sort(waits)
	return waits
}

// flapTime is how long a relay that flaps is back each time.
const flapTime = 2 * time.Second

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Wallets are registered and given requests again 2 seconds after their relay is back, 95 of 100,
// and all within 5 seconds, also if it came and went four times before, or did not answer at all.
func TestWalletServesAgain(t *testing.T) {
	const wallets = 40
	four := func(gap time.Duration) (list []time.Duration) {
		for i := range 4 {
			list = append(list, time.Duration(i+1)*gap)
		}
		return list
	}
	for name, a := range map[string]away{
		"at once":      {outage: time.Second},
		"two minutes":  {outage: 2 * time.Minute},
		"flaps":        {outage: 20 * time.Second, flaps: four(4 * time.Second)},
		"silent":       {outage: 30 * time.Second, silent: true},
		"silent flaps": {outage: 100 * time.Second, flaps: four(20 * time.Second), silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				waits := a.returns(t, wallets)
				if len(waits) != wallets {
					t.Fatalf("%d of %d are given requests again", len(waits), wallets)
				}
				p95, last := waits[(wallets*95+99)/100-1], waits[wallets-1]
				t.Logf("95 of 100 within %s, all within %s", p95, last)
				if p95 > 2*time.Second || last > 5*time.Second {
					t.Errorf("95 of 100 are back after %s, all after %s; want 2 s and 5 s", p95, last)
				}
			})
		})
	}
}
