package relay

import (
	"bytes"
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// headLines and headBytes bound the head of a connection's request: each line of it takes many
// times its bytes. A browser sends twenty lines. The HTTP server adds slackBytes to what it is
// told.
const (
	headLines  = 64
	headBytes  = 8 << 10
	slackBytes = 4 << 10
)

var errLongHead = errors.New("the head of the request has too many lines")

const (
	// spareConnections is how many connections may be open beside those of Limits.Connections: they
	// have not sent their HTTP request yet, or are being told that there is no place.
	spareConnections = 128
	// asking is how many connections may be at their HTTP request, in which each takes more memory
	// than later. Beyond, the one that has not sent its request for longest leaves.
	asking = 2 * spareConnections
)

// limited is a listener that closes at once the connections beyond the limits, so that idle ones
// cannot use up memory and files.
type limited struct {
	net.Listener
	relay *Relay

	mu   sync.Mutex
	open int
	from map[netip.Prefix]int // open ones, by who has them
	ask  list.List            // of *counted: those at their HTTP request, as they came
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := peerOf(conn.RemoteAddr().String())
		if l.enter(from) {
			c := &counted{Conn: conn, listener: l, from: from, ended: make(chan struct{})}
			if l.asks(c) {
				return c, nil
			}
			l.leave(from)
		}
		l.relay.count(func(c *Counters) { c.TurnedAway++ })
		conn.Close()
	}
}

// enter counts one more connection. It reports false if there is no place for it.
func (l *limited) enter(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limits := l.relay.options.Limits
	if l.open >= limits.Connections+spareConnections || from.IsValid() && l.from[from] >= limits.AddressConnections {
		return false
	}
	l.open++
	if from.IsValid() {
		if l.from == nil {
			l.from = map[netip.Prefix]int{}
		}
		l.from[from]++
	}
	return true
}

// asks notes a connection that will send its request, in the place of one that has not if need be.
// It reports false if there is none.
func (l *limited) asks(c *counted) bool {
	l.mu.Lock()
	var idle *counted
	if l.ask.Len() >= asking {
		e := l.ask.Front()
		for e != nil && e.Value.(*counted).asked.Load() {
			e = e.Next()
		}
		if e == nil {
			l.mu.Unlock()
			return false
		}
		idle = e.Value.(*counted)
	}
	c.place = l.ask.PushBack(c)
	l.mu.Unlock()
	if idle != nil {
		l.relay.count(func(c *Counters) { c.TurnedAway++ })
		idle.Close()
	}
	return true
}

// asksNoMore notes that the connection is past its request.
func (l *limited) asksNoMore(c *counted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != nil {
		l.ask.Remove(c.place)
		c.place = nil
	}
}

func (l *limited) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if !from.IsValid() {
		return
	}
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

// peerOf returns whose connections count together: those of an address, or of the 2^64 addresses of
// an IPv6 network, which one machine has. It is not valid for this machine: beside a wallet all
// applications and wallets have its address, and so has everybody behind a proxy on it.
func peerOf(address string) netip.Prefix {
	port, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip := port.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// counted is a connection that frees its place when it is closed, begins at the pace of its
// address, and ends if its request is too long. One goroutine at a time reads.
type counted struct {
	net.Conn
	listener *limited
	from     netip.Prefix
	once     sync.Once
	ended    chan struct{}
	begun    bool
	asked    atomic.Bool   // its request was read
	lines    int           // of its request, until then
	place    *list.Element // in listener.ask, whose lock guards it; nil once it is past its request
}

func (c *counted) Read(p []byte) (int, error) {
	if c.asked.Load() {
		return c.Conn.Read(p)
	}
	if !c.begun {
		c.begun = true
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if c.lines += bytes.Count(p[:n], []byte{'\n'}); c.lines > headLines {
		return 0, errLongHead
	}
	return n, err
}

// begin waits until one more connection of this address may begin.
func (c *counted) begin() error {
	r := c.listener.relay
	address, limits := r.paces.of(c.from), r.options.Limits
	if address == nil {
		return nil
	}
	wait := address.turn(limits.AddressFrames, limits.AddressFrames, connectionCost)
	if err := r.paces.late.pause(OfAddress, wait, c.ended); err != nil {
		return err
	}
	if limits.Frames == 0 {
		return nil
	}
	wait = r.paces.strangers.turn(limits.Frames, limits.Frames/10, connectionCost)
	return r.paces.late.pause(OfStrangers, wait, c.ended)
}

func (c *counted) Close() error {
	c.once.Do(func() {
		close(c.ended)
		c.listener.asksNoMore(c)
		c.listener.leave(c.from)
	})
	return c.Conn.Close()
}
