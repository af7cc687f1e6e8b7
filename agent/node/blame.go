package node

import "time"

const (
	// blameFirst is how long a node is asked after all others for the first untrue thing that it
	// said. Each further one after that time doubles it, up to blameMost. An honest node may be a
	// block behind, or have a transaction dropped, so nothing is held against it for ever.
	blameFirst = 10 * time.Minute
	blameMost  = 24 * time.Hour
)

// blame is what a node said that turned out to be untrue. It lasts as long as the process.
type blame struct {
	count uint64
	row   int       // of them, each within blameMost after the end of the one before
	until time.Time // until then the node is asked after all others
	last  string
}

// blame remembers against all nodes of a host that it said or did what others, or the chain, showed
// to be untrue. They are asked last for a while: no more, because an honest node may err.
func (c *Client) blame(host, what string) {
	now := time.Now()
	for _, n := range c.all() {
		if n.host != host {
			continue
		}
		if rest := n.recordBlame(what, now); rest > 0 {
			c.log.Warn("node said what is not true and is asked last", "node", n.url, "reason", clip(what), "for",
				rest)
		}
	}
}

// recordBlame returns for how long the node is asked last from now on; 0 if it already is. Many
// untrue answers at once are one: an application must not be able to banish a node.
func (n *endpoint) recordBlame(what string, now time.Time) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := &n.blame
	b.count, b.last = b.count+1, clip(what)
	if now.Before(b.until) {
		return 0
	}
	if now.Sub(b.until) > blameMost {
		b.row = 0
	}
	rest := min(blameFirst<<min(b.row, 10), blameMost)
	b.row, b.until = b.row+1, now.Add(rest)
	return rest
}

// untrueError is an answer that no honest node gives.
type untrueError struct{ what string }

// Error returns what the node did.
func (e *untrueError) Error() string { return e.what }
