package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"pksa/protocol/host"
	"pksa/protocol/sorts"
)

// A public node list names nodes and how well each of them answers. It is asked for addresses and
// believed in nothing else: its nodes come after those that the options name, and all of them
// together are one opinion, as if they were one host. Whoever writes the list can therefore slow
// the client down, and cannot have a transaction called refused or expired, or a key changed.

const (
	// listEvery is the time between two questions for the list, listAgain that after a failure.
	// What the last good answer named stays in use meanwhile.
	listEvery = time.Hour
	listAgain = 5 * time.Minute
	// listTimeout bounds one question, maxList the bytes of its answer.
	listTimeout = 10 * time.Second
	maxList     = 256 << 10
	// maxListed is how many nodes are taken from it. Each is looked at twice a minute.
	maxListed = 8
	// leastScore is the score, of 100, from which on a node is taken.
	leastScore = 80
	// listVoice is the opinion of all nodes that the list names. No host has such a name.
	listVoice = "the node list"
)

// listedNode is one entry of a list in the form of PeakD's beacon, as far as it is read.
type listedNode struct {
	Endpoint string  `json:"endpoint"`
	Score    float64 `json:"score"`
}

// parseList returns the addresses of a list, the best first.
func parseList(text []byte) ([]*url.URL, error) {
	var entries []listedNode
	if err := unmarshal(text, &entries); err != nil {
		return nil, errors.New("is no JSON list of nodes, each with endpoint and score")
	}
	sorts.Stable(entries, func(a, b listedNode) int { return cmp.Compare(b.Score, a.Score) })
	var urls []*url.URL
	for _, e := range entries {
		if len(urls) == maxListed || e.Score < leastScore {
			break
		}
		u, err := parseURL(e.Endpoint)
		if err != nil || u.Scheme != "https" || !public(u.Hostname()) ||
			slices.ContainsFunc(urls, func(v *url.URL) bool { return v.Hostname() == u.Hostname() }) {
			continue
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// public reports whether the name can be that of a host on the internet. A list must not make this
// machine send requests to its neighbours.
func public(name string) bool {
	_, err := netip.ParseAddr(name)
	return err != nil && len(name) <= 253 && strings.Contains(strings.Trim(name, "."), ".") && !host.Loopback(name) &&
		!slices.ContainsFunc([]string{".local", ".localhost", ".internal", ".home.arpa"},
			func(end string) bool { return strings.HasSuffix(strings.TrimSuffix(name, "."), end) })
}

// keepList asks for the list now and then until ctx ends.
func (c *Client) keepList(ctx context.Context) {
	failing := false // one line of the log when it begins, one when it ends
	for {
		next, list := listEvery, c.named.Load().list
		switch err := c.refreshList(ctx, list); {
		case err == nil:
			if failing {
				c.log.Info("node list is read again", "list", list)
			}
			failing = false
		case ctx.Err() == nil:
			next = listAgain
			if !failing {
				c.log.Warn("node list not read; the nodes that are known stay in use", "list", list,
					"err", err)
			}
			failing = true
		}
		if !sleepOr(ctx, jitter(next), c.relist) {
			return
		}
	}
}

// refreshList takes the nodes of the list in the place of those that it named before. What is known
// of a node that it still names is kept. Without a list there are none.
func (c *Client) refreshList(ctx context.Context, list string) error {
	if list == "" {
		c.takeListed(list, nil)
		return nil
	}
	text, err := c.fetchList(ctx, list)
	if err != nil {
		return err
	}
	urls, err := parseList(text)
	if err != nil {
		return err
	}
	if len(urls) == 0 {
		return errors.New("it names no node that can be used")
	}
	before := *c.listed.Load()
	var listed []*endpoint
	for _, u := range urls {
		named := func(n *endpoint) bool { return n.host == u.Hostname() }
		if slices.ContainsFunc(c.named.Load().nodes, named) {
			continue // a host that the options name is an opinion of its own already
		}
		if i := slices.IndexFunc(before, func(n *endpoint) bool { return n.url == u.String() }); i >= 0 {
			listed = append(listed, before[i])
			continue
		}
		n, err := newEndpoint(u.String(), c.transports)
		if err != nil {
			return err // unreachable: parseList has read the address
		}
		n.voice, n.listed = listVoice, true
		listed = append(listed, n)
	}
	c.takeListed(list, listed)
	return nil
}

// takeListed takes the nodes of a list, unless another list has taken its place meanwhile.
func (c *Client) takeListed(list string, nodes []*endpoint) {
	c.listing.Lock()
	defer c.listing.Unlock()
	if c.named.Load().list == list {
		c.listed.Store(&nodes)
	}
}

func (c *Client) fetchList(ctx context.Context, list string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, list, nil)
	if err != nil {
		return nil, errors.New("request cannot be made")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.options.UserAgent)
	// As for nodes: no redirect is followed, no cookie kept.
	response, err := c.transports.secure.RoundTrip(request)
	if err != nil {
		return nil, errors.New(clip(err.Error()))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxList+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("answer cut off: %s", clip(err.Error()))
	case len(text) > maxList:
		return nil, fmt.Errorf("answer of more than %d bytes is too long", maxList)
	}
	return text, nil
}

// all returns every node: those that the options name, then those of the list.
func (c *Client) all() []*endpoint { return slices.Concat(c.named.Load().nodes, *c.listed.Load()) }
