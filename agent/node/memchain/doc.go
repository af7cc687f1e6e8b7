// Package memchain is a Hive blockchain in memory and Hive API nodes that show it, for
// demonstrations and development.
//
// Start with [NewChain], [Chain.AddUser] and [Chain.NewNode]; [Listen] serves a node on loopback.
//
// The chain is honest: what its nodes answer is so, each transaction that they take comes into the
// next block, and nothing fails on purpose. Package nodetest builds nodes that lag, lie and fail on
// it; they answer from a [State] that they have changed.
//
// Transactions are really checked, in the order and with the error texts of hived 1.28 (tx §5.4):
// read as the node's own JSON reader does, with its five escapes and its count of braces; refused
// as duplicate; signatures recovered and compared with authorities by the strict roles of hardfork
// 28, with weights, accounts nested two deep, and limits of look-ups and members; reference block;
// expiration of at most 24 hours; resource credits; custom_json per block; balances of transfers.
// Operations have no other effect.
//
// Blocks come every three seconds by time.Now, made when somebody looks, or by [Chain.Produce] on
// demand. There are no forks; a block becomes irreversible when [Options.IrreversibleLag] others
// follow.
//
// The keys of [Key] stand in plain sight. Nothing here is worth anything.
package memchain
