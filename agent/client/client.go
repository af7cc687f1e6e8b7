package client

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// Client is an application's connection to one relay, made again when it is lost and somebody needs
// it. Make one with [Dial], end it with [Client.Close]. All methods may be called concurrently.
type Client struct {
	options Options
	log     *slog.Logger
	stop    context.CancelFunc
	done    sync.WaitGroup
	wanted  chan struct{} // holds one token when somebody wants a connection
	pace    pace

	mu        sync.Mutex
	closed    bool
	conn      *connection                   // nil while there is none
	changed   chan struct{}                 // closed, and made again, when conn or failure changes
	failure   error                         // of the last attempt to connect
	acquiring int                           // callers that wait for a connection
	calls     map[string]*call              // named by the relay and not ended; by UUID.Key()
	sessions  map[hive.AccountName]*Session // the newest of each account
}

// Dial connects to a relay and returns when it has greeted, after ten seconds at most. ctx bounds
// only that: the client lives until Close. The error says what is wrong with the options, or why
// the relay cannot be used.
func Dial(ctx context.Context, options Options) (*Client, error) {
	options, err := options.check()
	if err != nil {
		return nil, err
	}
	c := &Client{
		options: options, log: options.Logger,
		wanted:   make(chan struct{}, 1),
		changed:  make(chan struct{}),
		calls:    make(map[string]*call),
		sessions: make(map[hive.AccountName]*Session),
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.setConnection(conn, nil)
	c.done.Go(func() { c.keepConnected(running, conn) })
	return c, nil
}

// Close ends the connection, and every call that waits returns [ErrClosed]. It returns when all
// that the client started has ended. The error is always nil. It may be called more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	calls := make([]*call, 0, len(c.calls))
	for _, waiting := range c.calls {
		calls = append(calls, waiting)
	}
	c.mu.Unlock()
	// The calls first: ending the connection would have them return ErrLost.
	for _, waiting := range calls {
		c.finish(waiting, ErrClosed)
	}
	c.stop()
	c.done.Wait()
	return nil
}

// keepConnected keeps a connection while somebody needs one: a caller that sends, or a request that
// waits for its answer. Without need it does not connect again, so that an idle bot costs the relay
// nothing.
func (c *Client) keepConnected(ctx context.Context, conn *connection) {
	defer c.setConnection(nil, ErrClosed)
	for {
		err := c.serve(ctx, conn)
		if ctx.Err() != nil {
			return
		}
		c.log.Info("connection to the relay lost", "relay", c.options.Relay, "err", err)
		for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
			if !c.awaitNeed(ctx) {
				return
			}
			if conn, err = c.connect(ctx); err == nil {
				break
			}
			// Who waits is told each failed attempt; the pause is for the relay.
			c.setConnection(nil, err)
			if !sleep(ctx, pause/2+rand.N(pause)) {
				return
			}
		}
		c.log.Info("connected to the relay again", "relay", c.options.Relay)
		c.setConnection(conn, nil)
	}
}

// awaitNeed waits until a connection is needed. It returns false when the client is closed.
func (c *Client) awaitNeed(ctx context.Context) bool {
	for {
		c.mu.Lock()
		needed := c.acquiring > 0 || len(c.calls) > 0
		c.mu.Unlock()
		if needed {
			return true
		}
		select {
		case <-c.wanted:
		case <-ctx.Done():
			return false
		}
	}
}

// setConnection sets the connection, or the reason for which there is none, and wakes everybody who
// waits for one.
func (c *Client) setConnection(conn *connection, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.failure = conn, err
	close(c.changed)
	c.changed = make(chan struct{})
}

