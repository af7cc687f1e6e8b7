package node

import (
	"context"
	"errors"
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
	// checkChainEvery is the time between two questions of Run for the chain id of a node. After
	// staleChainCheck without an answer the node must be asked before it is used: longer, so that
	// no request has to wait for the question while Run asks in time.
	checkChainEvery = 10 * time.Minute
	staleChainCheck = 15 * time.Minute
	// surveyEvery is the time between two looks of Run at the heads of the nodes not in use.
	surveyEvery = 30 * time.Second
)

// ErrNoNode means that no node gave a usable answer. The error that holds it names the last reason.
var ErrNoNode = errors.New("no Hive API node gave a usable answer")

// Options are what [New] needs. URLs and Network must be set; zero values of the others take the
// defaults beside them.
type Options struct {
	// URLs are the nodes in order of preference, at least one: https, or http on loopback. No user,
	// query or fragment.
	URLs []string
	// List is the https address of a public node list, as JSON:
	// [{"endpoint":"https://…","score":100}, …]. Empty: none. While Run runs, up to eight nodes of
	// it stand behind those of URLs. Together they are one opinion.
	List string
	// Network is the chain. Nodes of another one are never used.
	Network *hive.Network
	// Transport makes the HTTP exchanges, concurrently. nil: a transport of the client's own, which
	// keeps connections alive and speaks TLS 1.2 or later.
	Transport http.RoundTripper
	// Logger gets a line when a node begins to fail and when it works again. nil: nothing is
	// logged.
	Logger *slog.Logger
	// UserAgent is the User-Agent of each request. Empty: "pksa".
	UserAgent string

	BroadcastTimeout time.Duration // for one attempt at one node; 10 s
	ReadTimeout      time.Duration // for one question to one node; 5 s
	PollEvery        time.Duration // between two refreshes of the head; 3 s (one block), and no less
	StaleAfter       time.Duration // age at which a head is no longer used; 30 s
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

// Client is a set of nodes that are asked one after the other. Its methods may be called
// concurrently. They work without [Client.Run], but then a call may have to wait for the check of a
// node's chain, and nobody looks after transactions that were accepted.
type Client struct {
	options    Options
	log        *slog.Logger
	transports transports
	named      atomic.Pointer[named]       // never nil; replaced as a whole
	listed     atomic.Pointer[[]*endpoint] // of named.list, never nil; replaced as a whole
	relist     chan struct{}               // holds one: named.list is to be read now
	listing    sync.Mutex                  // held while named or listed is replaced
	nextID     atomic.Uint64

	head headCache

	follow  chan followed // accepted transactions that Run watches until they are in a block
	running atomic.Bool   // whether Run receives from follow
}

// New returns a client of the nodes, or what is wrong with the options. It connects to nothing.
func New(o Options) (*Client, error) {
	o.setDefaults()
	if o.Network == nil {
		return nil, errors.New("nodes: no network is set")
	}
	c := &Client{
		options: o, log: o.Logger.With("component", "node"), relist: make(chan struct{}, 1),
		head:   headCache{gate: newGate()},
		follow: make(chan followed, maxFollowed),
	}
	c.transports = newTransports(o.Transport)
	c.listed.Store(new([]*endpoint))
	c.named.Store(&named{})
	first, err := c.name(o.URLs, o.List)
	if err != nil {
		return nil, err
	}
	c.named.Store(first)
	return c, nil
}

// Run keeps the head fresh, checks the nodes that are not in use, and watches accepted transactions
// until they are in a block. It blocks until ctx ends and everything that it started has returned,
// and returns the cause of ctx. One call at a time may run.
func (c *Client) Run(ctx context.Context) error {
	c.running.Store(true)
	defer c.running.Store(false)
	var all sync.WaitGroup
	all.Go(func() { c.keepHead(ctx) })
	all.Go(func() { c.keepSurvey(ctx) })
	all.Go(func() { c.keepFollowing(ctx) })
	all.Go(func() { c.keepList(ctx) })
	all.Wait()
	// Only connections of our own: a transport that was given belongs to the caller.
	for _, n := range c.all() {
		if t, ok := n.transport.(*http.Transport); ok && c.options.Transport == nil {
			t.CloseIdleConnections()
		}
	}
	return context.Cause(ctx)
}

// keepSurvey looks at every node now and then: when the node in use fails, the next one is known to
// be good already.
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
	for _, n := range c.all() {
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
