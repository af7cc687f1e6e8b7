package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// Client talks to one relay. Make one with [Dial], end it with [Client.Close]. All methods may be
// called concurrently.
type Client struct {
	options Options
	log     *slog.Logger
	stop    context.CancelFunc
	done    sync.WaitGroup
	wanted  chan struct{} // holds one token when somebody wants a connection

	mu        sync.Mutex
	closed    bool
	conn      *connection      // nil while there is none
	changed   chan struct{}    // closed, and made anew, when link or failure changes
	failure   error            // of the last attempt to connect
	acquiring int              // callers that wait for a connection
	calls     map[string]*call // named by the relay and not ended; by UUID.Key()
	sessions  map[hive.AccountName]*Session
}

// Dial connects to a relay. The context bounds the connecting only; the client lives until Close.
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

// Close ends the connection and everything that waits, with [ErrClosed]. It returns when all has
// ended.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	calls := make([]*call, 0, len(c.calls))
	for _, waiting := range c.calls {
		calls = append(calls, waiting)
	}
	c.mu.Unlock()
	for _, waiting := range calls {
		c.finish(waiting, ErrClosed)
	}
	c.stop()
	c.done.Wait()
	return nil
}

// keepConnected keeps a connection whenever somebody needs one: who wants to send, or a request
// that waits for its answer.
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

// setConnection tells everybody who waits that there is a connection, or why there is none.
func (c *Client) setConnection(conn *connection, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.failure = conn, err
	close(c.changed)
	c.changed = make(chan struct{})
}

// acquire returns the connection, waiting for one if need be. An attempt that fails while it waits
// is its answer.
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
		if err == nil && !c.closed && c.conn == nil && c.failure != nil {
			err = fmt.Errorf("%w: %w", ErrLost, c.failure)
		}
		if err != nil {
			return nil, err
		}
	}
}

// session returns the session that the client keeps for an account, or makes it.
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
	answers chan protocol.Answer // those under its uuid; judged by who asked
	ended   chan struct{}        // closed when no answer can come any more

	// Written before named is closed.
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

// maxAnswers bounds what is kept under one uuid until it is judged. There is one true answer; the
// rest is noise.
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
	err := ErrNobody
	if waiting.detached {
		err = fmt.Errorf("%w while the connection was lost", ErrExpired)
	}
	c.finishLocked(waiting, err)
}

// await gives the answers of a call to judge, one after the other, until judge accepts one (nil),
// or says that one decides the matter otherwise (any error but errIgnore), or the call ends.
func (c *Client) await(ctx context.Context, waiting *call, judge func(protocol.Answer) error) error {
	// Whoever waits again for the same request must not take its end for an approval.
	defer c.finish(waiting, errWaited)
	for {
		var answer protocol.Answer
		select {
		case answer = <-waiting.answers:
		default:
			select {
			case answer = <-waiting.answers:
			case <-waiting.ended:
				return waiting.err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := judge(answer)
		if !errors.Is(err, errIgnore) {
			return err
		}
		c.log.Warn("answer ignored", "kind", waiting.kind.String(), "account", waiting.account, "uuid",
			string(waiting.id), "err", err)
	}
}

// errWaited is what a request has to say that was waited for before.
var errWaited = errors.New("this request was waited for already")

// errIgnore marks an answer that anybody could have made: it decides nothing.
var errIgnore = errors.New("not from the wallet")

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
