package relay

import (
	"net"
	"net/netip"
	"sync"
)

// spareConnections is how many connections may be open beside those of Limits.Connections: they
// have not sent their HTTP request yet, or are being told that there is no place.
const spareConnections = 128

// limited is a listener that closes at once the connections beyond the limits, so that idle ones
// cannot use up memory and files.
type limited struct {
	net.Listener
	relay *Relay

	mu   sync.Mutex
	open int
	from map[netip.Prefix]int // open ones, by who has them
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := peerOf(conn.RemoteAddr())
		if l.enter(from) {
			return &counted{Conn: conn, listener: l, from: from}, nil
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
func peerOf(address net.Addr) netip.Prefix {
	port, err := netip.ParseAddrPort(address.String())
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

// counted is a connection that frees its place when it is closed.
type counted struct {
	net.Conn
	listener *limited
	from     netip.Prefix
	once     sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.listener.leave(c.from) })
	return c.Conn.Close()
}
