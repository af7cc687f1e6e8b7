package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"pksa/protocol/hive"
)

const (
	// maxAstray is how far the head time of a node may be from that of others. Public nodes behind
	// caches are easily two blocks (6 s) apart.
	maxAstray = 30 * time.Second
	// opinionFor is the age up to which the head of a node counts when other heads are judged.
	opinionFor = 90 * time.Second
	// referenceFor is how long a reference block is used. It stays good for two days, but a false
	// one of a node that lied should not be used for long.
	referenceFor = 30 * time.Second
	// reservedSize is how many bytes of a block the chain keeps for itself (tx §2.6).
	reservedSize = 256
	// shortestBlock and longestBlock are the bounds of the block size in bytes that a node is
	// believed. The chain takes no vote of witnesses for less than the first.
	shortestBlock = 64 << 10
	longestBlock  = 8 << 20
)

// ErrStale means that there is no head to build on: none could be fetched for a while, it does not
// advance, or the nodes disagree about it.
var ErrStale = errors.New("no current head of the chain is known")

// Head is the head of the chain as far as a transaction is built on it.
type Head struct {
	RefBlockNum    uint16    // of the block before the last irreversible one (tx §2.2)
	RefBlockPrefix uint32    // of the same block
	Number         uint32    // of the head block
	Time           hive.Time // of the head block, up to three seconds and what caches add behind the chain's present
	At             time.Time // when the head was fetched
	// MaxTransactionSize is the largest transaction in bytes, signatures included; 0 = unknown.
	MaxTransactionSize int
	Node               string // address of the node that gave it
}

// ChainTime returns the time of the chain at now: that of the head block and what has passed since
// it was fetched.
func (h Head) ChainTime(now time.Time) time.Time { return h.Time.Time().Add(age(now, h.At)) }

// age returns the time since at by the clock that went further: the monotonic clock stops while the
// machine sleeps, and the wall clock can be set back.
func age(now, at time.Time) time.Duration {
	return max(now.Sub(at), now.Round(0).Sub(at.Round(0)), 0)
}

// sighting is the head of a node as the node described it.
type sighting struct {
	number, irreversible uint32
	time                 hive.Time
	at                   time.Time // when it was said
	since                time.Time // when the number was seen first at this node
	maxSize              int
}

// chainTime returns the time of the chain at now, by this head.
func (s *sighting) chainTime(now time.Time) time.Time { return s.time.Time().Add(age(now, s.at)) }

// headCache holds the head in use.
type headCache struct {
	gate gate // held while a head is fetched

	mu   sync.Mutex
	head Head // zero: none yet
	ref  reference
}

// reference is a reference block.
type reference struct {
	num    uint16
	prefix uint32
	from   *endpoint // the node that gave it; nil: fetch another one
	at     time.Time // when
}

func (h *headCache) get() Head {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

// dropReference makes the next refresh fetch another one.
func (h *headCache) dropReference() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ref.from = nil
}

// Head returns the head to build on: at once while [Client.Run] keeps it fresh, else after fetching
// it within ctx. The error holds [ErrStale]. Calls that come together fetch once.
func (c *Client) Head(ctx context.Context) (Head, error) {
	if head, ok := c.freshHead(); ok {
		return head, nil
	}
	if err := c.head.gate.enter(ctx); err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrStale, err)
	}
	defer c.head.gate.leave()
	if head, ok := c.freshHead(); ok { // whoever held the gate before has fetched it
		return head, nil
	}
	return c.refresh(ctx)
}

// Newest returns the newest head that is known, also if it is too old to build on, and false if
// there is none. It asks nobody.
func (c *Client) Newest() (Head, bool) {
	head := c.head.get()
	return head, head.Number > 0
}

// Standing returns the head that [Client.Head] would return at once. The error holds [ErrStale]: a
// call of Head would have to ask a node first. It asks nobody.
func (c *Client) Standing() (Head, error) {
	if head, ok := c.freshHead(); ok {
		return head, nil
	}
	if head, ok := c.Newest(); ok {
		return Head{}, fmt.Errorf("%w: the newest one was read at %s", ErrStale, head.At.UTC().Format(time.RFC3339))
	}
	return Head{}, fmt.Errorf("%w: no node has told one yet", ErrStale)
}

func (c *Client) freshHead() (Head, bool) {
	head := c.head.get()
	return head, head.Number > 0 && age(time.Now(), head.At) < c.options.StaleAfter
}

// chainNow returns the time of the chain as far as it is known, else that of our own clock.
func (c *Client) chainNow() time.Time {
	now := time.Now()
	if head := c.head.get(); head.Number > 0 {
		return head.ChainTime(now)
	}
	return now
}

