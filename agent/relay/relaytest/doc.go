// Package relaytest runs the HAS relay of package relay on a wire that misbehaves, for tests of
// wallets and applications, and in development to see what a hostile relay can do.
//
// Start with [Start]: it serves a relay in memory, or on a loopback port, as package wire does, and
// DialContext of the server leads to it.
//
// The relay itself stays honest. A [Fault] stands between it and each client and decides about
// every frame: [Script] applies named faults to chosen frames, [Adversary] picks faults by chance
// from a seed. A frame that no fault takes passes unchanged. Frames of one direction meet the fault
// in order, one at a time.
//
// [Wallet] is a small wallet that answers as a test wants.
package relaytest
