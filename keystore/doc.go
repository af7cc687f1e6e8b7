// Package keystore keeps what must stay secret: the private keys of accounts and the sealing key of
// the ledger, in one encrypted file.
//
// [Create] makes the file and [Open] opens it; both give a [Store]. A [Key] is what the rest of the
// program works with: a handle that signs, decrypts memos and makes proofs of key. A [Source] says
// where a secret comes from, [Source.Unlock] makes of it what opens the file.
//
// # What it promises
//
//   - Private keys do not leave the package. Nothing exported returns one, and no type that holds one can be printed, logged or marshalled.
//   - An owner key is refused: by its name always, by what the chain says where the caller passes a [Checker].
//   - The file is a standard age file (age-encryption.org/v1). Its owner opens it with the age tool: "age -d keystore.age", with
//     "-i identity.txt" if it is locked to recipients. The content is the JSON below.
//   - The file is replaced whole or not at all. A change that fails leaves the old file in force; a change that another process
//     made in the meantime is never lost, since each change takes a lock and starts from what the file holds then.
//   - What is written was opened first with the owner's own secret: no change can lock the owner out.
//   - A keystore, secret file or folder that others could read or change is refused with the mode found and the mode wanted. Of
//     folders it is the one that holds the keystore, not those above it.
//
// # The content
//
//	{"version":1,
//	"ledger":{"id":"32 hexadecimal digits","key":"base64 of 32 bytes"},
//	"recipients":["age1…"],
//	"accounts":[
//	{"name":"alice","memo":"5…","posting":"5…","active":"5…"}
//	]}
//
// recipients lists to whom the next change locks the file again; it is empty if that is by
// passphrase. An account has one key or more, in WIF, as in the keys.json of hive-auth-pksa. White
// space and the order of members are free; everything unknown is refused. Who edits it by hand
// keeps the ledger as it is, and locks it again as recipients says, or calls [Store.ChangeLock].
//
// # What it cannot promise
//
// Buffers of this package are wiped after use, private keys when the store closes or drops them.
// Copies that Go makes are not: age takes a passphrase and identities as strings; encoding/json and
// the WIF codec make strings of keys while a file is read or written; an environment variable stays
// in the process's first environment; the AES key schedule of the ledger's sealer cannot be
// reached; the garbage collector returns memory unwiped. Who can read this process's memory has the
// keys in any case.
//
// It runs on Unix systems: the permission rules and the lock need their calls.
package keystore
