// Package nodetest is a Hive API node for tests and demonstrations: a chain in memory, and any
// number of nodes that show it.
//
// Start at [NewChain], [Chain.AddAccount] and [Chain.NewNode]; then [Transport] for an in-memory
// http.RoundTripper that works in testing/synctest bubbles, or [Node.Listen] for a server on
// loopback.
//
// Transactions are really checked, in the order and with the error texts of hived 1.28 (tx §5.4):
// read as the node's own JSON reader does, with its five escapes and its count of braces; refused
// as duplicate; signatures recovered and held against authorities with the strict roles of hardfork
// 28, nested two deep; reference block; expiration of at most 24 hours; resource credits;
// custom_json per block; balances of transfers. Operations have no other effect.
//
// Blocks come every three seconds by time.Now, made when somebody looks, or by [Chain.Produce] on
// demand. There are no forks; a block becomes irreversible when [Options.IrreversibleLag] others
// follow.
//
// Each node can be made to fail at every point of a call, to lag behind, to lie about the head, and
// to serve another chain.
package nodetest
