package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

const (
	// maxNodes bounds the list of nodes.
	maxNodes = 64
	// checkChainEvery is how often Run asks a node for its chain id; staleChainCheck is after how
	// long a node must be asked again before it is used.
	checkChainEvery = 10 * time.Minute
	staleChainCheck = 15 * time.Minute
	// surveyEvery is how often Run looks at the heads of the nodes that are not in use.
	surveyEvery = 30 * time.Second
)

// ErrNoNode says that no node gave a usable answer.
var ErrNoNode = errors.New("no Hive API node gave a usable answer")

// Options make a [Client]. Zero values take the defaults.
type Options struct {
	// URLs are the nodes in order of preference, at least one: https, or http on loopback. No user,
	// query or fragment.
	URLs []string
	// Network is the chain; nodes of another one are never used. Required.
	Network *hive.Network
	// Transport makes the HTTP exchanges. nil: one of our own per client, which keeps connections
	// alive and speaks TLS 1.2 or later.
	Transport http.RoundTripper
	// Logger is told when a node begins or ends to fail. nil: nothing is logged.
	Logger *slog.Logger
	// UserAgent is what nodes are told. Empty: "pksa".
	UserAgent string

	BroadcastTimeout time.Duration // for one attempt at one node; 10 s
	ReadTimeout      time.Duration // for one question to one node; 5 s
	PollEvery        time.Duration // between refreshes of the head; 3 s, and no less
	StaleAfter       time.Duration // age at which a head is not used any more; 30 s
}

func (s *Options) setDefaults() {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.UserAgent == "" {
		s.UserAgent = "pksa"
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&s.BroadcastTimeout, 10 * time.Second},
		{&s.ReadTimeout, 5 * time.Second},
		{&s.PollEvery, 3 * time.Second},
		{&s.StaleAfter, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	s.PollEvery = max(s.PollEvery, 3*time.Second)
}

// Client asks a set of nodes. Its methods may be called concurrently. They work without
// [Client.Run], but the first call then waits for the check of a node's chain, and nobody looks
// after transactions that were accepted.
type Client struct {
	options Options
	log     *slog.Logger
	nodes   []*endpoint
	nextID  atomic.Uint64

	head headCache

	follow  chan followed // accepted transactions for Run to see into a block
	running atomic.Bool   // Run takes from follow
}

// New checks the settings and makes a client. It connects to nothing.
func New(s Options) (*Client, error) {
	s.setDefaults()
	if s.Network == nil {
		return nil, errors.New("nodes: no network is set")
	}
	if len(s.URLs) == 0 || len(s.URLs) > maxNodes {
		return nil, fmt.Errorf("nodes: wanted 1 to %d addresses, got %d", maxNodes, len(s.URLs))
	}
	c := &Client{
		options: s, log: s.Logger.With("component", "node"),
		head:   headCache{gate: newGate()},
		follow: make(chan followed, maxFollowed),
	}
	transports := newTransports(s.Transport)
	for _, text := range s.URLs {
		n, err := newEndpoint(text, transports)
		if err != nil {
			return nil, err
		}
		for _, other := range c.nodes {
			if other.url == n.url {
				return nil, fmt.Errorf("node address %q is listed twice", clip(text))
			}
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

// Run keeps the head fresh, looks after the health of the nodes, and sees accepted transactions
// into a block. It blocks until ctx ends and everything that it started has returned, and returns
// the cause of that.
func (c *Client) Run(ctx context.Context) error {
	c.running.Store(true)
	defer c.running.Store(false)
	var all sync.WaitGroup
	all.Go(func() { c.keepHead(ctx) })
	all.Go(func() { c.keepSurvey(ctx) })
	all.Go(func() { c.keepFollowing(ctx) })
	all.Wait()
	for _, n := range c.nodes {
		if t, ok := n.transport.(*http.Transport); ok && c.options.Transport == nil {
			t.CloseIdleConnections()
		}
	}
	return context.Cause(ctx)
}

// keepSurvey looks at every node now and then, so that failover finds nodes that are known to be
// good.
func (c *Client) keepSurvey(ctx context.Context) {
	for {
		c.survey(ctx)
		if !sleep(ctx, jitter(surveyEvery)) {
			return
		}
	}
}

func (c *Client) survey(ctx context.Context) {
	var all sync.WaitGroup
	for _, n := range c.nodes {
		if n.resting(time.Now()) || n.seenWithin(surveyEvery/2) && n.checkedWithin(checkChainEvery) {
			continue
		}
		all.Go(func() {
			if n.checkChain(ctx, c, checkChainEvery) == nil {
				c.observe(ctx, n)
			}
		})
	}
	all.Wait()
	c.markAstray()
}

// clip returns text of a node as one line that is fit for messages and logs.
func clip(text string) string { return plain.Line(text, 200) }
