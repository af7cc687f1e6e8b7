// Package agent is the wallet at work: it takes requests from relays, decides by policy, signs, and
// answers. Start with [New] and [Agent.Run], or with package service, which makes a process of it;
// commands reach a running agent through [Agent.Methods], and manage slots and sessions with
// [Admin] when none runs.
//
// # The journey of one request
//
// Each step is a package or a file named after it. In the order in which things happen:
//
//  1. Package link reads a frame under a size limit and within rates, and decodes it strictly
//     (package protocol). The reader takes a ticket, so that requests are admitted in the order of
//     their frames although they are opened in parallel.
//  2. receive.go checks what is in clear: expiry, account, form of the payload. The ledger tells
//     whether the same request was here before: then the recorded answer is sent again, with a
//     fresh proof of key.
//  3. identify.go finds who asks, by the key that opens the payload: the slot whose secret opens
//     auth_key, a live session, a pairing link (pairing.go). A payload that no key opens is met
//     with silence, and its account does not pay for it. One that was sealed with a session's key
//     and altered counts against the session (quarantine.go); mistakes of an application are
//     answered and never counted.
//  4. auth.go, sign.go and challenge.go decode the clear payload and propose what would be done. A
//     transaction is serialised and decoded again: the policy sees what the bytes say. The first
//     half of the decision, what the rules say, is made here (package policy).
//  5. admit.go judges. Nonce, limits (budget.go, charges.go), held keys, and whatever changed since
//     the first half, are looked at on the ledger's committing goroutine, inside the one durable
//     commit that records the decision. If that commit does not succeed, nothing is signed. A
//     refused request uses up its nonce too.
//  6. ask.go waits for a person, if the decision is to ask one. The request is on disk as pending,
//     and is judged once more, whole, when the answer comes.
//  7. Only then the key is touched (package keystore): auth.go, sign.go and challenge.go prove,
//     decrypt, or pass the transaction on.
//  8. broadcast.go signs the transaction and sends it (package node). An outcome that is not known
//     in time is reported to the application as uncertain, and found out later.
//  9. answer.go records the outcome with the sealed answer and then sends it, on the newest
//     connection to the relay that brought the request.
//
// # What is not a step
//
//   - agent.go: making, starting and stopping an agent, and the order in which its parts run
//   - goroutines.go: goroutines that a stop waits for, and loops at intervals
//   - register.go: which accounts the links serve
//   - recorder.go: what the audit trail says of requests and events (package audit reads it)
//   - unfinished.go: what an earlier process left, after a crash
//   - drops.go: counts of requests that got no answer, and what is shown of them (package trace)
//   - clock.go: whether the clock of this machine is believed
//   - keycheck.go: whether the held keys fit the chain
//   - package guard: whether somebody else changes the accounts; keycheck.go tells of it
//   - package notify: how people are told, away from the wallet; it never makes anybody wait
//   - checkpoint.go: publishing the head of the audit trail on the chain
//   - reload.go: another policy, other keys, or none (package lock), while the agent runs
//   - settings.go: the settings in force, and others while the agent runs
//   - controlmethods.go: what the control socket offers, and secrets that no format shows
//   - admin.go: slots and sessions, made and ended by the operator
//   - ready.go: whether a transaction could be signed now, and what hinders it
//   - status.go: how the agent stands, for people and for metrics
//   - twin.go: probes for another copy of this wallet, and yielding to it (package probe decides)
//
// # What it promises
//
// Nothing is signed that the policy did not allow; nothing happens twice; the record of what
// permits an effect is on disk before the effect. Only fixed texts, the request's checked uuid and
// nonce, and the two answer payloads are ever sealed, so that a relay cannot have texts of its own
// sealed (HAS §13.2). Secrets are in no log and no error. What is refused, dropped or odd is
// counted under constant names.
//
// A nack is a promise: its request was not carried out and never will be. It follows the commit
// that uses the request up. A copy of a judged request gets what is recorded for it, or silence,
// and so does what cannot be recorded. What is not certain is told by an err.
//
// # After a crash
//
// What was admitted and not finished is not signed or sent again. unfinished.go looks its
// transactions up by id until they are found or provably expired, and answers what had none with an
// error.
//
// Where the wallet differs from the reference wallet on purpose: examples/docs/differences.md.
package agent
