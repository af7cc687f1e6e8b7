// Package ledger keeps what happened, durably: app slots, sessions and their ends, nonces and
// ciphertext digests, requests with their recorded answers, what was charged, and the audit trail.
// It knows nothing of policy: only the caller knows what a record or a charge means.
//
// Start from [Open], then [Ledger.Begin], [Ledger.Admit] and [Ledger.Settle]: the life of one
// request.
//
// # What it promises
//
// Commit, then act. Admit returns after nonce or digest, charges, verdict, transaction and audit
// record of the request are synced, in one commit. If the commit does not succeed, Admit returns
// [ErrCommit], whether or not the bytes reached the disk. The ledger then reads everything again,
// and the caller rejects the request.
//
// One commit for many. One goroutine commits. All requests that wait for it share one commit, and
// so its syncs, in the order of their arrival. Their judges run one after the other, and each sees
// what those before it did.
//
// Nothing twice. A request that was judged is never judged again: Begin returns the recorded
// answer, or the run that is in work, also after a restart ([Ledger.Unfinished]). The same
// ciphertext under another uuid is a copy ([DigestSeen], [Ledger.AnswerTo]). A nonce that is too
// low is called so ([NonceLow]) only while the ledger remembers all requests above it, and can show
// that this one was never judged: an application may be told then that nothing was done. An
// auth_key belongs to one account and one app for as long as anything is known of it, and a session
// that ends leaves a tombstone.
//
// A charge counts until it expires. The one exception is a transaction whose [Fate] says that its
// charges were given back: whoever counts asks for it. A fate goes one way only, and each step is
// one commit with the record that reports it.
//
// # What is on disk
//
// The audit trail is the log of everything. A request writes its records at the end of the trail,
// and beside them what they change (its nonce, answer, charges), and touches nothing else. When the
// trail enters a new segment of 4,096 records, the changes are gathered into buckets that are read
// by key, and the full segments leave the buckets, each sealed as a whole. So what a commit writes
// does not grow with the number of sessions, and what must be read at a start does not grow with
// the trail.
//
// All values are sealed with the AEAD of the options. Additional data are the id of the ledger, the
// bucket and the key of the value, so that values cannot change places. Where they lie is behind
// one small interface, store. Its only implementation is one bbolt file with the segments as files
// audit/NNNNNN beside it.
//
// Beside the ledger lies a mark with the number of the last audit record. It reveals a ledger that
// was restored alone. Whoever can write both can roll both back; the ledger does not defend against
// that.
package ledger
