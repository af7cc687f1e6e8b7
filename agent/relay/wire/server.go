package wire

import (
	"context"
	"net"
	"net/http"
	"sync"

	"pksa/agent/relay"
)

// Options are the inputs of Start.
type Options struct {
	Relay relay.Options // as for relay.New
	// Carry decides about each frame. It passes the frame on, or something else, or nothing, by the
	// methods of the wire. It is called by one goroutine for each direction of each wire. If Carry
	// is nil, clients are connected to the relay itself.
	Carry    func(*Wire, Frame)
	Loopback bool // listen on 127.0.0.1 and a free port instead of in memory
}

// Server is a running relay. Its methods may be called concurrently.
type Server struct {
	// URL is the address of the relay, ws://…. In memory it is only a name; connect with
	// DialContext.
	URL string

	relay  *relay.Relay
	front  net.Listener // where clients come in
	memory *Listener    // front, or nil on loopback
	carry  func(*Wire, Frame)
	inner  *Listener // where the wires reach the relay
	web    *http.Server
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	fresh int // number of the next wire
	wires map[*Wire]struct{}
	ended bool
}

// Start runs a relay until Close.
func Start(o Options) (*Server, error) {
	r, err := relay.New(o.Relay)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{relay: r, carry: o.Carry, inner: Listen(), stop: stop, wires: make(map[*Wire]struct{})}
	if o.Loopback {
		s.front, err = net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, err
		}
	} else {
		s.memory = Listen()
		s.front = s.memory
	}
	s.URL = "ws://" + s.front.Addr().String()
	s.done.Go(func() { r.Serve(ctx, s.inner) })
	handler := http.Handler(r)
	if s.carry != nil {
		handler = http.HandlerFunc(s.serve)
	}
	s.web = &http.Server{Handler: handler}
	s.done.Go(func() { s.web.Serve(s.front) })
	return s, nil
}

// DialContext connects to the relay, whatever the address.
func (s *Server) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if s.memory != nil {
		return s.memory.DialContext(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", s.front.Addr().String())
}

// Relay returns the honest relay behind the wires.
func (s *Server) Relay() *relay.Relay { return s.relay }

// Cut breaks all connections that are open now, without a close frame. It needs [Options.Carry].
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.wires {
		w.Cut()
	}
}

// Close stops the relay and returns when everything has ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.web.Close()
	s.Cut()
	s.stop()
	s.done.Wait()
	s.relay.Close()
}
