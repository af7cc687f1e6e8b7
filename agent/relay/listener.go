package relay

import (
	"net"
	"sync"
	"sync/atomic"
)

// spareConnections is how many connections may be open beside those of Limits.Connections: they
// have not sent their HTTP request yet, or are being told that there is no place.
const spareConnections = 128

// limited is a listener that closes at once the connections beyond the limit, so that idle ones
// cannot use up memory and files.
type limited struct {
	net.Listener
	relay *Relay
	open  atomic.Int64
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= int64(l.relay.options.Limits.Connections+spareConnections) {
			return &counted{Conn: conn, listener: l}, nil
		}
		l.open.Add(-1)
		l.relay.count(func(c *Counters) { c.TurnedAway++ })
		conn.Close()
	}
}

// counted is a connection that frees its place when it is closed.
type counted struct {
	net.Conn
	listener *limited
	once     sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.listener.open.Add(-1) })
	return c.Conn.Close()
}
