package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
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
	why  string    // nothing has confirmed the clock since the start, and nothing is served; empty if it is
}

// agree takes the present reading as right.
func (c *wallClock) agree(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.bad, c.why = now, time.Time{}, ""
}

// doubt notes why nothing is served.
func (c *wallClock) doubt(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = why
}

// doubted returns why nothing is served; empty if the clock is no reason.
func (c *wallClock) doubted() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
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

// maxUnconfirmed is how far ahead of the ledger's last record the clock may be at a start if
// nothing confirms it. A clock that is wrong on every start can run away by so much each time, no
// more.
const maxUnconfirmed = time.Hour

// skewError means that a node contradicts our clock.
type skewError struct{ skew time.Duration }

func (e *skewError) Error() string {
	return fmt.Sprintf("our clock is %s away from the chain's", e.skew.Abs().Round(time.Second))
}

// skewTo returns how far our clock is ahead of the chain's, by a head.
func skewTo(head node.Head, now time.Time) time.Duration { return now.Sub(head.ChainTime(now)) }

// skewProblem returns why no transaction is built on a head: the chain's clock and ours are too far
// apart. It is empty if they agree.
func skewProblem(head node.Head, now time.Time) string {
	if skew := skewTo(head, now); skew.Abs() > maxSkew {
		return (&skewError{skew}).Error()
	}
	return ""
}

// futureProblem returns why no nonce is new: the last record of the ledger is in the future. It is
// empty if it is not.
func futureProblem(last, now time.Time) string {
	if ahead := last.Sub(now); ahead > maxSkew {
		return "the ledger's last record is " + ahead.Round(time.Minute).String() +
			" in the future: the clock was wrong when it was written, and no nonce is new until then. Stop the " +
			"wallet; `pksa ledger clock` leads the ledger back"
	}
	return ""
}

// ClockWitness is what can confirm the clock of this machine.
type ClockWitness struct {
	Node   *node.Client
	Kernel func() error // nil if the kernel says that its clock is kept right
	Trust  bool         // the operator says that it is right
}

// Confirm returns what confirms the wall clock: a head of the chain that was read after an instant,
// else the kernel, else the operator. An error that contradicts the clock says how far the chain's
// is away. Every other error says what was asked and does not confirm it.
func (w ClockWitness) Confirm(ctx context.Context, since time.Time) (by string, err error) {
	waiting, cancel := context.WithTimeout(ctx, headWait)
	defer cancel()
	head, err := w.Node.Head(waiting)
	switch {
	// Only a head that was read after a step says anything: an older one was dated by the clock of
	// that time.
	case err == nil && head.At.Sub(since) > 0:
		if skew := skewTo(head, time.Now()); skew.Abs() > maxSkew {
			return "", &skewError{skew}
		}
		return "the chain", nil
	case err == nil:
		err = errors.New("no Hive API node has told the time of the chain since then")
	default:
		err = fmt.Errorf("no Hive API node tells the time of the chain: %w", err)
	}
	unknown := w.Kernel()
	switch {
	case unknown == nil:
		return "the kernel", nil
	case w.Trust:
		return "--trust-clock", nil
	}
	return "", fmt.Errorf("%w; %w", err, unknown)
}

// checkClock looks at our clock before anything is recorded: what is recorded under a clock that is
// far ahead ends sessions, and leaves the ledger in a future in which every nonce is too old. If
// nothing confirms the clock, and it is far ahead of the last record, the ledger is held.
func (a *Agent) checkClock(ctx context.Context) error {
	// Held before anything is asked: that takes a while, and the ledger sweeps by itself.
	doubt, held := a.ledger.HoldClock(maxUnconfirmed)
	a.clock.agree(time.Now())
	by, err := a.witness.Confirm(ctx, time.Time{})
	var skewed *skewError
	switch {
	case errors.As(err, &skewed):
		return fmt.Errorf("%w; set the clock of this machine and start again", err)
	case err != nil && held:
		a.clock.doubt(doubtText(doubt, err))
		a.log.Error("nothing is served yet: " + doubtText(doubt, err))
		return nil
	case err != nil:
		a.log.Warn("the clock of this machine is not confirmed; it is believed because the ledger's last record is "+
			"less than an hour ago", "err", err)
	default:
		a.log.Info("the clock of this machine is confirmed", "by", by)
	}
	a.agreeClock()
	a.warnOfFuture()
	return nil
}

