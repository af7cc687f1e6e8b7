package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Bounds that this package chose.
const (
	lazyDelay = 50 * time.Millisecond // how long an outcome waits for other steps before it is committed alone
	retryWait = time.Second           // between attempts to open a store again
	chores    = time.Minute           // between marks, and between sweeps
	yieldMost = 8                     // how often a commit lets others go first, while that brings it steps
)

// submit queues a step and waits for its commit, however long that takes: a caller that left early
// would not know what happened.
func (l *Ledger) submit(o *op) error {
	o.done = make(chan error, 1)
	if err := l.queue.put(o); err != nil {
		return err
	}
	return <-o.done
}

// submitContext waits as submit does, or until ctx ends. The commit goes on without the caller.
func (l *Ledger) submitContext(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	o.done = make(chan error, 1)
	if err := l.queue.put(o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Ledger) start() { go l.commits() }

// commits runs in the committing goroutine until the ledger is closed.
func (l *Ledger) commits() {
	defer close(l.stopped)
	chore := time.NewTicker(chores)
	defer chore.Stop()
	var timer <-chan time.Time // runs while steps wait for company, a segment to be dropped, or another attempt
	failures := 0              // of the last commits, one after another
	for {
		all := false
		select {
		case <-l.queue.wake:
			l.awaitCompany()
		case <-timer:
			timer, all = nil, true
		case <-chore.C:
			l.chores()
		}
		ops, left, closed := l.queue.take(all, failures > 0)
		wait := left && len(ops) == 0
		switch {
		case len(ops) == 0 && !all:
		case l.commit(ops):
			failures = 0
		default:
			failures++
			wait = true // a pause: what was put back wakes nobody, or attempts would follow without end
		}
		l.rotate(closed)
		if closed && l.through(left, len(ops) == 0, failures) {
			l.closeErr = l.shut()
			return
		}
		if (wait || l.dropping != nil) && timer == nil {
			timer = time.After(l.delay(failures))
		}
		l.rounds.Add(1)
	}
}

// awaitCompany lets those go first who are about to queue a step: then they share this commit, and
// what it writes beside its steps. Where nobody waits for a processor, it takes no time.
func (l *Ledger) awaitCompany() {
	waiting := l.queue.waiting()
	for range yieldMost {
		runtime.Gosched()
		now := l.queue.waiting()
		if now == waiting {
			return
		}
		waiting = now
	}
}

// through reports whether a closed queue has nothing more to commit: these were its last steps, or
// what is left cannot be committed. After one failure there is another attempt, with all of them.
func (l *Ledger) through(left, none bool, failures int) bool {
	if l.Err() != nil || l.held.Load() || failures > 1 {
		return true
	}
	return !left && (failures == 0 || none)
}

func (l *Ledger) delay(failures int) time.Duration {
	if l.Err() != nil || l.held.Load() || failures > 1 {
		return retryWait
	}
	return lazyDelay
}

// commit applies the steps in one commit and tells those who wait. It reports whether it did. With
// them, or without any, it drops a portion of a written segment.
func (l *Ledger) commit(ops []*op) bool {
	if isClosed(l.Deposed()) {
		l.depose(ops)
		return false
	}
	if l.held.Load() {
		l.refuse(ops, ErrClock)
		return false
	}
	if l.Err() != nil && !l.retry() {
		l.refuse(ops, ErrUnavailable)
		return false
	}
	if len(ops) == 0 && l.dropping == nil {
		return true
	}
	b, err := l.transact(ops)
	if errors.Is(err, ErrDeposed) {
		l.depose(ops)
		return false
	}
	if err != nil {
		l.o.Logger.Error("commit did not succeed", "requests", len(ops), "err", err)
		// First of all, before anybody is told: the store may hold the batch or not, so neither
		// what is cached here nor what the store holds in memory may be relied on. Whoever is told
		// then and looks, sees what is really there.
		if err := l.renew(); err != nil {
			l.o.Logger.Error("ledger does not open again", "err", err)
		}
		l.refuse(ops, fmt.Errorf("%w: %v", ErrCommit, err))
		return false
	}
	crashpoint("committed") // on disk: the whole batch; nobody knows it yet
	// Published before anybody is told: a caller that goes on finds its own request judged.
	l.mu.Lock()
	b.publish(l.state)
	l.mu.Unlock()
	l.queue.committed(ops)
	for _, o := range ops {
		if o.done != nil {
			o.done <- o.err
		}
	}
	return true
}

// depose ends the ledger for good. What has happened already is for the one that has taken over to
// find out, as after a crash.
func (l *Ledger) depose(ops []*op) {
	if !errors.Is(l.Err(), ErrDeposed) {
		l.o.Logger.Error("nothing is committed any more", "err", ErrDeposed)
		l.setBroken(ErrDeposed, false)
	}
	l.queue.committed(ops)
	for _, o := range ops {
		if o.done != nil {
			o.done <- ErrDeposed
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// refuse returns err to the waiting callers, whose steps were not committed. It queues the steps
// again that report what has already happened.
func (l *Ledger) refuse(ops []*op, err error) {
	var kept []*op
	for _, o := range ops {
		if o.keep {
			kept = append(kept, o)
			continue
		}
		if o.done != nil {
			o.done <- err
		}
	}
	// Before what has come since: an outcome follows the judging that it belongs to.
	l.queue.putBack(kept)
}

// transact makes one batch of the steps and commits it. After an error the store may hold the batch
// or not.
func (l *Ledger) transact(ops []*op) (*batch, error) {
	b := newBatch(l)
	if err := b.readAhead(ops); err != nil {
		return nil, err
	}
	for _, o := range ops {
		o.err = o.apply(b)
		if b.err != nil {
			return nil, b.err // a step may have written half of what it wanted: no part of it may stay
		}
	}
	b.gather() // last: it gathers what the steps changed, too
	b.dropPortion()
	if b.err != nil {
		return nil, b.err
	}
	if len(b.pending.edits) == 0 {
		return b, nil
	}
	// In this commit: a program that knows no numbers must not read what it seals.
	b.raiseFormat()
	crashpoint("committing") // on disk: what the last commit left, and nothing of this one
	return b, l.store.commit(b.pending.edits)
}

// retry tries to open a store that could not be opened after a failed commit.
func (l *Ledger) retry() bool {
	now := time.Now()
	if now.Before(l.retryAt) {
		return false
	}
	l.retryAt = now.Add(retryWait)
	if err := l.renew(); err != nil {
		return false
	}
	l.o.Logger.Info("ledger is open again")
	return true
}

// chores replaces the mark and sweeps what has expired.
func (l *Ledger) chores() {
	if l.Err() != nil || l.held.Load() {
		return
	}
	l.commit([]*op{{apply: (*batch).sweep}})
	l.stuck = false
	l.retainDue = true
	l.rotate(false)
	if l.Err() != nil {
		return
	}
	// After the commits that it speaks of: a mark ahead of the store would call the ledger
	// restored.
	if err := l.writeMark(); err != nil {
		l.o.Logger.Error("mark was not replaced", "err", err)
	}
}

// shut replaces the mark and closes the store, when the committing goroutine ends.
func (l *Ledger) shut() error {
	l.abandonRotation()
	if err := l.Err(); err != nil {
		l.setBroken(err, false) // nobody begins to read any more
		if errors.Is(err, ErrDeposed) {
			err = nil // whoever closes it has heard of that, and there is nothing to bring to an end
		}
		return errors.Join(err, l.store.close())
	}
	err := l.replaceMark()
	l.setBroken(ErrClosed, false)
	return errors.Join(err, l.store.close())
}
