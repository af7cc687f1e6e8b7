package node

import (
	"context"
	"sync"
	"time"
)

const (
	// maxFollowed bounds the accepted transactions that are not seen in a block yet; of more than
	// that, the rest goes unwatched.
	maxFollowed = 4096
	// followers is how many are looked after at the same time.
	followers = 8
	// spreadTo is how many nodes get a transaction that is not in a block when it should be.
	spreadTo = 3
	// firstLook is when a transaction should be in a block.
	firstLook = 6 * time.Second
)

// followed is an accepted transaction.
type followed struct {
	e   *effort
	due time.Time
}

// watchAccepted leaves an accepted transaction to Run.
func (c *Client) watchAccepted(e *effort) {
	if !c.running.Load() {
		return
	}
	e.doubt = true
	select {
	case c.follow <- followed{e, time.Now().Add(firstLook)}:
	default:
	}
}

// keepFollowing sees accepted transactions into a block: a node may have queued one and lost it, or
// lied. What it does harms nobody, as the bytes are the same.
func (c *Client) keepFollowing(ctx context.Context) {
	var all sync.WaitGroup
	for range followers {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case f := <-c.follow:
					if sleep(ctx, time.Until(f.due)) {
						c.followOnce(ctx, f.e)
					}
				}
			}
		})
	}
	all.Wait()
}

// followOnce looks at one transaction, and spreads it if it is in no block yet.
func (c *Client) followOnce(ctx context.Context, e *effort) {
	o, final := e.lookUp(ctx)
	switch {
	case o.State == Expired:
		c.log.Error("a transaction that a node had accepted never reached the chain", "tx", e.tx.ID.String(),
			"expiration", e.tx.Expiration.String())
		return
	case final && o.Block > 0:
		return
	case time.Since(e.tx.Expiration.Time()) > 10*time.Minute:
		c.log.Warn("a transaction that a node had accepted was never seen in a block", "tx", e.tx.ID.String())
		return
	default: // nobody has it, or it has waited for two blocks somewhere
		e.spread(ctx)
	}
	select {
	case c.follow <- followed{e, time.Now().Add(firstLook)}:
	default:
	}
}
