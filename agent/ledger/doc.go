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
// and beside them what they change (its nonce, answer, charges), and touches nothing else. When
// 4,096 records or 8 MiB of them have come, the changes are gathered into buckets that are read by
// key, and full segments leave the buckets for files of their own. So what a commit writes does not
// grow with the number of sessions, and what must be read at a start does not grow with the trail.
// Each commit gathers a few changes for each record that it writes, so that no request waits for
// all of them. The number up to which all is gathered moves on at the end, with the charges: what a
// crash leaves is read from the trail once more, where all but a charge may be read twice.
//
// A segment ends before the record that would be its 4,097th, or would take it beyond 8 MiB; a
// record that is larger is a segment by itself. The file's name has the numbers of the first and
// the last record: nothing else needs to be known to find a record, and a segment that is written
// once more after a crash takes its own place. It is written and read in chunks of 256 KiB, each
// sealed with its place, so that no part of the trail is ever held as a whole: a ledger of any size
// opens and serves in the memory of a small one. It is written while commits go on, which do not
// wait for it unless four segments of records have been gathered and none has left. Segments of
// programs before that are one sealed value, named by their place on a grid of 4,096 records. A
// start does not read segments of either kind, and whoever reads one of the old ones needs as much
// memory as it has bytes.
//
// What was charged stands in a bucket by the end of its time. Of requests that are a day old, the
// charges of a slice of time become one sum, see [Ledger.SumCharges]: a thousand values at most are
// looked at in one commit, which removes what it adds up. A sum is a charge as every program of
// format 2 reads it; only the number in its key, with the highest bit set, says that it is one. So
// a start reads the charges of a day one by one and a few thousand sums, however many requests
// there were. Charges stay as they are while the outcome of their request is unknown, or a fate
// tells of their transaction: they may be given back.
//
// All values are sealed. Additional data are the id of the ledger, the bucket and the key of the
// value, so that values cannot change places. What speaks of one request is packed before it is
// sealed, and each record of a segment: it takes half of the room then. Where values lie is behind
// one small interface, store. Its only implementation is one bbolt file with the segments as files
// audit/FIRST-LAST beside it.
//
// # The journal
//
// A commit of bbolt writes six pages, and syncs twice, one after the other. So the file of a wallet
// at work has an area of 4 MiB, the journal: a commit is added to it in whole pages, with one sync,
// and is held in memory over what bbolt has. When the area is full, or the ledger is closed, one
// transaction of bbolt takes over all of it. Commits of many requests go to bbolt at once: they
// share its pages and syncs, and would be written twice otherwise. The journal is a part of the
// file, so that the file is the whole ledger whenever it is copied, as it was before. What a start
// finds in the journal counts like what is in bbolt. What reads wrong at its end was cut off on its
// way to the disk, and nobody was told of it. A commit that reads wrong before another one, and
// pages that are older than the journal, are damage.
//
// The journal came with format 3 of the ledger: an older program would not see what is in it.
//
// # Keys by number
//
// Nonces of seals are random and have 96 bits, so one key is good for 2^32 values: at full load
// that is three and a half days. Therefore the records of the trail count off periods of 2^20, and
// each period has a key of its own. What is written with a record is sealed under the key of its
// period: the record, once it is gathered its request, charges and digest, the sessions that
// changed since the last gathering with their last requests, facts, remnants, fates. The chunks of
// a segment are sealed under the key of the record after its last one. That makes less than ten
// values a record. Even with a hundred, two of a period share a nonce with a chance below one in
// 2^43. The mark is not sealed: it has a MAC.
//
// The number of the key stands in front of a value: the byte 2, an epoch, the period, then the
// nonce. The number is part of the additional data. The epoch is zero; with several writers each
// could have its own, and so its own keys.
//
// Values of ledger format 1 have no number, are under a key of their own, and stay as they are
// until they are written again. Such a value begins with its nonce, which may look like a number.
// No fact says which values are old, because a fact can be damaged apart from them. What looks like
// a number is tried as one; what does not open so is tried as an old value. A value opens under one
// of two independent keys or not at all, so neither form can pass for the other. The first commit
// raises the format of the ledger, which programs that know one key refuse.
//
// Beside the ledger lies a mark with the number of the last audit record. It reveals a ledger that
// was restored alone. Whoever can write both can roll both back; the ledger does not defend against
// that.
package ledger
