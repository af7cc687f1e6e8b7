package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"pksa/protocol/hive"
)

const (
	pingInterval   = 30 * time.Second
	pongTimeout    = 15 * time.Second
	writeTimeout   = 10 * time.Second // one frame
	messageTimeout = 30 * time.Second // from the first byte of a frame to its last
	closeTimeout   = 3 * time.Second  // our goodbye and the relay's
	settleTimeout  = 5 * time.Second  // calls of Handler after their context has ended
)

var (
	errClosed  = errors.New("closed by the relay")
	errSilent  = errors.New("no pong: the relay is silent")
	errStalled = errors.New("a frame began and did not end")
	errSlow    = errors.New("the relay does not take what is written to it")
)

// connection is one life of a link. After dial its fields do not change, save key, which is set
// before anybody else can see the connection.
type connection struct {
	ws      *websocket.Conn
	raw     net.Conn // under TLS and WebSocket: closing it frees whoever waits for the relay
	key     hive.PublicKey
	writing chan struct{} // holds the one writer's token

	done <-chan struct{}         // closed when the connection has failed or ended
	fail context.CancelCauseFunc // ends it; the first cause counts
}

// connect makes one connection and serves it until it ends. It returns when all that it started has
// returned.
func (l *Link) connect(ctx context.Context) (life, error) {
	l.recordAttempt()
	c, err := l.dial(ctx)
	if err != nil {
		return life{}, err
	}
	// The connection must outlive ctx by a goodbye.
	live, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	c.done, c.fail = live.Done(), fail

	var wg sync.WaitGroup
	wg.Go(func() { l.shutDown(ctx, live, c) })
	if err = l.hello(live, c); err == nil {
		l.beginServing(c)
		wg.Go(func() { c.keepAlive(live) })
		wg.Go(func() { l.register(live, c) })
		err = l.serve(ctx, live, c)
	}
	fail(err)
	wg.Wait()
	return l.recordEnd(), context.Cause(live)
}

// shutDown waits for the end of a connection and brings it about: at once when it has failed; in
// order when the link is told to stop.
func (l *Link) shutDown(ctx, live context.Context, c *connection) {
	select {
	case <-live.Done():
	case <-ctx.Done():
		l.finishCalls(live)
		// The library bounds its own waits, but not while it skips the rest of a frame.
		bound := time.AfterFunc(closeTimeout, func() { c.raw.Close() })
		c.ws.Close(websocket.StatusNormalClosure, "")
		bound.Stop()
	}
	c.raw.Close()
	c.ws.CloseNow()
}

// finishCalls stops taking requests and gives the calls of Handler, whose contexts have ended, a
// moment in which they may still answer.
func (l *Link) finishCalls(live context.Context) {
	bounded, cancel := context.WithTimeout(live, settleTimeout)
	defer cancel()
	l.Drain(bounded)
}

// keepAlive pings until the connection ends. A relay without pong is given up: TCP alone would
// notice a half-open connection after hours.
func (c *connection) keepAlive(live context.Context) {
	for sleep(live.Done(), nil, pingInterval) {
		bounded, cancel := context.WithTimeout(live, pongTimeout)
		err := c.ws.Ping(bounded)
		cancel()
		if err != nil {
			c.fail(errSilent)
			return
		}
	}
}

// read returns the next message. Only one goroutine at a time may read.
func (c *connection) read(live context.Context) (websocket.MessageType, []byte, error) {
	typ, r, err := c.ws.Reader(live)
	if err != nil {
		return 0, nil, ended(err)
	}
	bound := time.AfterFunc(messageTimeout, func() { c.fail(errStalled) })
	defer bound.Stop()
	frame, err := io.ReadAll(r)
	if err != nil {
		return 0, nil, ended(err)
	}
	return typ, frame, nil
}

// ended names the reason for which nothing more can be read.
func ended(err error) error {
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return fmt.Errorf("%w: %w", errClosed, closed)
	}
	return fmt.Errorf("reading: %w", err)
}

// send builds a frame and writes it as the only writer of the connection. build runs just before
// the frame leaves; its error is returned as it is and harms nothing. A write that takes too long
// ends the connection. ctx bounds the wait for the turn only: once begun, a frame is written to its
// end or the connection is lost.
func (c *connection) send(ctx context.Context, build func() ([]byte, error)) error {
	select {
	case c.writing <- struct{}{}:
	case <-c.done:
		return ErrNotConnected
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.writing }()
	frame, err := build()
	if err != nil {
		return err
	}
	bound := time.AfterFunc(writeTimeout, func() { c.fail(errSlow) })
	defer bound.Stop()
	if err := c.ws.Write(context.Background(), websocket.MessageText, frame); err != nil {
		c.fail(fmt.Errorf("writing: %w", err))
		return fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	return nil
}
