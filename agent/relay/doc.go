// Package relay is a HAS relay: the server in the middle that names requests, queues them, forwards
// them to the wallets of an account and returns the first answer. It serves the public protocol to
// any HAS client library and any HAS wallet: as a private relay beside a bot, in development, and
// in tests.
//
// Start with [New] and [Relay.Serve]; a [Relay] is also an [net/http.Handler] for servers that
// exist already.
//
// What it promises:
//
//   - A request is answered at most once: the first good answer counts (HAS §11.2).
//   - An answer reaches an application only if it comes from a connection registered for the
//     account of the request, and has a proof of key for that very request (HAS §8.4);
//     [Options.Unproven] names the accounts whose wallets of protocol 0.8 may answer without one,
//     and [Options.NoProof] asks for none.
//   - A proof of key registers once.
//   - Memory is bounded by [Limits], whatever is sent. A connection that stops reading is dropped,
//     and holds up no other.
//   - Strangers keep nobody out. Where a bound is reached, whoever has most makes room for who has
//     less, and whoever is silent for who is not. Look-ups of accounts have a small share for those
//     who have proved nothing.
//   - The relay cannot read payloads: they are sealed between application and wallet. It learns
//     names, sizes and times, and the transaction ids that wallets report.
//   - Its key is made in the process, is never stored, and is no account's key.
//
// It keeps nothing across a restart. An application that lost its connection can attach to its
// requests again; after a restart the relay answers that it does not know them.
//
// Where this relay differs from the public relays on purpose: examples/docs/differences.md.
package relay