// keepHead refreshes the head until ctx ends, less and less often while that fails.
func (c *Client) keepHead(ctx context.Context) {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(c.options.PollEvery),
		backoff.WithMaxInterval(max(c.options.StaleAfter/2, c.options.PollEvery)),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0.2),
	)
	failing := false // one line of the log when it begins, one when it ends
	for {
		next := jitter(c.options.PollEvery)
		switch err := c.refreshAlone(ctx); {
		case err == nil:
			if failing {
				c.log.Info("head of the chain is known again")
			}
			failing = false
			pause.Reset()
		case ctx.Err() == nil:
			if !failing {
				c.log.Warn("head of the chain is not refreshed", "err", err)
			}
			failing = true
			next = max(pause.NextBackOff(), c.options.PollEvery)
		}
		if !sleep(ctx, next) {
			return
		}
	}
}

func (c *Client) refreshAlone(ctx context.Context) error {
	if err := c.head.gate.enter(ctx); err != nil {
		return err
	}
	defer c.head.gate.leave()
	_, err := c.refresh(ctx)
	return err
}

// refresh fetches a head from the first node that is trusted and caches it. Where the node and our
// clock agree, one question is enough; where they do not, the other nodes are asked too. Callers
// hold the gate.
func (c *Client) refresh(ctx context.Context) (Head, error) {
	reason := ErrNoNode
	var seen []*endpoint
	for _, n := range c.candidates() {
		if err := c.observe(ctx, n); err != nil {
			reason = fmt.Errorf("%s: %w", n.host, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if c.trusted(n, false) {
			head, err := c.adopt(ctx, n)
			if err == nil {
				return head, nil
			}
			reason = err
		}
		seen = append(seen, n)
	}
	// The clock and the first nodes disagreed. Now every node has given its head, and each is
	// judged again with all votes there are.
	for _, n := range seen {
		if !c.trusted(n, true) {
			reason = fmt.Errorf("%s: its head does not advance, or is away from that of others", n.host)
			continue
		}
		head, err := c.adopt(ctx, n)
		if err == nil {
			return head, nil
		}
		reason = err
	}
	return Head{}, fmt.Errorf("%w: %w", ErrStale, reason)
}

// observe asks a node for its head.
func (c *Client) observe(ctx context.Context, n *endpoint) error {
	raw, err := c.ask(ctx, n, query{method: "condenser_api.get_dynamic_global_properties", params: []byte("[]")})
	if err != nil {
		return err
	}
	s, err := readSighting(raw)
	if err != nil {
		var untrue *untrueError
		if errors.As(err, &untrue) {
			c.blame(n.host, untrue.what)
		}
		return c.malformed(n, err.Error())
	}
	s.at = time.Now()
	s.since = s.at
	n.mu.Lock()
	defer n.mu.Unlock()
	// Behind one address there may be several machines and caches: a head that is a little older
	// than the last one is no progress.
	if old := n.seen; old != nil && s.number <= old.number && old.number-s.number < 20 {
		s.since = old.since
	}
	n.seen = s
	return nil
}

func readSighting(raw []byte) (*sighting, error) {
	var p struct {
		Number       uint32 `json:"head_block_number"`
		ID           string `json:"head_block_id"`
		Time         string `json:"time"`
		Irreversible uint32 `json:"last_irreversible_block_num"`
		MaxSize      *int64 `json:"maximum_block_size"`
	}
	if err := unmarshal(raw, &p); err != nil {
		return nil, errors.New("global properties do not have the expected form")
	}
	at, err := hive.ParseTime(p.Time)
	if err != nil {
		return nil, errors.New("global properties have no time")
	}
	// Only the form is checked here: the number must stand in the id.
	if _, _, err := hive.ReferenceBlock(p.Number, p.ID); err != nil {
		return nil, fmt.Errorf("global properties: %v", err)
	}
	if p.Irreversible < 2 || p.Irreversible > p.Number {
		return nil, fmt.Errorf("global properties: block %d irreversible at head %d", p.Irreversible, p.Number)
	}
	s := &sighting{number: p.Number, irreversible: p.Irreversible, time: at}
	// Without a size the transaction is not measured before it is sent. An impossible one would
	// have every transaction refused here: the node lies, and nothing else that it says is used.
	if p.MaxSize != nil {
		if *p.MaxSize < shortestBlock || *p.MaxSize > longestBlock {
			return nil, &untrueError{fmt.Sprintf("gave blocks of %d bytes, which the chain cannot have", *p.MaxSize)}
		}
		s.maxSize = int(*p.MaxSize) - reservedSize
	}
	return s, nil
}

// trusted reports whether the head of the node advances and a majority agrees with its time. Every
// node whose head was fetched lately has a vote, and so has our own clock, which decides ties.
//
// last is true when no more votes can be had. Before that a majority against the clock counts only
// if all nodes have voted, or four of them. In the last vote the only node there is wins against
// the clock: the caller compares the two before it signs anything.
func (c *Client) trusted(n *endpoint, last bool) bool {
	now := time.Now()
	n.mu.Lock()
	seen := n.seen
	n.mu.Unlock()
	if seen == nil || age(now, seen.since) >= c.options.StaleAfter {
		return false
	}
	at := seen.chainTime(now)
	clock := at.Sub(now).Abs() <= maxAstray
	voters, agree := 2, 1 // the node, which agrees with itself, and the clock
	if clock {
		agree++
	}
	for _, other := range c.named.Load().nodes { // those of the list have no vote
		if opinion, ok := other.opinion(now); ok && other != n {
			voters++
			if at.Sub(opinion).Abs() <= maxAstray {
				agree++
			}
		}
	}
	switch {
	case clock:
		return 2*agree >= voters
	case last:
		return 2*agree > voters || voters == 2
	}
	return 2*agree > voters && voters >= min(len(c.named.Load().nodes)+1, 5)
}

// opinion returns the time of the chain by the node's head, if that was fetched lately.
func (n *endpoint) opinion(now time.Time) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.chain != chainOurs || n.seen == nil || age(now, n.seen.at) > opinionFor {
		return time.Time{}, false
	}
	return n.seen.chainTime(now), true
}

// adopt makes the node's head the one in use.
func (c *Client) adopt(ctx context.Context, n *endpoint) (Head, error) {
	n.mu.Lock()
	seen := n.seen
	n.mu.Unlock()
	if seen == nil { // the node turned out to serve another chain meanwhile
		return Head{}, errOtherChain
	}
	// A head without a reference is of no use, so both are stored together, or neither.
	ref, err := c.reference(ctx, n, seen.irreversible)
	if err != nil {
		return Head{}, fmt.Errorf("%s: %w", n.host, err)
	}
	head := Head{
		RefBlockNum: ref.num, RefBlockPrefix: ref.prefix,
		Number: seen.number, Time: seen.time, At: seen.at, MaxTransactionSize: seen.maxSize, Node: n.url,
	}
	c.head.mu.Lock()
	c.head.head, c.head.ref = head, ref
	c.head.mu.Unlock()
	c.markAstray()
	return head, nil
}

// reference returns the block before the irreversible one, from the cache if it was fetched lately
// from a node that is still trusted.
func (c *Client) reference(ctx context.Context, n *endpoint, irreversible uint32) (reference, error) {
	c.head.mu.Lock()
	ref := c.head.ref
	c.head.mu.Unlock()
	if ref.from != nil && age(time.Now(), ref.at) < referenceFor && (ref.from == n || c.trusted(ref.from, true)) {
		return ref, nil
	}
	// The header of a block names the id of the block before it, in which the prefix stands.
	header, err := c.header(ctx, n, irreversible)
	if err != nil {
		return reference{}, err
	}
	num, prefix, err := hive.ReferenceBlock(irreversible-1, header.previous)
	if err != nil {
		return reference{}, c.malformed(n, err.Error())
	}
	return reference{num: num, prefix: prefix, from: n, at: time.Now()}, nil
}

type blockHeader struct {
	previous string
	time     hive.Time
}

func (c *Client) header(ctx context.Context, n *endpoint, number uint32) (blockHeader, error) {
	params := strconv.AppendUint([]byte("["), uint64(number), 10)
	raw, err := c.ask(ctx, n, query{method: "condenser_api.get_block_header", params: append(params, ']')})
	if err != nil {
		return blockHeader{}, err
	}
	var h struct {
		Previous string `json:"previous"`
		Time     string `json:"timestamp"`
	}
	if err := unmarshal(raw, &h); err != nil {
		return blockHeader{}, c.malformed(n, "block header does not have the expected form")
	}
	at, err := hive.ParseTime(h.Time)
	if err != nil {
		return blockHeader{}, c.malformed(n, "block header has no time")
	}
	return blockHeader{previous: h.Previous, time: at}, nil
}

// markAstray records which nodes have a head that differs from the one in use.
func (c *Client) markAstray() {
	head := c.head.get()
	if head.Number == 0 {
		return
	}
	now := time.Now()
	chain := head.ChainTime(now)
	for _, n := range c.all() {
		n.mu.Lock()
		was := n.astray
		var off time.Duration
		if n.seen != nil {
			off = n.seen.chainTime(now).Sub(chain)
			n.astray = off.Abs() > maxAstray || age(now, n.seen.since) >= c.options.StaleAfter && age(now,
				n.seen.at) < c.options.StaleAfter
		}
		is := n.astray
		n.mu.Unlock()
		if is && !was {
			c.log.Warn("head of a node is astray", "node", n.url, "off", off.Round(time.Second))
		}
	}
}
