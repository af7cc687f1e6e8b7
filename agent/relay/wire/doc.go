// Package wire runs the HAS relay of package relay on wires: whoever starts it sees each frame
// between the relay and its clients, and may keep it, send it again, or cut the connection.
//
// Start with [Start]: it serves a relay in memory, or on a loopback port, and [Server.DialContext]
// leads to it. In memory nothing touches the network, so a whole conversation runs inside a
// testing/synctest bubble, where a minute takes no time.
//
// The relay itself stays honest. [Options.Carry] stands between it and each client and decides
// about every frame; frames of one direction reach it in order, one at a time. Without it every
// frame passes unchanged. What a hostile relay does with frames is not here but in package
// relaytest.
package wire
