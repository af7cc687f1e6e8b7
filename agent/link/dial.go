package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/outage"
	"pksa/protocol"
)

const (
	dialTimeout    = 15 * time.Second // name, TCP, TLS and the upgrade together
	maxReplyHeader = 64 << 10         // bytes of the HTTP reply to the upgrade
)

// dial makes a connection up to and including the WebSocket upgrade. Nothing that it starts
// outlives it, except the connection. Name and TCP have a limit of their own; slow is set if they
// took longer than dialShort.
func (l *Link) dial(ctx context.Context, limit time.Duration) (c *connection, slow bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	begun := time.Now()
	short, done := context.WithTimeout(ctx, limit)
	dialled, err := l.options.DialContext(short, "tcp", address(l.url))
	done()
	if err != nil {
		return nil, false, dialling(err)
	}
	slow = time.Since(begun) > dialShort
	raw := &closing{Conn: dialled, ended: make(chan struct{})}
	ws, err := l.upgrade(ctx, raw)
	if err != nil {
		raw.Close()
		return nil, slow, err
	}
	ws.SetReadLimit(protocol.MaxFrame) // a larger frame ends the connection before it is in memory
	return &connection{ws: ws, raw: raw, writing: make(chan struct{}, 1)}, slow, nil
}

func (l *Link) upgrade(ctx context.Context, raw *closing) (*websocket.Conn, error) {
	conn := net.Conn(raw)
	if l.url.Scheme == "wss" {
		secure := tls.Client(raw, l.tls())
		if err := secure.HandshakeContext(ctx); err != nil {
			switch late := context.Cause(ctx); {
			case late != nil: // that is why the connection was closed
				err = late
			case outage.Of(err) == outage.Other:
				err = outage.As(outage.TLS, err)
			}
			return nil, said{"TLS: " + strings.TrimPrefix(err.Error(), "tls: "), err}
		}
		conn = secure
	} else if !l.options.Plaintext && offLoopback(raw.RemoteAddr()) {
		return nil, outage.As(outage.Name,
			errors.New("dialling: the loopback name leads to another machine; without TLS that is not allowed"))
	}
	ws, response, err := websocket.Dial(ctx, l.url.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: oneRequest{conn, l, raw.ended}, CheckRedirect: noRedirect},
	})
	var asked *url.Error
	switch {
	case err == nil:
	case response == nil: // nothing came that has a status
		if errors.As(err, &asked) { // which names the address once more
			err = asked.Err
		}
	case response.StatusCode == http.StatusSwitchingProtocols: // and what it has with it is false
		err = outage.As(outage.Nonsense, err)
	default:
		err = outage.As(outage.OfStatus(response.StatusCode), newRefusal(response,
			fmt.Errorf("the answer to the upgrade has HTTP status %d, that of a relay has 101", response.StatusCode)))
	}
	return ws, err
}

// said is an error in other words than its own.
type said struct {
	text string
	error
}

func (s said) Error() string { return s.text }
func (s said) Unwrap() error { return s.error }

// dialling returns the error of a connection that was not made, which names once where to.
func dialling(err error) error {
	if outage.Of(err) == outage.Other {
		err = outage.As(outage.Connect, err)
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		return fmt.Errorf("dialling: %w", err)
	}
	text := "dialling"
	if op.Addr != nil {
		text += " " + op.Addr.String()
	}
	return said{text + ": " + op.Err.Error(), err}
}

func (l *Link) tls() *tls.Config {
	config := l.options.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	fill(&config.ServerName, l.url.Hostname())
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	return config
}

// noRedirect refuses to follow redirects: a relay could lead out of TLS with one.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// oneRequest carries the one HTTP request of an upgrade over a connection that exists already.
// http.Transport dials in a goroutine that can outlive the call, and reads the body of a refusal,
// which a relay may never end.
type oneRequest struct {
	conn  net.Conn
	link  *Link
	ended <-chan struct{} // closed when conn was closed
}

func (o oneRequest) RoundTrip(req *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(req.Context(), func() { o.conn.Close() })
	defer stop()
	if err := req.Write(o.conn); err != nil {
		return nil, fmt.Errorf("asking for the upgrade: %w", err)
	}
	limited := &io.LimitedReader{R: o.conn, N: maxReplyHeader}
	buffered := bufio.NewReader(limited)
	resp, err := http.ReadResponse(buffered, req)
	switch late := context.Cause(req.Context()); {
	case err != nil && late != nil: // that is why the connection was closed
		err = late
	case err != nil && limited.N <= 0:
		err = outage.As(outage.Nonsense, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the reply to the upgrade: %w", err)
	}
	if !stop() { // the context has ended: the connection is closed, or is about to be
		return nil, context.Cause(req.Context())
	}
	// The limit was for the header; frames have their own. What came behind the header may be in
	// the buffer already.
	limited.N = math.MaxInt64
	resp.Body = http.NoBody
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = &meter{Conn: o.conn, link: o.link, from: buffered, ended: o.ended}
	}
	return resp, nil
}
