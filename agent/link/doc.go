// Package link keeps one connection to one HAS relay: dial, hello, key, register, serve, and again
// from the start when it breaks.
//
// Start from [New] and [Link.Run]. An agent has one [Link] for each relay. They share nothing, so a
// relay that is slow, silent or hostile delays only its own link. Requests are given to
// Options.Handler as a [Delivery]; answers are sent by [Link.Answer]; [Link.Status] returns the
// state.
//
// It promises:
//
//   - The relay is an adversary (HAS §13): nothing that it sends stops the process, blocks another
//     link, or makes memory grow without bound. A frame that is not understood is dropped and
//     counted under a constant reason.
//   - A relay is read at Options.LinkRate and no faster, whatever it sends, and is hung up on if it
//     sends more for ten seconds.
//   - Requests that no key opens use up a bucket of the link, never the rate of their account:
//     Handler finds out, and says so by [Link.MayTry] and [Delivery.Charge].
//   - Only two texts are ever proved to a relay: the time in milliseconds and a uuid whose form was
//     checked (HAS §8.4, §13.2).
//   - A proof of key is made for the key of the connection that carries it, just before it is sent.
//     No key outlives its connection (HAS §4.1).
//   - One bad account never keeps another from being registered: each has a message of its own, and
//     one that stays without answer is asked again alone, so that a refusal has one owner (HAS
//     §4.2).
//   - It never gives up. The pause before the next attempt grows, and becomes short again once an
//     account has been registered.
//   - Run returns when everything that it started has returned.
//
// Where this package differs from the reference wallet on purpose: examples/docs/differences.md.
package link
