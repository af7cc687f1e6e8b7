// Package relay is a HAS relay: the server in the middle that names requests, queues them, forwards
// them to the wallets of an account and carries the first answer back. It serves the public
// protocol to any HAS client library and any HAS wallet: as a private relay beside a bot, in
// development, and in tests.
//
// Start with [New] and [Relay.Serve]; a [Relay] is also an [net/http.Handler] for servers that
// exist already.
//
// What it promises:
//
//   - A request is answered at most once: the first good answer settles it (HAS §11.2).
//   - An answer reaches an application only if it comes from a connection that is registered for the account of the
//     request and carries a proof of key for that very request (HAS §8.4).
//   - Memory is bounded by [Limits], whatever is sent; a connection that stops reading is dropped and holds up
//     nobody else.
//   - Nothing that passes through is readable here: payloads are sealed between application and wallet. The relay
//     learns names, sizes and times, and the transaction ids that wallets report.
//   - Its key is made in the process, never stored, and is no account's key.
//
// It keeps nothing across a restart. Applications attach again to requests of a relay that still
// lives; a relay that was restarted has forgotten them and says so.
//
// Where it differs from the public relays, as far as those are known (HAS §11.1): each account of a
// registration is judged by itself (see [Options.WholeRegistration]), limits answer with an error
// instead of a closed connection, and a web page of another origin may connect only if
// [Options.Origins] names it.
package relay
