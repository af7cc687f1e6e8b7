// Package client is the application's side of HAS: what a bot written in Go imports to log in with,
// and sign through, a wallet that listens at a relay. It works with any HAS wallet, of protocol 1
// or 0.8.
//
// Start with [Dial]. [Client.Authenticate] gets a [Session] for an account, in service mode with
// the secret of an app slot or by an auth_key that the wallet knows already; [Client.Pair] gets one
// by a link that a person hands to the wallet; [Client.Keep] keeps one from run to run. In a
// session [Client.Sign] has operations signed and broadcast, and [Client.Challenge] has texts
// signed or memos decrypted. [Session.Save] keeps a session for the next run.
//
// The module path has no dot, so go get cannot fetch it. How a program of another module imports
// this package, and a whole program that logs in, votes and keeps its session, is on the page
// examples/docs/client.md.
//
// # What the answers mean
//
// Match errors with errors.Is. The first question is whether the request may have been carried out:
//
//   - [ErrNothingDone]: it was not and never will be, by the word of the wallet itself, sealed for
//     this very request. Ask again if the reason can go away.
//   - [ErrUncertain]: the wallet does not know. [FailedError.TransactionID] names the transaction.
//   - Without either, a transaction may be on the chain, or get there within a minute, whatever
//     else the error matches: the relay may have made up the answer, or taken it from another
//     request. Look at the chain before you ask again.
//
// What a wallet answers, and when to ask again if ErrNothingDone matches, too:
//
//	ErrRefused         the wallet does not allow it            never
//	ErrInvalid         the request has the wrong form          after a change of the program
//	ErrNonce           it came out of order, or too late       once that is mended
//	ErrNotSupported    the wallet does not sign such things    never
//	ErrSessionExpired  the wallet has ended the session        after a login; Kept does both
//	ErrBusy            the wallet has too much to do           later; the client has tried
//	ErrInternal        the wallet has a fault                  once its operator has looked
//	ErrCredits         too few resource credits                in some hours
//	ErrBalance         too few funds                           once there are more
//	ErrAuthority       the chain wants other signatures        once the keys are changed
//	ErrChainExpired    no block took the transaction in time   at once
//	ErrRejected        the chain refuses the operations        most likely never
//	ErrNoNode          the wallet reached no node              later
//	ErrUncertain       nobody knows yet                        not before looking for it
//
// All but ErrRefused match [ErrFailed], and those from ErrCredits to ErrNoNode [ErrBroadcast]. The
// errors that calls return are [RefusedError] and [FailedError], which have the wallet's words.
//
// What else can become of a request:
//
//   - [ErrNobody]: nobody answered until the request expired. No wallet is there, or one that stays
//     silent.
//   - [ErrExpired]: ErrNobody matches it too. Alone it means that the answer may have been missed
//     while the connection was lost.
//   - [ErrLost]: the connection was lost before the relay took the request, or could not be made. A
//     wallet may have received the request all the same.
//   - [ErrBadAnswer]: the answer cannot be right: a signature by another key, an end of the session
//     in the past, another transaction than the one asked for.
//   - [ErrUnconfirmed]: the wallet reports a broadcast, and the chain does not show it.
//   - [RelayError]: the relay did not take the request.
//
// After ErrNobody, ErrExpired, ErrLost and ErrUnconfirmed, and when your own context ends, a
// transaction may have been broadcast all the same. Look at the chain before you ask again.
//
// # What it promises
//
// The relay is not trusted. An answer that does not open with the session's auth_key is ignored,
// and the wait goes on. A sign_ack is not sealed, and any relay can forge one: it proves something
// only with [Options].Transaction. Then the transaction is fetched from the chain, its id is
// computed again, and its operations are compared with those asked for.
//
// A signed challenge is verified, and its key is reported. Whether the key is one of the account is
// checked if [Options].Keys is set; otherwise the caller must check it.
//
// A negative answer is Verified only if its sealed part names this very request, and, of a nack,
// its reason as well. Only our wallet seals so (see seal.Binding): to others a uuid is enough, and
// the relay hands those out on both sides.
//
// Each account has its own auth_key. Nonces are milliseconds and strictly increase within a
// session, across restarts too unless the clock is set back. No secret of a session is ever logged
// or printed.
//
// All methods may be called concurrently. Requests share one connection, which is made again when
// it is lost; requests that the relay has taken are then attached to the new one.
package client
