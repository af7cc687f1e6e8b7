package ledger

import (
	"sync"
	"time"
)

// maxStep is how far the wall clock may step against the monotonic clock. Beyond that it is no
// longer believed.
const maxStep = 10 * time.Second

// clock is the wall clock without its steps. A record with a time far ahead would end sessions, let
// charges expire, and leave the ledger in a future in which every nonce is too old. None of that
// can be undone. So after a step, time goes on with the monotonic clock until AgreeClock is called.
type clock struct {
	mu              sync.Mutex
	wall, monotonic time.Time // one instant, of which the wall clock's reading is believed
}

func (c *clock) agree(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.monotonic = now.Round(0), now
}

// read returns the time for a reading of the wall clock. It believes a time without a monotonic
// reading, which only tests use.
func (c *clock) read(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	steady := c.wall.Add(now.Sub(c.monotonic))
	if now.Round(0).Sub(steady).Abs() > maxStep {
		return steady
	}
	return now
}

// AgreeClock takes the present reading of the wall clock for right. Without it, time goes on as
// from Open after the wall clock has stepped.
func (l *Ledger) AgreeClock() { l.clock.agree(l.o.Now()) }

// now returns the time of the wall clock without its steps.
func (l *Ledger) now() time.Time { return l.clock.read(l.o.Now()) }
