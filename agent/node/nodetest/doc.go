// Package nodetest is a Hive API node for tests: any number of nodes that show the honest chain of
// package memchain, and each of them can misbehave.
//
// Start with [NewChain], AddAccount and [Chain.NewNode]; then [Transport] for an in-memory
// http.RoundTripper that works in testing/synctest bubbles, or [Node.Listen] for a server on
// loopback.
//
// A node that is left alone answers what is so. [Node.Fail] makes it fail at any point of a call;
// [Node.SetBehind], [Node.SetAhead], [Node.SetLonely] and [Node.SetChainID] make it lag, lie about
// the head, keep what it takes, or serve another chain. The chain itself stays honest, so that a
// test can ask it what really happened.
package nodetest
