package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-json-experiment/json"

	"pksa/agent/outage"
	"pksa/protocol/sorts"
)

// chainState is whether a node serves our chain.
type chainState uint8

const (
	chainUnknown chainState = iota // not asked yet
	chainOurs
	chainOther // never used; asked for its chain again after otherChainRest
)

// otherChainRest is how long a node of another chain is left alone.
const otherChainRest = 10 * time.Minute

// endpoint is one node and what is known of it.
type endpoint struct {
	url       string
	host      string // without port
	voice     string // what makes two nodes independent: the host, or the list that names it
	listed    bool   // named by the list, and not by the options
	transport http.RoundTripper
	checking  gate // held while the chain id is asked for

	mu        sync.Mutex // guards what follows
	chain     chainState
	checkedAt time.Time // of the last check that found our chain
	version   string
	failures  int // in a row
	rest      *backoff.ExponentialBackOff
	until     time.Time // not to be asked before, unless nobody else is left
	asked     time.Time // until when it asked for a rest
	lastError string
	why       map[outage.Reason]uint64 // of the errors
	lastWhy   outage.Reason
	latency   time.Duration // of the last answer
	calls     uint64
	errors    uint64
	seen      *sighting // newest head, nil if none
	astray    bool      // its head is away from everybody else's
	blame     blame     // what it said that turned out to be untrue
}

func newEndpoint(text string, t transports) (*endpoint, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	rest := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(3*time.Second), backoff.WithMaxInterval(2*time.Minute),
		backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0.2),
	)
	return &endpoint{url: u.String(), host: u.Hostname(), voice: u.Hostname(), transport: t.to(u), checking: newGate(),
		rest: rest, why: map[outage.Reason]uint64{}}, nil
}

// answered records that the node works, and reports whether it had failed before. What answers at
// its address after that may be another one: its chain is asked for soon. Until then the answer of
// before holds: no request waits.
func (n *endpoint) answered(latency time.Duration) (recovered bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	n.latency = latency
	recovered = n.failures > 0
	if old := time.Now().Add(-checkChainEvery); recovered && n.checkedAt.After(old) {
		n.checkedAt = old
	}
	n.failures, n.until, n.lastError, n.lastWhy = 0, time.Time{}, "", ""
	n.rest.Reset()
	return recovered
}

// failed records that the node does not work, and leaves it alone for a while, at least as long as
// it asked for. It reports whether the node worked before.
func (n *endpoint) failed(err *callError, asked time.Duration) (first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	n.failures++
	n.noteLocked(err)
	now := time.Now()
	// Many calls that fail together are one failure: the rest becomes longer only if the node fails
	// again after it.
	if n.until.Before(now) || asked > 0 {
		n.until = now.Add(max(n.rest.NextBackOff(), asked))
	}
	if asked > 0 {
		n.asked = now.Add(asked)
	}
	return n.failures == 1
}

// noteLocked records an error of the node.
func (n *endpoint) noteLocked(err *callError) {
	n.errors++
	n.why[err.why]++
	n.lastError, n.lastWhy = err.Error(), err.why
}

func (n *endpoint) resting(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.until)
}

