// Package backup keeps a wallet in one file, and puts it back.
//
// [Write] makes a backup, [Read] reads one, and a [Stage] puts what was read into an empty home
// folder. The caller encrypts and decrypts: see [pksa/keystore.Store.EncryptTo].
//
// # What is in it
//
// The encrypted file holds a tar archive, so that a person can unpack it without this program: `age
// -d`, then `tar x`. Its entries are, in this order, manifest.json, keystore.age, config.yaml and
// policy.yaml if there are such files, ledger.db, the segments of the audit trail below audit/, and
// seal. The seal is a MAC of all that comes before, by a key of the keystore: whoever knows only to
// whom the file is encrypted cannot make one. The reader takes this one form and no other.
//
// There is no mark of the ledger in it, so that a ledger from a backup is refused until somebody
// accepts it, see [pksa/agent/ledger.Accept]. What unlocks the keystore is never in it; the
// manifest names where that was.
//
// # What a crash leaves
//
// A stage is a folder in the home folder. Until it is ready, the home is the empty one of before.
// From then on it is the restored one: what is left to do is to move files, and [Finish] does it,
// in whichever command comes next.
package backup
