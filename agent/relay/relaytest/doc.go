// Package relaytest runs the HAS relay of package relay on a wire that misbehaves, for tests of
// wallets and applications, and in development to see what a hostile relay can do.
//
// Start with [Start]: it serves a relay in memory, or on a loopback port, and [Server.DialContext]
// leads to it. In memory nothing touches the network, so a whole conversation runs inside a
// testing/synctest bubble, where a minute takes no time.
//
// The relay itself stays honest. A [Fault] stands between it and each client and decides about
// every frame: [Script] applies named faults to chosen frames, [Adversary] picks faults by chance
// from a seed. A frame that no fault takes passes unchanged. Frames of one direction meet the fault
// in order, one at a time.
//
// [Wallet] is a small wallet that answers as a test tells it.
package relaytest
