// Package link keeps one connection to one HAS relay: dial, hello, key, register, serve, and again
// from the start when it breaks.
//
// Start from New and Link.Run. An agent has one Link per relay; they share nothing, so a relay that
// is slow, silent or hostile delays nobody but itself. What comes in is given to Options.Handler as
// a Delivery; what goes out goes through Link.Answer; Link.Status says how it stands.
//
// It promises:
//
//   - The relay is an adversary (HAS §13): nothing that it sends stops the process,
//     blocks another link, or grows memory without bound. What is not understood is
//     dropped and counted under a constant reason; nothing is ever answered with
//     `error`, as the reference wallet does (HAS §13.1, 1 and 20).
//   - Only two texts are ever proved to a relay: the time in milliseconds and a uuid
//     of checked form (HAS §8.4, §13.2).
//   - A proof of key is made for the key of the connection that carries it, just
//     before it is sent. No key outlives its connection (HAS §4.1).
//   - One bad account never keeps another from being registered: each travels in a
//     message of its own, and one that stays without answer is asked again alone,
//     so that a refusal can be told whose it is (HAS §4.2).
//   - It never gives up. The pause before the next attempt grows with jitter and
//     falls back once an account has been registered.
//   - Run returns when everything that it started has returned.
//
// Where it differs from the reference wallet on purpose: every wait is bounded (§13.1, 8), a clean
// close is followed by a new connection too (5), a silent peer is closed before a new one is
// dialled (4), and an account without a key, or one that the relay refuses, stops nobody (9).
package link
