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
// from Open after the wall clock has stepped. It ends HoldClock.
func (l *Ledger) AgreeClock() {
	l.clock.agree(l.o.Now())
	l.held.Store(false)
	l.queue.signal()
}

// Doubt is why the clock is held: it is far ahead of what the ledger knows of time.
type Doubt struct {
	Now  time.Time // by the clock
	Last time.Time // of the last record, or of the making of the ledger
}

// HoldClock lets nothing be recorded, swept or removed until AgreeClock, if the clock is further
// ahead of the last record than most; otherwise it does nothing and returns false. A ledger that
// was never written to and does not say when it was made has nothing to hold.
//
// What is written under a clock that is far ahead ends sessions, drops charges, and makes every
// nonce too old. What is queued meanwhile waits, and what somebody waits for fails with ErrClock.
func (l *Ledger) HoldClock(most time.Duration) (Doubt, bool) {
	l.mu.RLock()
	last := max(l.state.last.time, l.state.created)
	l.mu.RUnlock()
	d := Doubt{Now: l.now(), Last: fromMillis(last)}
	if last == 0 || d.Now.Sub(d.Last) <= most {
		return Doubt{}, false
	}
	l.held.Store(true)
	return d, true
}

// now returns the time of the wall clock without its steps.
func (l *Ledger) now() time.Time { return l.clock.read(l.o.Now()) }
