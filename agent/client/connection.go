package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
	"pksa/protocol/seal"
)

const (
	greetTime = 10 * time.Second // for dialling and the relay's greeting (HAS §4.1)
	writeTime = 10 * time.Second // for one frame to be written
	nameTime  = 10 * time.Second // for the wait of a request to come
	pingEvery = 15 * time.Second
	pongTime  = 10 * time.Second
	maxEarly  = 64 // uuids whose answers are kept although no request has that name yet

	// earlyBytes is how many bytes their frames have at most, and one more frame.
	earlyBytes = 1 << 20

	// An answer may arrive a little after the request has expired at the relay (HAS §12). A wallet
	// that broadcasts answers later than others.
	grace     = 2 * time.Second
	graceSign = 10 * time.Second
)

// connection is one connection to the relay.
type connection struct {
	ws      *websocket.Conn
	timeout time.Duration // of requests, by the relay's greeting; 0 if it names none
	turn    chan struct{} // holds one token while somebody sends

	// Guarded by Client.mu.
	unnamed []*call                      // sent, in this order, and not yet named by a wait
	early   map[string][]protocol.Answer // answers that came before a call had their uuid
	held    int                          // bytes of their frames
	lost    bool                         // nothing is sent on it any more
}

// connect dials the relay and waits for its greeting.
func (c *Client) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	browser := &http.Client{
		Transport: &http.Transport{
			DialContext: c.options.dial, TLSClientConfig: c.options.TLS,
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		// A relay could lead out of TLS with a redirect.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ws, _, err := websocket.Dial(ctx, c.options.Relay, &websocket.DialOptions{HTTPClient: browser})
	if err != nil {
		return nil, fmt.Errorf("client: connecting to %s: %w", c.options.Relay, err)
	}
	ws.SetReadLimit(protocol.MaxFrame)
	timeout, err := greeting(ctx, ws)
	if err != nil {
		ws.CloseNow()
		return nil, fmt.Errorf("client: relay %s: %w", c.options.Relay, err)
	}
	return &connection{ws: ws, timeout: timeout, turn: make(chan struct{}, 1),
		early: make(map[string][]protocol.Answer)}, nil
}

// greeting reads the relay's first message and returns the lifetime of requests that it names.
func greeting(ctx context.Context, ws *websocket.Conn) (timeout time.Duration, err error) {
	_, frame, err := ws.Read(ctx)
	if err != nil {
		return 0, fmt.Errorf("waiting for its greeting: %w", err)
	}
	m, err := protocol.DecodeForApp(frame)
	if err != nil {
		return 0, fmt.Errorf("its first message: %w", err)
	}
	hello, ok := m.(protocol.Connected)
	if !ok {
		return 0, fmt.Errorf("its first message is %s, not connected", m.Cmd())
	}
	if hello.Protocol > 1 {
		return 0, fmt.Errorf("it speaks protocol %v, this client 1", hello.Protocol)
	}
	return time.Duration(hello.TimeoutSeconds) * time.Second, nil
}

// serve reads until the connection is lost, and beside that asks for the answers that an earlier
// connection did not bring.
func (c *Client) serve(ctx context.Context, conn *connection) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.done.Go(func() {
		c.attach(ctx, conn)
		cancel(keepAlive(ctx, conn.ws))
	})
	var err error
	for err == nil {
		var frame []byte
		if _, frame, err = conn.ws.Read(ctx); err == nil {
			err = c.handleFrame(conn, frame)
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause // a missing pong, or the end of the client, is what made reading fail
	}
	conn.ws.CloseNow()
	c.lose(conn)
	return err
}

// keepAlive pings until ctx ends or a pong does not come. A relay that is gone without closing the
// connection must be noticed while its requests can still be attached to another connection.
func keepAlive(ctx context.Context, ws *websocket.Conn) error {
	for sleep(ctx, pingEvery) {
		pong, cancel := context.WithTimeout(ctx, pongTime)
		err := ws.Ping(pong)
		cancel()
		if err != nil {
			return errors.New("the relay does not answer pings")
		}
	}
	return ctx.Err()
}

// attach asks for the answers of the requests that the relay has named on an earlier connection
// (HAS §4.6).
func (c *Client) attach(ctx context.Context, conn *connection) {
	c.mu.Lock()
	var open []protocol.UUID
	for _, waiting := range c.calls {
		if waiting.detached {
			open = append(open, waiting.id)
		}
	}
	c.mu.Unlock()
	for _, id := range open {
		frame, err := protocol.Encode(protocol.AttachReq{UUID: id})
		if err != nil || conn.write(ctx, frame) != nil {
			return // the reader sees that the connection is gone
		}
	}
}

func (conn *connection) write(ctx context.Context, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return conn.ws.Write(ctx, websocket.MessageText, frame)
}

// lose ends the requests that the relay has not named: nobody knows whether they arrived, and
// without a uuid nobody can ask. The others wait to be attached to the next connection. Who reads
// and who writes call it, whoever notices first.
func (c *Client) lose(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.lost {
		return // the requests may be attached to the next connection already
	}
	conn.lost = true
	if c.conn == conn {
		c.conn, c.failure = nil, nil
		close(c.changed)
		c.changed = make(chan struct{})
	}
	err := ErrLost
	if c.closed {
		err = ErrClosed
	}
	for len(conn.unnamed) > 0 {
		c.finishLocked(conn.headLocked(), err)
	}
	for _, waiting := range c.calls {
		waiting.detached = true
	}
}

// send builds a request and writes it while nobody else does: the order of nonces must be the order
// of frames, and so must be that of unnamed, by which waits find their requests.
func (c *Client) send(ctx context.Context, waiting *call, build func() (protocol.Request, error)) error {
	if wait := c.pace.take(timeNow(), c.options.PerSecond); wait > 0 && !sleep(ctx, wait) {
		return ctx.Err()
	}
	conn, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	select {
	case conn.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-conn.turn }()
	request, err := build()
	if err != nil {
		return err
	}
	if len(request.Data) > protocol.MaxSend {
		return fmt.Errorf("%w: %d bytes", protocol.ErrFrameTooLarge, len(request.Data))
	}
	frame, err := protocol.Encode(request)
	if err != nil {
		return err
	}
	payload, err := seal.Parse(request.Data)
	if err != nil {
		return err // unreachable: it was sealed by build
	}
	waiting.payload = payload.Digest()
	// Before the frame is written: its wait may come before the write returns.
	c.mu.Lock()
	if conn.lost {
		c.mu.Unlock()
		return ErrLost
	}
	conn.unnamed = append(conn.unnamed, waiting)
	waiting.nameTimer = time.AfterFunc(nameTime, func() {
		// Without this wait all later ones would name the wrong requests.
		c.log.Warn("the relay did not name a request", "kind", waiting.kind.String(), "account", waiting.account)
		conn.ws.CloseNow()
	})
	c.mu.Unlock()
	// Not under the caller's context: a write that is cut short ends the connection for all.
	if err := conn.write(context.WithoutCancel(ctx), frame); err != nil {
		conn.ws.CloseNow()
		// Now, and not when the reader notices: the next request must wait for the next connection.
		c.lose(conn)
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

// handleFrame handles one frame of the relay. Its error ends the connection. A frame that is not
// understood is ignored: a relay may be newer. It runs on the goroutine that reads, and never
// waits: answers are judged by those who asked.
func (c *Client) handleFrame(conn *connection, frame []byte) error {
	m, err := protocol.DecodeForApp(frame)
	if err != nil {
		c.log.Debug("frame of the relay ignored", "err", err)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.(type) {
	case protocol.Wait:
		return c.nameLocked(conn, m)
	case protocol.ErrorMessage:
		c.complainLocked(conn, m)
	case protocol.Answer:
		c.answerLocked(conn, m, len(frame))
	case protocol.AttachAck:
		// From now on silence means that nobody answered, and no longer that an answer was missed.
		if waiting := c.calls[m.UUID.Key()]; waiting != nil {
			waiting.detached = false
		}
	case protocol.AttachNack:
		// Only for a request that was asked for: a relay must not end any request by naming it.
		if waiting := c.calls[m.UUID.Key()]; waiting != nil && waiting.detached {
			c.finishLocked(waiting, fmt.Errorf("%w, or the relay has forgotten it, while the connection was lost",
				ErrExpired))
		}
	}
	return nil
}

// nameLocked assigns the uuid in a wait to the first request without one. A wait does not say which
// request it is for: order is all there is (HAS §4.3). Its error means that the order is lost, and
// with it every later wait.
func (c *Client) nameLocked(conn *connection, m protocol.Wait) error {
	if len(conn.unnamed) == 0 {
		return nil
	}
	waiting := conn.unnamed[0]
	if waiting.kind != m.Kind || m.Account != "" && m.Account != string(waiting.account) ||
		c.calls[m.UUID.Key()] != nil {
		return errors.New("the relay's waits do not fit the requests")
	}
	conn.headLocked()
	if waiting.finished {
		return nil // the caller has left; the wait was its own all the same
	}
	now := time.Now()
	waiting.id, waiting.expires = m.UUID, now.Add(lifetime(conn, m, now))
	c.calls[m.UUID.Key()] = waiting
	after := grace
	if m.Kind == protocol.Sign {
		after = graceSign
	}
	waiting.deadline = time.AfterFunc(waiting.expires.Sub(now)+after, func() { c.expire(waiting) })
	// Everything is set before the caller can see it. Answers that came first are handed over now.
	close(waiting.named)
	for _, answer := range conn.early[m.UUID.Key()] {
		c.answerLocked(conn, answer, 0)
	}
	delete(conn.early, m.UUID.Key())
	if len(conn.unnamed) == 0 { // no request can be what the others are about
		clear(conn.early)
		conn.held = 0
	}
	return nil
}

// headLocked removes the first request without a name.
func (conn *connection) headLocked() *call {
	waiting := conn.unnamed[0]
	conn.unnamed = conn.unnamed[1:]
	if waiting.nameTimer != nil {
		waiting.nameTimer.Stop()
	}
	return waiting
}

// lifetime returns how long the relay keeps the request, at most a day. The time in the greeting is
// a duration. That in the wait is an instant by the relay's clock, and is used only without the
// other.
func lifetime(conn *connection, m protocol.Wait, now time.Time) time.Duration {
	if conn.timeout > 0 {
		return min(conn.timeout, 24*time.Hour)
	}
	return min(max(time.UnixMilli(m.Expire).Sub(now), time.Second), 24*time.Hour)
}

// complainLocked takes an error of the relay for an answer to the first request without a wait: it
// can be about nothing else, and after the wait it means nothing (HAS §4.1).
func (c *Client) complainLocked(conn *connection, m protocol.ErrorMessage) {
	if len(conn.unnamed) == 0 {
		c.log.Debug("complaint of the relay", "text", quote(m.Text))
		return
	}
	waiting := conn.headLocked()
	c.finishLocked(waiting, &RelayError{Text: m.Text})
}

// answerLocked hands an answer over to the call with its uuid. It never waits: beyond maxAnswers it
// drops the answer. size is that of its frame.
func (c *Client) answerLocked(conn *connection, answer protocol.Answer, size int) {
	id := answer.RequestUUID()
	waiting := c.calls[id.Key()]
	if waiting == nil {
		// It may have come before its wait, but only if there is a request without one.
		early, known := conn.early[id.Key()]
		few := (known || len(conn.early) < maxEarly) && len(early) < maxAnswers && conn.held < earlyBytes
		if len(conn.unnamed) > 0 && few {
			conn.held += size
			conn.early[id.Key()] = append(early, answer)
		}
		return
	}
	select {
	case waiting.answers <- answer:
	default:
	}
}
