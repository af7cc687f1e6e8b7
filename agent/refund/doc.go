// Package refund gives back what a limit was charged for transactions that never reached the chain,
// at the operator's word, and watches what was given back.
//
// A limit is charged before the key is touched, and the charge stays when the broadcast fails: what
// was signed may be in anybody's hands until it has expired. Afterwards it can be proven that the
// chain does not have it. [Watch.Run] looks for that proof and records it, so that people see how
// much of a limit was used for nothing. Only [Watch.Release] gives anything back, one request at a
// time, and only because a person asks for it.
//
// # What it promises
//
//   - The proof is made anew at each release: at least two hosts say that their last irreversible
//     block is past the expiration and that they do not know the transaction, and no host that
//     answers has it. A proof that was recorded earlier only shows what could be given back.
//   - What was not proven within a day of the expiration stays charged: later, hosts that keep a
//     part of the history do not know what is on the chain.
//   - What was never meant to be broadcast is never given back: its application holds it, and can
//     send it whenever it likes.
//   - A charge is given back at most once. The release and its record are one commit.
//   - What was given back is looked for at every host once an hour, as long as its charge would
//     count. If one host has it in a block, the charge counts again, for good, and an alarm is
//     raised.
//
// # What it trusts
//
// Two hosts that lie together can have a charge shown as given back for nothing, until a third one
// is asked. A single host can only undo a release, which takes room and gives none.
package refund
