package link_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/link"
)

// Keys are paid all or none, from a bucket that goes below zero by one request at most.
func TestMayTry(t *testing.T) {
	for _, burst := range []float64{999, 1000, 1001} {
		t.Run(fmt.Sprint(burst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, &relay{}, link.Options{Tries: link.Rate{PerSecond: 100, Burst: burst}},
					accounts("alice")...)
				if !w.link.MayTry(1000) {
					t.Error("the first request's keys are not tried")
				}
				if again := w.link.MayTry(1); again != (burst > 1000) {
					t.Errorf("one key more: %t", again)
				}
				w.link.MayTry(1000)
				w.link.Untry(1000)
				time.Sleep(time.Second)
				if !w.link.MayTry(1000) {
					t.Error("what was given back is not there")
				}
				w.link.Untry(1 << 30)
				for range 2 {
					w.link.MayTry(int(burst))
				}
				if w.link.MayTry(1) {
					t.Error("the bucket holds more than its burst")
				}
			})
		})
	}
}

// What nothing opens does not use up the rate of its account, and is kept at that rate at most.
// Beyond the rate some are told so, no more than BusyInFlight at once.
func TestStrangersDoNotPay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, held, hold := &relay{}, 0, make(chan struct{})
		var paces []link.Pace
		w := start(t, r, link.Options{
			AccountRate: link.Rate{PerSecond: 1, Burst: 3}, BusyRate: link.Rate{PerSecond: 1, Burst: 10},
			BusyInFlight: 2,
			Handler: func(ctx context.Context, d link.Delivery) {
				if d.Request.UUID < uuid(100) { // a stranger's
					if d.MayHold() {
						held++
					}
					return
				}
				paces = append(paces, d.Charge(ctx, "app"))
				<-hold
			},
		}, accounts("alice")...)
		time.Sleep(time.Minute)
		send := func(from, n int) {
			for i := range n {
				r.lastPeer().send(request("alice", from+i))
				synctest.Wait()
			}
		}
		send(0, 50)
		if held != 3 {
			t.Errorf("%d strangers' requests may be kept", held)
		}
		send(100, 6)
		want := fmt.Sprint([]link.Pace{link.InTime, link.InTime, link.InTime, link.TooFast, link.TooFast, link.Dropped})
		if got := fmt.Sprint(paces); got != want {
			t.Errorf("six honest ones: %s", got)
		}
		if d := w.link.Status().Counters.Drops; d[link.DropAccountRate] != 1 {
			t.Errorf("drops: %v", d)
		}
		close(hold)
		synctest.Wait()
		send(106, 1)
		if last := paces[len(paces)-1]; last != link.TooFast {
			t.Errorf("when the others are done: %d", last)
		}
	})
}

// An honest request in the middle of many strangers' is served, although what may be opened for its
// account at once is set aside for those before it until nobody's key has opened them.
func TestHonestAmongStrangersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, decide := &relay{}, make(chan struct{})
		var mu sync.Mutex
		var paces []link.Pace
		w := start(t, r, link.Options{
			AccountRate: link.Rate{PerSecond: 1, Burst: 3}, BusyRate: link.Rate{PerSecond: 1e-9, Burst: 1},
			Handler: func(ctx context.Context, d link.Delivery) {
				if d.Request.UUID < uuid(100) { // a stranger's
					<-decide
					return
				}
				pace := d.Charge(ctx, "app")
				mu.Lock()
				defer mu.Unlock()
				paces = append(paces, pace)
			},
		}, accounts("alice")...)
		time.Sleep(time.Minute)
		send := func(from, n int) {
			for i := range n {
				r.lastPeer().send(request("alice", from+i))
				synctest.Wait()
			}
		}
		send(0, 50)
		send(100, 5) // of which three may be opened at once
		if len(paces) != 0 {
			t.Errorf("charged before it is known what the strangers need: %v", paces)
		}
		close(decide)
		synctest.Wait()
		slices.Sort(paces)
		if got, want := fmt.Sprint(paces), fmt.Sprint([]link.Pace{link.InTime, link.InTime, link.InTime, link.TooFast,
			link.Dropped}); got != want {
			t.Errorf("the honest ones: %s, wanted %s", got, want)
		}
		if s := w.link.Status(); s.InFlight != 0 {
			t.Errorf("%d in flight", s.InFlight)
		}
		time.Sleep(3 * time.Second)
		send(200, 3)
		if got := fmt.Sprint(paces[5:]); got != fmt.Sprint([]link.Pace{link.InTime, link.InTime, link.InTime}) {
			t.Errorf("three seconds later: %s", got)
		}
	})
}

