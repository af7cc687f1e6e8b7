package node

import (
	"encoding/json"
	"strings"
	"testing"
)

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

// What a node says was published is no longer than what the chain takes.
func TestPublishedIsNoLongerThanTheChainTakes(t *testing.T) {
	for _, size := range []int{8191, 8192, 8193} {
		entry, err := json.Marshal(map[string]any{"trx_id": strings.Repeat("a", 40), "block": 7,
			"op": []any{"custom_json", map[string]any{"required_posting_auths": []string{"alice"}, "id": "mine",
				"json": strings.Repeat("x", size)}}})
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := readPublished(entry, "alice", "mine"); ok != (size <= 8192) || ok && len(p.JSON) != size {
			t.Errorf("%d bytes: read %t, %d bytes", size, ok, len(p.JSON))
		}
	}
}