// doubtText returns what is wrong with a clock that nothing confirms, and what a person does.
func doubtText(d ledger.Doubt, err error) string {
	return fmt.Sprintf("the clock of this machine is not confirmed, and it says %s, %s after the ledger's last "+
		"record: %v. Let it reach a node, or start a time service; if the clock is right, start with "+
		"`pksa run --trust-clock`",
		d.Now.UTC().Format(time.RFC3339), d.Now.Sub(d.Last).Round(time.Minute), err)
}

// awaitClock waits until something confirms the clock, and begins to serve then. It calls quit if
// that fails.
func (a *Agent) awaitClock(ctx context.Context, background *sync.WaitGroup, quit func()) {
	for pause(ctx, clockEvery, nil) {
		doubt, _ := a.ledger.HoldClock(maxUnconfirmed)
		by, err := a.witness.Confirm(ctx, time.Time{})
		if err != nil {
			if ctx.Err() == nil {
				a.clock.doubt(doubtText(doubt, err))
			}
			continue
		}
		a.log.Info("the clock of this machine is confirmed", "by", by)
		a.agreeClock()
		a.warnOfFuture()
		if err := a.begin(ctx, background); err != nil && ctx.Err() == nil {
			a.beginFailed = err
			quit()
		}
		return
	}
}

// warnOfFuture logs that the ledger was written under a clock that was ahead of this one.
func (a *Agent) warnOfFuture() {
	if ahead := time.Until(a.ledger.Now()); ahead > maxSkew {
		a.log.Error("the ledger's last record is in the future: the clock of this machine was wrong when it was "+
			"written, and until then no nonce is new; `pksa ledger clock` leads it back", "ahead",
			ahead.Round(time.Second))
	}
}

// hasBegun reports whether requests may be recorded.
func (a *Agent) hasBegun() bool {
	select {
	case <-a.begun:
		return true
	default:
		return false
	}
}

// mayRecord waits until requests may be recorded, and reports false if the agent stops before.
func (a *Agent) mayRecord() bool {
	select {
	case <-a.begun:
		return true
	case <-a.quit:
		return false
	case <-a.lock.Leaving():
		return false
	}
}

// agreeClock takes the present reading of the wall clock as right, here and in the ledger, whose
// time goes on without the steps in between: so no record has a time from a wrong future.
func (a *Agent) agreeClock() {
	a.clock.agree(time.Now())
	a.ledger.AgreeClock()
}

// clockProblem returns why the clock is not believed; empty if it is.
func (a *Agent) clockProblem(now time.Time) string {
	if why := a.clock.doubted(); why != "" {
		return why
	}
	if since, bad := a.clock.jumped(now); bad {
		return fmt.Sprintf("the clock of this machine stepped at %s; nothing is granted until the chain's head "+
			"or the kernel confirms it", since.UTC().Format(time.RFC3339))
	}
	return ""
}

// watchClock looks for steps, and after a step for something that confirms the clock again.
func (a *Agent) watchClock(ctx context.Context) {
	reported := false
	every(ctx, clockEvery, func() {
		since, stepped := a.clock.jumped(time.Now())
		if !a.hasBegun() {
			return // awaitClock is at it
		}
		if stepped && !reported {
			a.alarm(alarmClock)
		}
		reported = stepped
		if !stepped {
			return
		}
		if by, err := a.witness.Confirm(ctx, since); err == nil {
			a.agreeClock()
			a.log.Info("the clock is believed again", "by", by)
		}
	})
}