// acquire returns the connection and waits for one if there is none. If an attempt to connect fails
// meanwhile, it returns that error: the caller decides whether to try again.
func (c *Client) acquire(ctx context.Context) (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.closed {
			return nil, ErrClosed
		}
		if c.conn != nil {
			return c.conn, nil
		}
		// Counted before the lock is let go, so that keepConnected cannot miss it.
		c.acquiring++
		changed := c.changed
		c.mu.Unlock()
		signal(c.wanted)
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.mu.Lock()
		c.acquiring--
		// A connection that came and was lost again meanwhile leaves no failure: wait on.
		if err == nil && !c.closed && c.conn == nil && c.failure != nil {
			err = fmt.Errorf("%w: %w", ErrLost, c.failure)
		}
		if err != nil {
			return nil, err
		}
	}
}

// session returns the session that the client keeps for an account, and makes it if there is none.
func (c *Client) session(account hive.AccountName) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[account]
	if s == nil {
		s = NewSession(account, "")
		c.sessions[account] = s
	}
	return s
}

// keepSession makes the session the one of its account.
func (c *Client) keepSession(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[s.account] = s
}

// call is one request, from the moment it is sent.
type call struct {
	kind    protocol.Kind
	account hive.AccountName
	named   chan struct{}        // closed when the relay has named it
	answers chan protocol.Answer // those under its uuid; judged by the goroutine that asked
	ended   chan struct{}        // closed when no answer can come any more
	awaited atomic.Bool          // somebody has waited for it, or waits

	// Written before named is closed.
	payload [32]byte // digest of what the request says, sealed
	id      protocol.UUID
	expires time.Time

	// Guarded by Client.mu.
	err       error // why it ended
	finished  bool
	detached  bool        // the connection was lost, and the request is not attached to a new one
	nameTimer *time.Timer // ends the connection if the relay does not name the request
	deadline  *time.Timer // ends the request
}

func newCall(kind protocol.Kind, account hive.AccountName) *call {
	return &call{
		kind: kind, account: account,
		named: make(chan struct{}), answers: make(chan protocol.Answer, maxAnswers), ended: make(chan struct{}),
	}
}

// maxAnswers bounds the answers that are kept under one uuid until they are judged. There is one
// true answer; others are made by somebody else, or repeated.
const maxAnswers = 16

// finish ends a call, once.
func (c *Client) finish(waiting *call, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(waiting, err)
}

func (c *Client) finishLocked(waiting *call, err error) {
	if waiting.finished {
		return
	}
	waiting.finished, waiting.err = true, err
	if waiting.deadline != nil {
		waiting.deadline.Stop()
	}
	if waiting.id != "" {
		delete(c.calls, waiting.id.Key())
	}
	close(waiting.ended)
}

// expire ends a call whose time is over.
func (c *Client) expire(waiting *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// While the connection was lost an answer may have come and gone.
	err := ErrNobody
	if waiting.detached {
		err = fmt.Errorf("%w while the connection was lost", ErrExpired)
	}
	c.finishLocked(waiting, err)
}

// next returns the next answer of the call, or errSlow once when slow comes first. Answers that
// came before the call ended are returned before its end.
func (waiting *call) next(ctx context.Context, slow <-chan time.Time) (protocol.Answer, error) {
	select {
	case answer := <-waiting.answers:
		return answer, nil
	default:
	}
	select {
	case answer := <-waiting.answers:
		return answer, nil
	case <-waiting.ended:
		return nil, waiting.err
	case <-slow:
		return nil, errSlow
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pace spreads requests over time, and learns how many the wallet takes. The zero value has let
// none pass.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the last request would have been due, had there been no bursts
	rate float64   // requests a second; zero: not slowed down
}

// take takes the place of one request, and returns how long it must wait: a second's worth of them
// may pass at once.
func (p *pace) take(now time.Time, most float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 || p.rate > most {
		p.rate = most
	}
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	return p.next.Sub(now) - time.Second
}

// slower halves the rate, because the wallet was busy. Other applications may ask it, too.
func (p *pace) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = max(1, p.rate/2)
}

// faster raises the rate a little, because the wallet had time.
func (p *pace) faster() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate++
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
