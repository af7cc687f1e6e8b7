package agent

import (
	"context"
	"sync"
	"time"

	"pksa/agent/ledger"
)

// group counts goroutines. Unlike a wait group it may be waited for with a deadline, and while a
// command still starts one. The zero value is ready.
type group struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to zero; nil while nobody waits
}

func (g *group) start(f func()) {
	g.join()
	go func() {
		defer g.done()
		f()
	}()
}

// join counts the caller's own goroutine until it calls done.
func (g *group) join() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
}

func (g *group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// wait returns when none runs, or with the cause when ctx ends.
func (g *group) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// every calls f at intervals until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// pause waits until the time is over or wake has something, and reports false if ctx ended. Wake
// may be nil.
func pause(ctx context.Context, length time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

// tidyEvery is how often expired requests and old faults are looked for.
const tidyEvery = 30 * time.Second

// tidy forgets what time has made useless, so that a relay cannot fill the memory.
func (a *Agent) tidy() {
	now := time.Now()
	a.evict(a.pairings.expire(now))
	lives := func(id ledger.SessionID) bool { _, ok := a.ledger.Session(id); return ok }
	a.byDamage.forget(now, lives)
	a.byReplay.forget(now, lives)
	a.warnOfFull(now)
	a.settleLinks()
	a.recordDenials(false)
	a.noticeOwnRelay()
	for _, line := range a.trace.Due(now) {
		a.logTrace(line)
	}
}
