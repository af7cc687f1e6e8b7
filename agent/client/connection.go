package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol"
)

const (
	greetTime = 10 * time.Second // for connected to come (HAS §4.1)
	writeTime = 10 * time.Second // for one frame to be taken
	nameTime  = 10 * time.Second // for the wait of a request to come
	pingEvery = 15 * time.Second
	pongTime  = 10 * time.Second
	maxEarly  = 64 // answers kept that came before their wait

	// An answer may arrive a little after the request has expired at the relay (HAS §12).
	grace     = 2 * time.Second
	graceSign = 10 * time.Second
)

// connection is one connection to the relay.
type connection struct {
	ws      *websocket.Conn
	timeout time.Duration // of requests, as connected says; 0 if it does not
	turn    chan struct{} // holds one token while somebody sends: order of sending is order of waits

	// Guarded by Client.mu.
	unnamed []*call                      // sent, in order, and without a wait so far
	early   map[string][]protocol.Answer // answers without a call so far
	lost    bool
}

// connect dials and waits for connected.
func (c *Client) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	browser := &http.Client{
		Transport: &http.Transport{
			DialContext: c.options.DialContext, TLSClientConfig: c.options.TLS,
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		// A relay cannot send us elsewhere, least of all out of TLS.
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

// serve reads until the connection is lost, after asking for the answers that an earlier one still
// owes.
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
		err = cause
	}
	conn.ws.CloseNow()
	c.lose(conn)
	return err
}

// keepAlive finds out when the other end is gone without a word, early enough to attach elsewhere.
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

// attach asks for the answers of all requests that the relay has named (HAS §4.6).
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

// lose ends the requests that the relay never named: nobody knows whether they arrived. The others
// wait for attach.
func (c *Client) lose(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
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

// send builds a request and puts it on the wire while nobody else does, so that the order of nonces
// and of waits is the order of frames.
func (c *Client) send(ctx context.Context, waiting *call, build func() (protocol.Request, error)) error {
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
	c.mu.Lock()
	if conn.lost {
		c.mu.Unlock()
		return ErrLost
	}
	conn.unnamed = append(conn.unnamed, waiting)
	waiting.nameTimer = time.AfterFunc(nameTime, func() {
		// Without this wait all later ones would be taken for those of other requests.
		c.log.Warn("the relay did not name a request", "kind", waiting.kind.String(), "account", waiting.account)
		conn.ws.CloseNow()
	})
	c.mu.Unlock()
	// Not under the caller's context: a write that is cut short ends the connection for everybody.
	if err := conn.write(context.WithoutCancel(ctx), frame); err != nil {
		conn.ws.CloseNow()
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

// handleFrame handles one frame of the relay. An error ends the connection.
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
		c.answerLocked(conn, m)
	case protocol.AttachAck:
		if waiting := c.calls[m.UUID.Key()]; waiting != nil {
			waiting.detached = false
		}
	case protocol.AttachNack:
		if waiting := c.calls[m.UUID.Key()]; waiting != nil && waiting.detached {
			c.finishLocked(waiting, fmt.Errorf("%w, or the relay has forgotten it, while the connection was lost",
				ErrExpired))
		}
	}
	return nil
}

// nameLocked gives the first request without a name its name. Order is all there is to go by (HAS
// §4.3).
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
		return nil // who asked has left
	}
	now := time.Now()
	waiting.id, waiting.expires = m.UUID, now.Add(lifetime(conn, m, now))
	c.calls[m.UUID.Key()] = waiting
	after := grace
	if m.Kind == protocol.Sign {
		after = graceSign
	}
	waiting.deadline = time.AfterFunc(waiting.expires.Sub(now)+after, func() { c.expire(waiting) })
	close(waiting.named)
	for _, answer := range conn.early[m.UUID.Key()] {
		c.answerLocked(conn, answer)
	}
	delete(conn.early, m.UUID.Key())
	return nil
}

// headLocked takes the first request without a name.
func (conn *connection) headLocked() *call {
	waiting := conn.unnamed[0]
	conn.unnamed = conn.unnamed[1:]
	if waiting.nameTimer != nil {
		waiting.nameTimer.Stop()
	}
	return waiting
}

// lifetime is how long the relay keeps the request. What connected says needs no agreement of
// clocks; the expire of the wait does, and is taken only without it.
func lifetime(conn *connection, m protocol.Wait, now time.Time) time.Duration {
	if conn.timeout > 0 {
		return min(conn.timeout, 24*time.Hour)
	}
	return min(max(time.UnixMilli(m.Expire).Sub(now), time.Second), 24*time.Hour)
}

// complainLocked takes an error as the answer to the first request that has no wait; there is
// nothing else it could be about, and after the wait it means nothing (HAS §4.1).
func (c *Client) complainLocked(conn *connection, m protocol.ErrorMessage) {
	if len(conn.unnamed) == 0 {
		c.log.Debug("complaint of the relay", "text", quote(m.Text))
		return
	}
	waiting := conn.headLocked()
	c.finishLocked(waiting, &RelayError{Text: m.Text})
}

func (c *Client) answerLocked(conn *connection, answer protocol.Answer) {
	id := answer.RequestUUID()
	waiting := c.calls[id.Key()]
	if waiting == nil {
		// It may have come before its wait. Only a request that has no wait yet can still want it.
		if len(conn.unnamed) > 0 && len(conn.early) < maxEarly && len(conn.early[id.Key()]) < maxAnswers {
			conn.early[id.Key()] = append(conn.early[id.Key()], answer)
		}
		return
	}
	select {
	case waiting.answers <- answer:
	default:
	}
}
