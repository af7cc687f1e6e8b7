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
// transaction or it was found at one. Refused: every node that can have received it said no, so it
// will never be on the chain. Expired: it may have been received, and it is proven that it can no
// longer be included. InDoubt: none of these is known, and nobody should sign another transaction
// for the same purpose.
//
// Sent are the bytes that were given and nothing else, to as many nodes as it takes. A transaction
// can be included once (its id covers its content), so sending it again is always safe; what is
// never safe is to take a lost answer for a refusal. So as soon as one node may have received the
// transaction, a refusal by another proves nothing: the transaction is looked up by its id, and
// sent again, until it is found or dead (tx §5.6, §5.7).
//
// Dead means: two nodes on different hosts say so (or the only one configured), each either with
// the status expired_irreversible or because its last irreversible block is past the expiration and
// it does not know the id; and our own clock is past the expiration, too, so that a node that
// dreams of the future proves nothing; and no other node that can be reached has it. If for two
// minutes after the expiration only one node answers at all, its repeated expired_irreversible is
// taken.
//
// A node is asked for its chain id before anything else is asked or sent, and again every ten to
// fifteen minutes; a node of another chain is not used. A node whose head time is away from what
// the others and our own clock say serves only when there is no other. Nodes that fail rest, longer
// each time; what a node answers is bounded in size and time. TLS is required except on loopback,
// where it is checked that the address dialled is loopback.
//
// # What it trusts
//
// A node can lie. It cannot make us send other bytes, or say Refused for what we gave to another
// node as well, and one node of several cannot make us say Expired as long as another one answers.
// What cannot be seen is a node that passes a transaction on and claims to have refused it. One
// node can make us say Accepted, which is the price of an answer after one round trip; while
// [Client.Run] runs, each transaction that was accepted and not seen in a block is looked up at
// other nodes and sent to them as well, and one that never arrives is reported as an error in the
// log. That watch does not outlive the process.
//
// # Differences from other libraries
//
//   - dhive builds and signs a new transaction when its caller sends again, and takes a timeout for an error; hive-js never
//     tries twice; both leave it to the caller not to pay twice. Here the bytes are fixed before the first attempt.
//   - dhive and hive-tx refer to the head block, we to the block before the last irreversible one, as hive-js does: a
//     transaction that dies with a fork, or that a lagging node cannot place, is thereby rare (tx §2.2).
//   - hive-tx and beem find "Duplicate transaction check failed" anywhere in an error. Error messages quote texts of the
//     transaction, so an application could put those words there. Here they count only where the node's own code put them,
//     and anything unclear is looked up.
//   - None of them checks the chain id of nodes or compares their heads.
//   - Requests are written by hand: the node's JSON reader knows five escapes (tx §5.3), encoding/json writes others.
package node
