package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/outage"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const (
	pingInterval   = 30 * time.Second
	pongTimeout    = 15 * time.Second
	writeTimeout   = 10 * time.Second // for one frame
	messageTimeout = 30 * time.Second // from the first byte of a frame to its last
	closeTimeout   = 3 * time.Second  // for our close frame and the relay's
	finishTimeout  = 5 * time.Second  // for calls of Handler to return after their context has ended
)

var (
	errClosed  = outage.As(outage.Closed, errors.New("closed by the relay"))
	errSilent  = outage.As(outage.Timeout, errors.New("no pong: the relay is silent"))
	errStalled = outage.As(outage.Timeout, errors.New("a frame began and did not end"))
	errSlow    = outage.As(outage.Timeout, errors.New("the relay does not take what is written to it"))
)

// keptBuffer is how large the buffer is at most that a connection keeps for its next frame. Few
// frames are larger. For those that are, largeBuffers has buffers of the largest size, until the
// garbage collector has not seen one used for a while.
const keptBuffer = 32 << 10

var largeBuffers sync.Pool

// connection is one connection of a link. Its fields do not change after dial, except asked, those
// of the goroutine that reads, and key, which is set before any other goroutine can see the
// connection.
type connection struct {
	ws      *websocket.Conn
	raw     net.Conn // under TLS and WebSocket: closing it ends every wait for the relay
	key     hive.PublicKey
	writing chan struct{} // holds one token while somebody writes
	asked   atomic.Bool   // we have sent a request of our own

	// Of the goroutine that reads.
	buffer []byte  // for the next frame
	large  *[]byte // of the last frame, if it was too large for buffer

	done <-chan struct{}         // closed when the connection has failed or ended
	fail context.CancelCauseFunc // ends the connection; the first cause counts
}

// connect makes one connection, with a limit for name and TCP, and serves it until it ends. It
// returns when everything that it started has returned.
func (l *Link) connect(ctx context.Context, limit time.Duration) (life, error) {
	l.recordAttempt()
	c, slow, err := l.dial(ctx, limit)
	if err != nil {
		return life{}, err
	}
	// The connection must outlive ctx by the last answers and the close frame.
	live, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	c.done, c.fail = live.Done(), fail

	// shutDown is started before anything waits for the relay: it is what ends such a wait.
	var wg sync.WaitGroup
	wg.Go(func() { l.shutDown(ctx, live, c) })
	if err = l.hello(live, c); err == nil {
		// Only now that the relay's key is known can answers use the connection. Registering runs
		// beside serving: a relay that is slow to acknowledge must not hold up requests.
		l.beginServing(c)
		wg.Go(func() { c.keepAlive(live) })
		wg.Go(func() { l.register(live, c) })
		err = l.serve(ctx, live, c)
	}
	// If a missing pong, a stalled frame or a slow write has ended the connection, that stays the
	// cause, and err is only its consequence. After the wait nothing of this connection can touch
	// the registry, which the next connection begins again.
	fail(err)
	wg.Wait()
	l.options.Keys.release(c.key, l, time.Now())
	how := l.recordEnd()
	how.slow = slow
	if errors.Is(context.Cause(live), errFlood) {
		how = life{} // however long it lasted: the pauses between floods grow
	}
	return how, context.Cause(live)
}

// shutDown waits until the connection has failed, and closes it at once, or until the link is told
// to stop, and closes it in order: first the calls of Handler, then a close frame.
func (l *Link) shutDown(ctx, live context.Context, c *connection) {
	select {
	case <-live.Done():
	case <-ctx.Done():
		// The calls first: their answers still need the connection.
		l.finishCalls(live)
		// The library bounds its own waits, except while it skips the rest of a frame, which a
		// relay can make last.
		bound := time.AfterFunc(closeTimeout, func() { c.raw.Close() })
		c.ws.Close(websocket.StatusNormalClosure, "")
		bound.Stop()
	}
	// The bare connection first: closing TLS and WebSocket writes, and a relay that does not read
	// would make that wait.
	c.raw.Close()
	c.ws.CloseNow()
}

// finishCalls stops taking requests, and waits a moment for the calls of Handler, whose contexts
// have ended: in this time they may still answer.
func (l *Link) finishCalls(live context.Context) {
	bounded, cancel := context.WithTimeout(live, finishTimeout)
	defer cancel()
	l.Drain(bounded)
}

// keepAlive pings until the connection ends, and ends it when a pong does not come: TCP alone
// notices a half-open connection after hours, and requests would wait as long.
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

// read returns the next message, which is valid until the next call: what a relay sends in a second
// would be garbage of many MiB. Only one goroutine at a time may read.
func (c *connection) read(live context.Context) (websocket.MessageType, []byte, error) {
	if c.large != nil { // before the wait, which may be long
		largeBuffers.Put(c.large)
		c.large = nil
	}
	typ, r, err := c.ws.Reader(live)
	if err != nil {
		return 0, nil, ended(err)
	}
	// Waiting for a frame is unbounded: a relay may have nothing to send. A frame that has begun
	// must end, or a relay could hold the memory of one for ever.
	bound := time.AfterFunc(messageTimeout, func() { c.fail(errStalled) })
	defer bound.Stop()
	frame, err := c.readAll(r)
	if err != nil {
		return 0, nil, ended(err)
	}
	return typ, frame, nil
}

func (c *connection) readAll(r io.Reader) (frame []byte, err error) {
	for frame = c.buffer[:0]; ; {
		if len(frame) == cap(frame) {
			frame = c.grow(frame)
		}
		n, err := r.Read(frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+n]
		if err == io.EOF {
			return frame, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// grow returns the beginning of a frame in a larger buffer.
func (c *connection) grow(frame []byte) []byte {
	if len(frame) < keptBuffer {
		c.buffer = make([]byte, max(512, 2*len(frame)))
		return append(c.buffer[:0], frame...)
	}
	if c.large, _ = largeBuffers.Get().(*[]byte); c.large == nil {
		// One byte more than a frame may have: the library ends the connection when it reads the
		// next.
		b := make([]byte, protocol.MaxFrame+1)
		c.large = &b
	}
	return append((*c.large)[:0], frame...)
}

// ended returns the reason for which nothing more can be read.
func ended(err error) error {
	if errors.Is(err, errFlood) {
		return errFlood
	}
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return fmt.Errorf("%w: %w", errClosed, closed)
	}
	if outage.Of(err) == outage.Other {
		err = outage.As(outage.Nonsense, err) // no frame, or one that is too large
	}
	root := err
	for next := root; next != nil; next = errors.Unwrap(next) {
		root = next // without what the library says on each of its floors
	}
	return said{"reading: " + root.Error(), err}
}

// send builds a frame and writes it as the only writer of the connection. build runs just before
// the frame is written; its error is returned as it is and does no harm. ctx bounds only the wait
// for the turn: a frame that has begun is written to its end, or the connection is lost. A write
// that takes too long ends the connection.
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
	// Not under the caller's context: the library ends the connection when that ends in the middle
	// of a frame, and one caller would end it for all.
	if err := c.ws.Write(context.Background(), websocket.MessageText, frame); err != nil {
		c.fail(fmt.Errorf("writing: %w", err))
		return fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	return nil
}
