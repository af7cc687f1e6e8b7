package node

import (
	"fmt"
	"slices"
)

// named is the nodes that somebody named, and the list that names more. It does not change.
type named struct {
	nodes []*endpoint
	list  string // empty: none
}

// name returns the nodes at some addresses. What is known of one that is named already is kept.
func (c *Client) name(urls []string, list string) (*named, error) {
	if len(urls) == 0 || len(urls) > maxNodes {
		return nil, fmt.Errorf("nodes: wanted 1 to %d addresses, got %d", maxNodes, len(urls))
	}
	if list != "" {
		if u, err := parseURL(list); err != nil || u.Scheme != "https" {
			return nil, fmt.Errorf("node list %q: wanted https://…", clip(list))
		}
	}
	next := &named{list: list}
	for _, text := range urls {
		n, err := newEndpoint(text, c.transports)
		if err != nil {
			return nil, err
		}
		same := func(other *endpoint) bool { return other.url == n.url }
		if slices.ContainsFunc(next.nodes, same) {
			return nil, fmt.Errorf("node address %q is listed twice", clip(text))
		}
		if i := slices.IndexFunc(c.named.Load().nodes, same); i >= 0 {
			n = c.named.Load().nodes[i]
		}
		next.nodes = append(next.nodes, n)
	}
	return next, nil
}

// Rename prepares that other nodes take the place of Options.URLs and Options.List, and returns
// what does it, which cannot fail. Calls that are under way end with the nodes that they began
// with. One call at a time may be between Rename and what it returns.
func (c *Client) Rename(urls []string, list string) (take func(), err error) {
	next, err := c.name(urls, list)
	if err != nil {
		return nil, err
	}
	return func() {
		c.listing.Lock()
		defer c.listing.Unlock()
		var listed []*endpoint
		if before := c.named.Load(); before.list == list {
			// A host that is named by itself now is an opinion of its own.
			listed = slices.DeleteFunc(slices.Clone(*c.listed.Load()), func(n *endpoint) bool {
				return slices.ContainsFunc(next.nodes, func(own *endpoint) bool { return own.host == n.host })
			})
		}
		c.named.Store(next)
		c.listed.Store(&listed)
		select {
		case c.relist <- struct{}{}:
		default: // one token is enough
		}
	}, nil
}
