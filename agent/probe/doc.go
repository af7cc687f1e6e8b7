// Package probe finds out whether another copy of this wallet serves the same accounts, and which
// of the two stops.
//
// A relay passes a request to every wallet of an account, so two copies of one home folder would
// both carry it out. The copies know nothing of each other, but they share the keys of the ledger.
// A wallet therefore sends itself a request through each relay, a probe, which only a copy of it
// can open. [Watch] decides when a probe is sent, what an answer means, and who yields; [Seal] and
// [Open] make and read what is sent. The caller does everything else: the package has no I/O, no
// clock and no goroutine.
//
// # What it promises
//
//   - Only a fresh answer of another copy stops anybody: it names the random nonce of a probe that
//     is not older than ten seconds, and it is authenticated. A probe that a relay kept and brings
//     again makes a copy send a probe of its own, and nothing else.
//   - A copy that has not served yet yields to one that serves. Of two that serve, or two that do
//     not, the one with the fewer records in its ledger yields; of two with the same number, the
//     one with the smaller random instance. Every two copies come to the same result, see [Yields].
//   - A relay that drops probes hides a copy. It can stop nobody.
//   - A probe takes nothing from anybody: it uses no app, no session and no limit, and no key of an
//     account but for the proof that every answer carries.
//
// # What is sent
//
// A probe looks like every sealed payload to other wallets, which ignore it because they have no
// token and no key for it. Its salt is a fixed mark: by it another wallet of this kind on the same
// account knows that nobody used a wrong secret.
package probe