// oneNodeForAll reports whether there is one node only, which did not ask for a rest.
func (c *Client) oneNodeForAll() bool {
	all := c.all()
	if len(all) != 1 {
		return false
	}
	n := all[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	return !time.Now().Before(n.asked)
}

func (n *endpoint) seenWithin(d time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen != nil && time.Since(n.seen.at) < d
}

func (n *endpoint) checkedWithin(d time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chain == chainOurs && time.Since(n.checkedAt) < d
}

// checkChain makes sure that the node serves our chain. It asks the node if the last answer is
// older than every (tx §1.5). Only one caller asks, the others wait.
func (n *endpoint) checkChain(ctx context.Context, c *Client, every time.Duration) error {
	if n.checkedWithin(every) {
		return nil
	}
	if err := n.checking.enter(ctx); err != nil {
		return notSent(err)
	}
	defer n.checking.leave()
	n.mu.Lock()
	known, resting := n.chain, time.Now().Before(n.until)
	n.mu.Unlock()
	switch {
	case n.checkedWithin(every): // whoever held the gate before has asked
		return nil
	case known == chainOther && resting:
		return errOtherChain
	}
	return n.askChain(ctx, c)
}

var errOtherChain = &callError{kind: kindUnreached, why: outage.Chain, text: "serves another chain"}

func (n *endpoint) askChain(ctx context.Context, c *Client) error {
	raw, err := c.call(ctx, n, query{method: "database_api.get_version", params: []byte("{}")})
	if err != nil {
		return notSent(err)
	}
	var v struct {
		ChainID string `json:"chain_id"`
		Version string `json:"blockchain_version"`
	}
	if err := json.Unmarshal(raw, &v); err != nil || len(v.ChainID) != 64 {
		return notSent(c.malformed(n, "its version has no chain id"))
	}
	ours := v.ChainID == hex.EncodeToString(c.options.Network.ChainID[:])
	n.mu.Lock()
	defer n.mu.Unlock()
	n.version = clip(v.Version)
	if !ours {
		// Each rest of a node that stays on another chain would be one more line of the log.
		if n.chain != chainOther {
			c.log.Error("node serves another chain and is not used", "node", n.url, "chain", clip(v.ChainID), "network",
				c.options.Network.Name)
		}
		n.chain, n.until = chainOther, time.Now().Add(otherChainRest)
		n.seen = nil                // its head would have a vote about the time of our chain
		n.noteLocked(errOtherChain) // the call itself went well, and is of no use
		n.lastError = fmt.Sprintf("serves the chain %s, not %s", clip(v.ChainID), c.options.Network.Name)
		return errOtherChain
	}
	n.chain, n.checkedAt = chainOurs, time.Now()
	return nil
}

// candidates returns the nodes worth asking, the best first: those that work, in the order of
// Options.URLs and of the list; then those that rest, the one that is ready soonest first; then
// those that said what turned out to be untrue; then those whose head is astray. Nodes that serve
// another chain are not among them while they rest, and are checked again after it.
func (c *Client) candidates() []*endpoint {
	const works, resting, blamed, astray = 0, 1, 2, 3
	type ranked struct {
		n     *endpoint
		class int
		until time.Time
	}
	now := time.Now()
	all := c.all()
	list := make([]ranked, 0, len(all))
	for _, n := range all {
		n.mu.Lock()
		r := ranked{n, works, n.until}
		rests := now.Before(n.until)
		skip := n.chain == chainOther && rests
		switch {
		case n.astray:
			r.class = astray
		case now.Before(n.blame.until):
			r.class = blamed
		case rests:
			r.class = resting
		}
		n.mu.Unlock()
		if !skip {
			list = append(list, r)
		}
	}
	sorts.Stable(list, func(a, b ranked) int {
		if a.class == resting && b.class == resting {
			return a.until.Compare(b.until)
		}
		return cmp.Compare(a.class, b.class)
	})
	nodes := make([]*endpoint, len(list))
	for i, r := range list {
		nodes[i] = r.n
	}
	return nodes
}

// NodeStatus is the state of a node at one instant.
type NodeStatus struct {
	URL       string    `json:"url"`
	Listed    bool      `json:"listed,omitzero"`  // named by the node list only
	Usable    bool      `json:"usable"`           // serves our chain, does not rest, head not astray
	Chain     string    `json:"chain"`            // "ours", "other" or "unchecked"
	Version   string    `json:"version,omitzero"` // of its software, by its own word
	HeadBlock uint32    `json:"head_block,omitzero"`
	HeadTime  time.Time `json:"head_time,omitzero"`
	SeenAt    time.Time `json:"seen_at,omitzero"`    // when that head was fetched
	Astray    bool      `json:"astray,omitzero"`     // its head differs from that of the other nodes
	Failures  int       `json:"failures,omitzero"`   // in a row
	RestUntil time.Time `json:"rest_until,omitzero"` // not asked before; zero: it does not rest
	LastError string    `json:"last_error,omitzero"` // empty after a success
	// LastReason is why, in one word; empty after a success.
	LastReason outage.Reason `json:"last_reason,omitzero"`
	Latency    time.Duration `json:"latency_ns,omitzero"`
	Calls      uint64        `json:"calls"`
	Errors     uint64        `json:"errors"`
	// Reasons are the errors by why. The map belongs to the caller.
	Reasons map[outage.Reason]uint64 `json:"reasons,omitempty"`
	// Untrue counts what the node said and others, or the chain, showed to be untrue. Until
	// BlamedUntil it is asked after all others; Blame is the last of it.
	Untrue      uint64    `json:"untrue,omitzero"`
	BlamedUntil time.Time `json:"blamed_until,omitzero"`
	Blame       string    `json:"blame,omitzero"`
}

// Status returns the state of each node, in the order of Options.URLs, and then those of the list.
func (c *Client) Status() []NodeStatus {
	all := c.all()
	list := make([]NodeStatus, len(all))
	for i, n := range all {
		list[i] = n.status(time.Now())
	}
	return list
}

func (n *endpoint) status(now time.Time) NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := NodeStatus{
		URL: n.url, Listed: n.listed, Chain: "unchecked", Version: n.version, Astray: n.astray, Failures: n.failures,
		LastError: n.lastError, LastReason: n.lastWhy, Reasons: maps.Clone(n.why),
		Latency: n.latency, Calls: n.calls, Errors: n.errors,
		Untrue: n.blame.count, Blame: n.blame.last,
	}
	if now.Before(n.blame.until) {
		s.BlamedUntil = n.blame.until
	}
	switch n.chain {
	case chainOurs:
		s.Chain = "ours"
	case chainOther:
		s.Chain = "other"
	}
	if now.Before(n.until) {
		s.RestUntil = n.until
	}
	if n.seen != nil {
		s.HeadBlock, s.HeadTime, s.SeenAt = n.seen.number, n.seen.time.Time(), n.seen.at
	}
	s.Usable = n.chain == chainOurs && s.RestUntil.IsZero() && !n.astray
	return s
}
