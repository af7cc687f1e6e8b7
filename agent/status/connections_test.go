package status_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"pksa/agent/status"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	ended context.Context
	end   context.CancelFunc
}

func newPipes(t *testing.T) *pipes {
	p := &pipes{conns: make(chan net.Conn)}
	p.ended, p.end = context.WithCancel(t.Context())
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.ended.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.end(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects, and reports later whether the other end has closed.
func (p *pipes) dial() (conn net.Conn, closed func() bool) {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	over := make(chan struct{})
	return ours, func() bool {
		select {
		case <-over:
			return true
		default:
		}
		go func() {
			if _, err := ours.Read(make([]byte, 1)); err != nil {
				close(over)
			}
		}()
		synctest.Wait()
		select {
		case <-over:
			return true
		default:
			return false
		}
	}
}

// Connections that say nothing keep no monitor out: beyond the bound the one leaves that has been
// silent longest.
func TestConnectionsAreBounded(t *testing.T) {
	const most = 64
	for _, n := range []int{most - 2, most - 1, most, most + 5} { // beside the monitor's
		synctest.Test(t, func(t *testing.T) {
			p := newPipes(t)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") })
			go func() { done <- status.Serve(ctx, p, h) }()
			var silent []func() bool
			for range n {
				conn, closed := p.dial()
				defer conn.Close()
				silent = append(silent, closed)
			}
			monitor, _ := p.dial()
			defer monitor.Close()
			go io.WriteString(monitor, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			answer, err := http.ReadResponse(bufio.NewReader(monitor), nil)
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("beside %d connections: %v, %v", n, answer, err)
			}
			left := 0
			for i, closed := range silent {
				if closed() {
					left++
				} else if i < n+1-most {
					t.Errorf("beside %d, connection %d stays", n, i)
				}
			}
			if left != max(n+1-most, 0) {
				t.Errorf("of %d connections %d had to leave", n+1, left)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// When all connections have a request under way, it is the new one that leaves.
func TestConnectionsAtWork(t *testing.T) {
	const most = 64
	synctest.Test(t, func(t *testing.T) {
		p := newPipes(t)
		ctx, cancel := context.WithCancel(t.Context())
		done, release := make(chan error), make(chan struct{})
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { <-release; io.WriteString(w, "served") })
		go func() { done <- status.Serve(ctx, p, h) }()
		var working []net.Conn
		for range most {
			conn, _ := p.dial()
			defer conn.Close()
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			working = append(working, conn)
		}
		synctest.Wait()
		if _, closed := p.dial(); !closed() {
			t.Error("one connection more stays")
		}
		close(release)
		for i, conn := range working {
			if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil ||
				answer.StatusCode != http.StatusOK {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
