package service

import (
	"context"
	"net"
	"sync"
)

// ownDials dials for the links, and knows their connections by the address that they have on this
// side: that is how the relay of this process sees them. Its methods may be called concurrently.
type ownDials struct {
	mu   sync.Mutex
	open map[string]int
}

// dial connects to a relay.
func (d *ownDials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	from := conn.LocalAddr().String()
	d.count(from, 1)
	return &ownDial{Conn: conn, closed: sync.OnceFunc(func() { d.count(from, -1) })}, nil
}

func (d *ownDials) count(from string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]int{}
	}
	if d.open[from] += n; d.open[from] == 0 {
		delete(d.open, from)
	}
}

// mine reports whether a connection that comes from this address is one of them.
func (d *ownDials) mine(from string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open[from] > 0
}

// ownDial is a connection that is known until it is closed.
type ownDial struct {
	net.Conn
	closed func()
}

func (c *ownDial) Close() error {
	c.closed()
	return c.Conn.Close()
}