// Whoever waits to know whether those before it need their tokens stops waiting when the link is
// told to stop, and takes no token that comes later.
func TestChargeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, decide := &relay{}, make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		var paces []link.Pace
		w := start(t, r, link.Options{
			AccountRate: link.Rate{PerSecond: 1e-9, Burst: 1}, BusyRate: link.Rate{PerSecond: 1e-9, Burst: 1},
			Handler: func(own context.Context, d link.Delivery) {
				switch d.Request.UUID {
				case uuid(1): // a stranger's
					<-decide
				case uuid(2):
					paces = append(paces, d.Charge(ctx, "app"))
				default:
					paces = append(paces, d.Charge(own, "app"))
				}
			},
		}, accounts("alice")...)
		time.Sleep(time.Minute)
		r.lastPeer().send(request("alice", 1))
		synctest.Wait()
		r.lastPeer().send(request("alice", 2))
		synctest.Wait()
		r.lastPeer().send(request("alice", 3))
		synctest.Wait()
		if len(paces) != 0 {
			t.Fatalf("charged before it is known what the stranger needs: %v", paces)
		}
		stop()
		synctest.Wait()
		if fmt.Sprint(paces) != fmt.Sprint([]link.Pace{link.TooFast}) {
			t.Errorf("when its context has ended: %v", paces)
		}
		close(decide)
		synctest.Wait()
		if len(paces) != 2 || paces[1] != link.InTime {
			t.Errorf("the one behind it: %v", paces)
		}
		if s := w.link.Status(); s.InFlight != 0 {
			t.Errorf("%d in flight", s.InFlight)
		}
	})
}

// A request that nobody pays for gives its token back at once, however long it is worked on.
func TestSparedTokenIsTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, done := &relay{}, make(chan struct{})
		var paces []link.Pace
		start(t, r, link.Options{
			AccountRate: link.Rate{PerSecond: 1e-9, Burst: 1}, BusyRate: link.Rate{PerSecond: 1e-9, Burst: 1},
			Handler: func(ctx context.Context, d link.Delivery) {
				if d.Request.UUID == uuid(1) { // a login that waits for a link
					d.Spare()
					d.Spare()
					<-done
					return
				}
				paces = append(paces, d.Charge(ctx, "app"))
			},
		}, accounts("alice")...)
		time.Sleep(time.Minute)
		for i := range 3 {
			r.lastPeer().send(request("alice", 1+i))
			synctest.Wait()
		}
		if got, want := fmt.Sprint(paces), fmt.Sprint([]link.Pace{link.InTime, link.TooFast}); got != want {
			t.Errorf("behind a request that nobody pays for: %s, want %s", got, want)
		}
		close(done)
	})
}

// So many requests above the rate are worked on at once, to be told so; the others are dropped.
func TestToldBusyAtOnce(t *testing.T) {
	for _, n := range []int{31, 32, 33} {
		synctest.Test(t, func(t *testing.T) {
			r, done := &relay{}, make(chan struct{})
			paces := map[link.Pace]int{}
			start(t, r, link.Options{
				AccountRate: link.Rate{PerSecond: 1e-9, Burst: 1}, BusyRate: link.Rate{PerSecond: 100, Burst: 100},
				Handler: func(ctx context.Context, d link.Delivery) {
					paces[d.Charge(ctx, "app")]++
					<-done
				},
			}, accounts("alice")...)
			time.Sleep(time.Minute)
			for i := range 1 + n {
				r.lastPeer().send(request("alice", 1+i))
				synctest.Wait()
			}
			if paces[link.InTime] != 1 || paces[link.TooFast] != min(n, 32) || paces[link.Dropped] != max(0, n-32) {
				t.Errorf("%d above the rate: %v", n, paces)
			}
			close(done)
		})
	}
}
