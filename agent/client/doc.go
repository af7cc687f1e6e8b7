// Package client is the application's side of HAS: what a bot written in Go imports to log in with,
// and sign through, a wallet that listens at a relay. It works with any HAS wallet, of protocol 1
// or 0.8.
//
// Start with [Dial]. [Client.Authenticate] gets a [Session] for an account, in service mode with
// the secret of an app slot or by an auth_key that the wallet knows already; [Client.Pair] gets one
// by a link that a person hands to the wallet. With it, [Client.Sign] has operations signed and
// broadcast, and [Client.Challenge] has texts signed or memos decrypted. Keep a session with
// [Session.Save].
//
// # What the answers mean
//
//   - [ErrRefused]: a wallet is there and says no.
//   - [ErrFailed]: a wallet is there and could not do it; [FailedError] has its words.
//   - [ErrNobody]: nobody answered until the request expired: no wallet is there, or one that stays silent.
//   - [ErrExpired]: also matched by ErrNobody; alone it says that the answer may have been missed while the connection
//     was lost.
//   - [ErrLost]: the connection was lost before the relay took the request. Whether a wallet got it is not known.
//   - [ErrBadAnswer]: the answer opens and cannot be right: a signature by another key, a past end of session, another
//     transaction than the one asked for.
//   - [ErrUnconfirmed]: the wallet says that it broadcast, and the chain does not show it.
//   - [RelayError]: the relay did not take the request.
//
// After ErrNobody, ErrExpired, ErrLost and ErrUnconfirmed, and when your own context ends, a
// transaction may have been broadcast all the same. Look at the chain before you ask again.
//
// # What it promises
//
// The relay is not trusted: an answer that does not open with the session's auth_key is ignored and
// the wait goes on. A sign_ack is not sealed and any relay can forge one, so it is worth something
// only with [Options.Transaction]: then the transaction is fetched from the chain, its id computed
// again and its operations compared with those asked for. A signed challenge is verified and the
// key that made it reported; whether that key is the account's is checked if [Options.Keys] is
// given, and is for the caller to check if not. A refusal or failure that is not sealed (some
// wallets send none) is reported with Verified false.
//
// Each account has its own auth_key. Nonces are milliseconds and strictly increase within a
// session, across restarts too unless the clock is set back. Nothing of a session is ever logged or
// printed.
//
// All methods may be called concurrently; requests share one connection, which is made again when
// it is lost, and requests that the relay has taken are attached to the new one.
package client
