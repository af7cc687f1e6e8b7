package agent

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxSkew is how far our clock may be from the chain's before nothing is signed.
	maxSkew = 5 * time.Minute
	// maxJump is how far the wall clock may step against the monotonic one before it is no longer
	// believed. Slewing moves both together; a step, or a machine that slept, does not.
	maxJump = 10 * time.Second
	// clockEvery is how often the two are compared when no request does it.
	clockEvery = 5 * time.Second
)

// wallClock notices when the wall clock steps. Limits, nonces and the ends of sessions depend on
// it, so after a step nothing is granted until the chain's head agrees with it again. The agent has
// one: the ledger's committing goroutine asks it for each decision, status asks it, and Run and
// watchClock set it. The zero value must be set with agree.
type wallClock struct {
	mu   sync.Mutex
	base time.Time // an instant of which both readings were believed
	bad  time.Time // when the step was noticed; zero if there was none
}

// agree takes the present reading as right.
func (c *wallClock) agree(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.bad = now, time.Time{}
}

// jumped reports whether the wall clock has stepped since it was last believed, and when that was
// noticed.
func (c *wallClock) jumped(now time.Time) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumpedLocked(now, now.Round(0).Sub(c.base.Round(0)), now.Sub(c.base))
}

// jumpedLocked compares how far wall and monotonic clock say that time went on.
func (c *wallClock) jumpedLocked(now time.Time, wall, monotonic time.Duration) (time.Time, bool) {
	if c.bad.IsZero() && (wall-monotonic).Abs() > maxJump {
		c.bad = now
	}
	return c.bad, !c.bad.IsZero()
}

// checkClock compares our clock with the chain's head before anything is recorded: what is recorded
// under a clock that is far ahead ends sessions, and leaves the ledger in a future in which every
// nonce is too old. Without a node that answers there is nothing to compare with.
func (a *Agent) checkClock(ctx context.Context) error {
	a.agreeClock()
	waiting, cancel := context.WithTimeout(ctx, headWait)
	defer cancel()
	head, err := a.node.Head(waiting)
	if err != nil {
		a.log.Warn("our clock was not compared with the chain's: no node answers", "err", err)
		return nil
	}
	if skew := time.Until(head.ChainTime(time.Now())); skew.Abs() > maxSkew {
		return fmt.Errorf("our clock is %s away from the chain's; set the clock of this machine and start again",
			skew.Abs().Round(time.Second))
	}
	if ahead := time.Until(a.ledger.Now()); ahead > maxSkew {
		a.log.Error("the ledger's last record is in the future: the clock of this machine was wrong when it was "+
			"written, and until then no nonce is new", "ahead", ahead.Round(time.Second))
	}
	return nil
}

// agreeClock takes the present reading of the wall clock as right, here and in the ledger, whose
// time goes on without the steps in between: so no record has a time from a wrong future.
func (a *Agent) agreeClock() {
	a.clock.agree(time.Now())
	a.ledger.AgreeClock()
}

// clockProblem returns why the clock is not believed; empty if it is.
func (a *Agent) clockProblem(now time.Time) string {
	if since, bad := a.clock.jumped(now); bad {
		return fmt.Sprintf("the clock of this machine stepped at %s; nothing is granted until the chain's head "+
			"agrees with it", since.UTC().Format(time.RFC3339))
	}
	return ""
}

// watchClock looks for steps, and after a step for a head that agrees with the clock again.
func (a *Agent) watchClock(ctx context.Context) {
	reported := false
	every(ctx, clockEvery, func() {
		since, stepped := a.clock.jumped(time.Now())
		if stepped && !reported {
			a.alarm(alarmClock)
		}
		reported = stepped
		if !stepped {
			return
		}
		head, err := a.node.Head(ctx)
		// Only a head that was read after the step says anything: an older one was dated by the
		// clock of that time.
		if err == nil && head.At.Sub(since) > 0 && time.Until(head.ChainTime(time.Now())).Abs() <= maxSkew {
			a.agreeClock()
			a.log.Info("the clock agrees with the chain again")
		}
	})
}
