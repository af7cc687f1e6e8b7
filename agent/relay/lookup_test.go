package relay_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/protocol/hive"
)

// chain is a slow source of keys that counts who asks.
type chain struct {
	keys  relay.KeysFunc
	took  time.Duration
	asked atomic.Int64

	mu          sync.Mutex
	now, atOnce int
}

func (c *chain) lookUp(ctx context.Context, account hive.AccountName) ([]hive.PublicKey, error) {
	c.asked.Add(1)
	c.mu.Lock()
	c.now++
	c.atOnce = max(c.atOnce, c.now)
	c.mu.Unlock()
	time.Sleep(c.took)
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
	return c.keys(ctx, account)
}

// 150 connections register invented names, each as often as it may, and one of them has proved an
// account. The chain is asked a few times a second and no more. The wallet's own account is
// registered at once, also while all turns are taken, and so are accounts that are known already.
func TestStrangersHaveAShareOfTheLookUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &chain{keys: keys, took: 50 * time.Millisecond}
		s := start(t, relay.Options{Keys: source.lookUp,
			Known: func(account hive.AccountName) bool { return account == "alice" }})
		before := dial(t, s)
		before.register("bob", bob)
		strangers := make([]*peer, 150)
		stop := make(chan struct{})
		for i := range strangers {
			strangers[i] = dial(t, s)
			if i == 0 {
				strangers[i].register("mallory", mallory)
			}
			go func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Second):
						name := fmt.Sprintf("name-%d-%d", i, n)
						strangers[i].send(registration(name, "#1")) // nobody comes to look at the proof
					}
				}
			}()
		}
		time.Sleep(2 * time.Second)
		asked := source.asked.Load()
		const seconds = 10
		for n := range seconds {
			time.Sleep(time.Second)
			begun := time.Now()
			own := dial(t, s)
			own.register("alice", alice)
			if took := time.Since(begun); took > 200*time.Millisecond {
				t.Fatalf("second %d: the wallet's own account was registered after %s", n, took)
			}
			own.close()
			known := dial(t, s)
			known.register("bob", bob)
			known.close()
		}
		// 5 a second, and the wallet's own once a minute.
		if got := source.asked.Load() - asked; got > 5*seconds+3 || got < 4*seconds {
			t.Errorf("the chain was asked %d times in %d s", got, seconds)
		}
		close(stop)
		for _, p := range strangers {
			p.close()
		}
	})
}

// A connection that has proved nothing has one look-up at a time, and so has one whose
// registrations fail.
func TestOneLookUpAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &chain{keys: keys, took: time.Second}
		s := start(t, relay.Options{Keys: source.lookUp, Limits: relay.Limits{AppFrames: 1000}})
		p := dial(t, s)
		p.register("mallory", mallory)
		for n := range 10 {
			p.send(registration(fmt.Sprint("name-", n), p.timeProof(mallory)))
		}
		for range 10 {
			p.next()
		}
		if source.atOnce != 1 {
			t.Errorf("%d look-ups at once", source.atOnce)
		}
		// A name that the chain does not have is asked for once.
		before := source.asked.Load()
		for range 5 {
			p.send(registration("name-1", p.timeProof(mallory)))
			p.expectError("account does not exist: name-1")
		}
		if got := source.asked.Load(); got != before {
			t.Errorf("an absent account was asked for %d times more", got-before)
		}
	})
}
