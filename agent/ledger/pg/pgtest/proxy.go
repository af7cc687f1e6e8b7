package pgtest

import (
	"net"
	"strconv"
	"sync"

	"pksa/agent/ledger/pg"
)

// Proxy stands between a client and a server, and can lose what passes.
type Proxy struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	ask     func() bool // nil: all passes
	answer  func() bool
	between []net.Conn
}

// Proxy returns the options with which a client reaches the server through a proxy.
func (s *Server) Proxy(o pg.Options) (*Proxy, pg.Options) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	p := &Proxy{listener: l, to: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))}
	go p.serve()
	s.t.Cleanup(func() { _ = l.Close(); p.Cut() })
	o.Address.Port = l.Addr().(*net.TCPAddr).Port
	return p, o
}

// Each calls ask before something of a client is passed on, and answer before something of the
// server is: false ends the connection instead. They may wait. nil: it passes.
func (p *Proxy) Each(ask, answer func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask, p.answer = ask, answer
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.between {
		_ = c.Close()
	}
	p.between = nil
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.between = append(p.between, client, server)
		p.mu.Unlock()
		go p.pass(client, server, func() func() bool { return p.ask })
		go p.pass(server, client, func() func() bool { return p.answer })
	}
}

func (p *Proxy) pass(from, to net.Conn, which func() func() bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		may := which()
		p.mu.Unlock()
		if may != nil && !may() {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
