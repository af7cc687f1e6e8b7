package main

import (
	"net"
	"sync"

	"pksa/protocol/host"
)

// Connections at once: of all, and of one address. A proxy on this machine speaks for all.
const (
	mostConns   = 256
	mostOfOne   = 32
	fromMachine = "this machine"
)

// bounded is a listener that closes what comes beyond its bounds. A browser tries again.
type bounded struct {
	net.Listener

	mu   sync.Mutex // guards what follows
	all  int
	from map[string]int
}

// Accept returns the next connection that has room.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err != nil || host.Loopback(from) {
			from = fromMachine
		}
		if b.enter(from) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { b.leave(from) })}, nil
		}
		_ = conn.Close()
	}
}

func (b *bounded) enter(from string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= mostConns || b.from[from] >= mostOfOne && from != fromMachine {
		return false
	}
	b.all++
	b.from[from]++
	return true
}

func (b *bounded) leave(from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.from[from]--; b.from[from] == 0 {
		delete(b.from, from)
	}
}

// counted is a connection that has a place.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection and gives its place back.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
