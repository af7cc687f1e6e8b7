// Package node talks to Hive API nodes: it keeps the head of the chain at hand, reads authorities,
// and puts a signed transaction on the chain once.
//
// Start at [New] and [Client.Run]; a wallet then needs [Client.Head] before it builds a transaction
// and [Client.Broadcast] after it signed one. "tx" in comments is the description of Hive
// transactions whose sections are cited.
//
// # What it promises
//
// An [Outcome] has one of four states, and the zero value claims nothing. Accepted: a node took the
// transaction, or it was found at one. Refused: every node that can have received it said no, two
// hosts at least if there are two, so it will never be on the chain. Expired: it may have been
// received, and it is proven that it can no longer be included. InDoubt: none of these is known,
// and nobody should sign another transaction for the same purpose.
//
// The bytes that were given are sent and nothing else, to as many nodes as it takes. A transaction
// can be included only once (its id covers its content), so it is always safe to send it again. It
// is never safe to take a lost answer for a refusal. So as soon as one node may have received the
// transaction, a refusal by another proves nothing: the transaction is looked up by its id, and
// sent again, until it is found or dead (tx §5.6, §5.7). The refusal of one host alone is such a
// doubt too, unless the list has no other host.
//
// A transaction is dead when all of this is true:
//
//   - Two nodes on different hosts say so, or the only node if there is one. A node says so with
//     the status expired_irreversible, or if it does not know the id and its last irreversible
//     block is past the expiration.
//   - Our own clock is past the expiration too: a node whose clock is ahead proves nothing.
//   - No other node that can be reached has it.
//
// If only one node answers for two minutes after the expiration, it is believed when it says
// expired_irreversible repeatedly.
//
// A node is asked for its chain id before anything else is asked or sent, and again every ten to
// fifteen minutes. A node of another chain is not used. A node whose head time differs from what
// the others and our own clock say is used only if there is no other. Nodes that fail are left
// alone for a while, longer each time. Answers are bounded in size and time. TLS is required except
// on loopback, where the address that is dialled is checked.
//
// # What it trusts
//
// A node can lie. It cannot change the bytes that are sent, and cannot make the outcome Refused if
// another node may have the transaction as well. One node of several cannot make the outcome
// Expired as long as another one answers. It cannot make the outcome Refused by passing a
// transaction on and claiming to have refused it, if the list has another host; the only node can.
// What a node said and the chain, or others, showed to be untrue is remembered while the process
// runs: the node is asked last for a while.
//
// One node can make the outcome Accepted, which is the price of an answer after one round trip.
// While [Client.Run] runs, each accepted transaction that is not yet in a block is looked up at
// other nodes and sent to them too; one that never arrives is logged as an error. That watch does
// not outlive the process.
//
// Requests are written by hand: the JSON reader of a node knows five escapes (tx §5.3), and
// encoding/json writes others. Where this package differs from other libraries on purpose:
// examples/docs/differences.md.
package node
