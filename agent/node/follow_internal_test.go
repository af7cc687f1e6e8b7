package node

import "testing"

// Accepted transactions are watched up to a number. Whoever broadcasts never waits for a place.
func TestFollowedTransactions(t *testing.T) {
	for _, n := range []int{4095, 4096, 4097} {
		c := &Client{follow: make(chan followed, maxFollowed)}
		c.watchAccepted(&effort{}) // nobody would look it up
		c.running.Store(true)
		last := &effort{}
		for range n - 1 {
			c.watchAccepted(&effort{})
		}
		c.watchAccepted(last)
		if len(c.follow) != min(n, 4096) || !last.doubt {
			t.Errorf("of %d transactions %d are watched", n, len(c.follow))
		}
	}
}
