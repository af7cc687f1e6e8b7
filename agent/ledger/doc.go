// Package ledger keeps what happened, durably: app slots, sessions and their ends, nonces and
// ciphertext digests, requests with their recorded answers, what was charged, and the audit trail.
// It knows nothing of policy; what a record or a charge means is the caller's.
//
// Start from [Open], then [Ledger.Begin], [Ledger.Admit] and [Ledger.Settle]: the life of one
// request.
//
// # What it promises
//
// Commit, then act. Admit returns after the request's nonce or digest, charges, verdict,
// transaction and audit record are synced, in one commit. If the commit does not succeed, Admit
// says [ErrCommit], whatever became of the bytes, and everything that was cached is read again from
// disk; the request stays the caller's to reject.
//
// One commit for many. One goroutine commits. What waits when it comes by shares one bbolt
// transaction, and so its syncs, in the order of arrival; judges run inside that transaction, one
// after the other, and see what those before them did.
//
// Nothing twice. A request that was judged before is never judged again: Begin hands out the
// recorded answer or the run in work, also after a restart ([Ledger.Unfinished]). Its ciphertext
// under another uuid meets the nonce and digest rules (HAS §9.3, §9.4). An auth_key belongs to one
// account and one app for as long as anything is known of it, and a session's end leaves a
// tombstone.
//
// # The file
//
// One bbolt file. Values are sealed with the AEAD given; the ledger's id, the bucket and the key of
// a record are its additional data, so that values cannot change places. The audit trail is the log
// of everything: a request writes its records at the end of the trail, and beside them what they
// change (its nonce, answer, charges), and touches no other tree. When the trail enters a new
// segment of 4,096 records, the changes are gathered into buckets that are read by key, and the
// segments before leave the file: each is sealed into audit/NNNNNN beside the ledger. So what a
// commit writes does not grow with the number of sessions, and the file does not grow with the
// trail.
//
// Beside it stands a mark with the last audit number, which reveals a ledger that was restored
// alone. Whoever can write both can roll both back; the ledger does not defend against that.
package ledger
