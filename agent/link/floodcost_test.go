//go:build unix

package link_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/link"
	"pksa/protocol"
)

// floodFor is long in .ci/long. With zero, the test only shows that it works: for so short a time
// what a flood costs says nothing, and on a loaded machine less.
var floodFor = flag.Duration("floodfor", 0, "for how long TestFloodCost lets a relay flood, for each kind of frame")

// A relay that sends without end, as fast as it is read, costs a fifth of a core at most, at the
// default rate of the settings.
func TestFloodCost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures what a flood costs")
	}
	frames := map[string]string{"large messages": large(60_000), "larger messages": large(500_000)}
	for name, frame := range floods {
		frames[name] = frame
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			if name == "empty parts of a message" {
				frame = "\x01\x00" + strings.Repeat(frame, 20_000)
			}
			endless := &endless{frame: []byte(frame), over: make(chan struct{})}
			l, err := link.New(link.Options{URL: "ws://relay.test", Plaintext: true, DialContext: endless.DialContext,
				LinkRate: link.Rate{PerSecond: 500, Burst: 1000}, Handler: func(context.Context, link.Delivery) {}})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.SetAccounts(accounts("alice")); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			begun, used := time.Now(), processorTime(t)
			running.Go(func() { l.Run(ctx) })
			time.Sleep(max(*floodFor, 20*time.Millisecond))
			took, cost := time.Since(begun), processorTime(t)-used
			s := l.Status()
			close(endless.over) // or the link waits for its close frame
			cancel()
			running.Wait()
			share := cost.Seconds() / took.Seconds()
			t.Logf("%.3f of a core; %d frames in %s", share, s.Counters.Frames, took.Round(time.Millisecond))
			if *floodFor > 0 && (share > 0.2 || s.Counters.Frames < 100 && len(frame) < 1000) {
				t.Errorf("%s: %.2f of a core for %d frames", name, share, s.Counters.Frames)
			}
		})
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// large is a request of so many bytes.
func large(size int) string {
	m := request("alice", 1)
	m.Data = strings.Repeat("AAAA", size/4-100)
	frame, err := protocol.Encode(m)
	if err != nil {
		panic(err)
	}
	return string([]byte{0x81, 127, 0, 0, 0, 0, byte(len(frame) >> 24), byte(len(frame) >> 16), byte(len(frame) >> 8),
		byte(len(frame))}) + string(frame)
}

// endless is a relay that greets, gives its key, and then sends a frame again and again. It writes
// nothing itself: what is read is made at once, so that the cost is that of the reader.
type endless struct {
	frame []byte
	over  chan struct{} // closed when the relay hangs up
}

func (e *endless) DialContext(context.Context, string, string) (net.Conn, error) {
	return &endlessConn{endless: e, gone: make(chan struct{}), asked: make(chan struct{})}, nil
}

type endlessConn struct {
	net.Conn // nil: nothing else is called
	endless  *endless
	written  bytes.Buffer // of the link, until the upgrade
	before   []byte       // what is read before the flood
	at       int          // in the frame
	once     sync.Once
	closing  sync.Once
	asked    chan struct{} // closed when the upgrade was asked for
	gone     chan struct{}
}

func (c *endlessConn) Write(p []byte) (int, error) {
	select {
	case <-c.gone:
		return 0, net.ErrClosed
	case <-c.asked: // what the link says later does not matter
		return len(p), nil
	default:
	}
	c.written.Write(p)
	if bytes.HasSuffix(c.written.Bytes(), []byte("\r\n\r\n")) {
		c.once.Do(c.greet)
	}
	return len(p), nil
}

// greet answers the upgrade as websocket.Accept does, and sends what comes before the flood.
func (c *endlessConn) greet() {
	request, err := http.ReadRequest(bufio.NewReader(&c.written))
	if err != nil {
		panic(err)
	}
	ours, theirs := net.Pipe()
	replied := make(chan []byte)
	go func() {
		reply, _ := io.ReadAll(ours) // ends when the other end is closed
		replied <- reply
	}()
	answering := &hijacker{conn: theirs, br: bufio.NewReader(theirs), header: http.Header{}}
	ws, err := websocket.Accept(answering, request, nil)
	if err != nil {
		panic(err)
	}
	for _, m := range []protocol.Message{greeting, protocol.KeyAck{Key: relayKey}} {
		frame, err := protocol.Encode(m)
		if err != nil {
			panic(err)
		}
		if err := ws.Write(context.Background(), websocket.MessageText, frame); err != nil {
			panic(err)
		}
	}
	theirs.Close()
	c.before = <-replied
	ws.CloseNow()
	close(c.asked)
}

func (c *endlessConn) Read(p []byte) (n int, err error) {
	select {
	case <-c.gone:
		return 0, net.ErrClosed
	case <-c.asked:
	}
	select {
	case <-c.endless.over:
		return 0, io.EOF
	default:
	}
	n = copy(p, c.before)
	c.before = c.before[n:]
	for n < len(p) {
		k := copy(p[n:], c.endless.frame[c.at:])
		n, c.at = n+k, (c.at+k)%len(c.endless.frame)
	}
	select {
	case <-c.gone:
		return 0, net.ErrClosed
	default:
		return n, nil
	}
}

func (c *endlessConn) Close() error {
	c.closing.Do(func() { close(c.gone) })
	return nil
}

func (c *endlessConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *endlessConn) SetDeadline(time.Time) error      { return nil }
func (c *endlessConn) SetReadDeadline(time.Time) error  { return nil }
func (c *endlessConn) SetWriteDeadline(time.Time) error { return nil }
