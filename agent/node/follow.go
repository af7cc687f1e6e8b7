package node

import (
	"context"
	"sync"
	"time"
)

const (
	// maxFollowed bounds the accepted transactions that are watched until they are in a block. What
	// is accepted beyond it is not watched.
	maxFollowed = 4096
	// followers is how many transactions are looked up at the same time.
	followers = 8
	// spreadTo is how many nodes get a transaction that is not in a block when it should be.
	spreadTo = 3
	// firstLook is the time after which a transaction should be in a block.
	firstLook = 6 * time.Second
)

// followed is an accepted transaction that is not yet seen in a block.
type followed struct {
	e   *effort
	due time.Time // when it is looked up next
}

// watchAccepted hands an accepted transaction over to Run. From now on only Run's goroutines use e.
func (c *Client) watchAccepted(e *effort) {
	if !c.running.Load() {
		return
	}
	e.doubt = true // a node has it, whatever another node will say
	c.lookLater(e)
}

// lookLater queues a transaction for the next look. It never waits: whoever broadcasts must not be
// held up by those that follow.
func (c *Client) lookLater(e *effort) {
	select {
	case c.follow <- followed{e, time.Now().Add(firstLook)}:
	default:
	}
}

// keepFollowing watches accepted transactions until they are in a block: a node may have lost one
// that it had queued, or lied. Sending one again is harmless, because the bytes are the same.
func (c *Client) keepFollowing(ctx context.Context) {
	var all sync.WaitGroup
	for range followers {
		all.Go(func() { c.followEach(ctx) })
	}
	all.Wait()
}

func (c *Client) followEach(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-c.follow:
			if !sleep(ctx, time.Until(f.due)) {
				return
			}
			c.followOnce(ctx, f.e)
		}
	}
}

// followOnce looks one transaction up, and sends it to more nodes if it is in no block yet.
func (c *Client) followOnce(ctx context.Context, e *effort) {
	o, final := e.lookUp(ctx)
	switch {
	case o.State == Expired:
		c.log.Error("a transaction that a node had accepted never reached the chain", "tx", e.tx.ID.String(),
			"expiration", e.tx.Expiration.String())
		e.c.blame(e.takenBy, "took the transaction "+e.tx.ID.String()+", which never reached the chain")
		if e.tx.Lost != nil {
			e.tx.Lost(ctx, o)
		}
		return
	case final && o.Block > 0:
		return
	case time.Since(e.tx.Expiration.Time()) > 10*time.Minute:
		c.log.Warn("a transaction that a node had accepted was never seen in a block", "tx", e.tx.ID.String())
		return
	default: // no node has it, or one has kept it for two blocks
		e.spread(ctx)
	}
	c.lookLater(e)
}
