// Package x402 pays web servers that answer with status 402, by a wallet that keeps its keys to
// itself: the application's side of x402, with Hive's scheme "exact".
//
// Make a [Payer] with [New]. [Payer.Do] sends a request. If the server answers 402, it chooses one
// of the offers, compares it with the caller's [Terms], has the wallet sign one transfer as an
// exact transaction, and sends the request once more, with that as proof. The server, not the
// wallet, broadcasts the transfer.
//
// # What is known of a payment
//
// Three facts are kept apart in [Payment], because any of them can be true without the next:
//
//   - the wallet authorised it: there is a Payment;
//   - the server says that it has settled it: Payment.Receipt, which is the server's word;
//   - the chain has it: Payment.Fate, which [Payer.Look] finds out.
//
// A server that has the proof can broadcast it until Payment.Expires, whatever it answers. So after
// an answer that was lost, and after a second 402, Do pays no second time: it looks for the
// transfer. One call of Do has at most one transfer signed, however often it asks the wallet for
// it, and a call after [ErrUnanswered] goes on with the same one.
//
// # What a server cannot do
//
// It cannot ask for more than Terms.Most, for another asset, or for another receiver than
// Terms.To names; it cannot sell one address and name another. Do follows no redirect, so that no
// proof and no offer leaves the host that the caller named, and it talks plaintext to loopback
// only. What all calls together may pay is for the wallet's policy to say.
//
// A proof names receiver and amount, and not the server: the scheme fixes the memo. A server that
// has one can show it to another server, if the same account is paid for that. The money goes where
// the caller said, and once.
//
// A server can take the payment and serve nothing. No protocol of this kind prevents that: keep
// Terms.Most small.
//
// # Sources
//
// The scheme is as in specs/scheme_exact_hive.md of the public project hive-x402, versions 1 and 2,
// and the headers are as in its programs and in x402 version 2.
package x402
