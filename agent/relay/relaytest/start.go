package relaytest

import (
	"pksa/agent/relay"
	"pksa/agent/relay/wire"
)

// The wires are those of package wire. Its types stand here too, so that a test needs one package.
type (
	// Server is a running relay.
	Server = wire.Server
	// Wire joins one client to the relay. Faults act on it.
	Wire = wire.Wire
	// Frame is one frame on its way.
	Frame = wire.Frame
	// Direction is where a frame goes.
	Direction = wire.Direction
	// Listener is a net.Listener in memory.
	Listener = wire.Listener
)

// The two ways through a wire.
const (
	ToRelay  = wire.ToRelay  // from a wallet or an application
	ToClient = wire.ToClient // from the relay
)

// Options are the inputs of Start.
type Options struct {
	Relay    relay.Options // as for relay.New
	Fault    Fault         // nil: a faithful wire
	Loopback bool          // listen on 127.0.0.1 and a free port instead of in memory
}

// Start runs a relay until it is closed.
func Start(o Options) (*Server, error) {
	return wire.Start(wire.Options{Relay: o.Relay, Carry: o.Fault, Loopback: o.Loopback})
}

// Listen makes a listener. It needs no network and no free port.
func Listen() *Listener { return wire.Listen() }
