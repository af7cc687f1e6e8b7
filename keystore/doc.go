// Package keystore keeps what must stay secret, the private keys of accounts and the sealing key of
// the ledger, in one encrypted file.
//
// [Create] makes the file and [Open] opens it; both return a [Store]. The rest of the program works
// with a [Key], a handle that signs, decrypts memos and makes proofs of key. A [Source] is where a
// secret comes from, and [Source.Unlock] makes of the secret what opens the file.
//
// # What it promises
//
//   - Private keys do not leave the package. No exported function returns one, and no type that
//     holds one can be printed, logged or marshalled.
//   - An owner key is refused: by its name always, and by what the chain says where the caller
//     passes a [Checker].
//   - The file is a standard age file (age-encryption.org/v1). Its owner opens it with the age
//     tool: "age -d keystore.age", with "-i identity.txt" if it is locked to recipients. The
//     content is the JSON below.
//   - The file is replaced whole or not at all. A change that fails leaves the old file in force. A
//     change that another process made in the meantime is never lost, because each change takes a
//     lock and starts from what the file holds then.
//   - Before a file is replaced, the new one was opened with the owner's own secret: no change can
//     lock the owner out.
//   - A keystore, secret file or folder that others could read or change is refused by the rule of
//     [pksa/keystore/access], and the error names the mode found and the mode wanted. Folders are
//     checked all the way up.
//   - A keystore that a newer program wrote is refused and left as it is ([ErrNewerVersion]).
//
// # The content
//
//	{"version":2,
//	"ledger":{"id":"32 hexadecimal digits","key":"base64 of 32 bytes"},
//	"recipients":["age1…"],
//	"accounts":[
//	{"name":"alice","memo":"5…","posting":"5…","active":"5…","signing":"5…"}
//	]}
//
// recipients lists the age recipients to which the next change locks the file again; it is empty if
// the file is locked by a passphrase. An account has one key or more, in WIF, as in the keys.json
// of hive-auth-pksa; signing is the key of its witness. While a key is being rotated, the one that
// it replaced stands beside it, as old_posting, and signs nothing. The version is 4 where a
// recipient is one of an age plugin, 3 during a rotation, 2 where a signing key is kept, and else
// 1. White space and the order of members are free, and everything unknown is refused. An owner who
// edits the content by hand leaves the ledger as it is, and locks the file again as recipients
// says.
//
// # Plugins
//
// An identity may be that of an age plugin, such as for a hardware key. Its program is started when
// a file is opened, and when one is written: to encrypt, and to prove that the new file opens. It
// is looked at first as programs of a source are, and so are the folders that come before it in the
// PATH. It learns the key of the file, and is as trusted as this program. A process that cannot
// start it gets what [Store.Handover] returns.
//
// # What it cannot promise
//
// Buffers of this package are wiped after use, and private keys when the store closes, is locked or
// drops them. What works with a key has a stack of its own, which is overwritten, as registers are;
// on Linux signals wait meanwhile, because they would write the registers to memory. [Store.Lock]
// and [Store.ForgetUnlock] also overwrite memory that is free, because others make copies that
// nobody can wipe: age takes a passphrase and identities as strings, and the WIF codec makes
// strings of keys while a file is written. They do not reach what another goroutine has taken for
// its stack in between, what the kernel keeps of a processor's registers, vector registers of
// processors other than amd64, and an environment variable in the process's first environment. The
// ledger's keys stay. Whoever can read the memory of a process that is not locked has the keys in
// any case.
//
// Windows has neither owners nor modes of files as the rules above mean them. There they are not
// checked, and the access control lists of the folder are all the protection that the file has
// besides its encryption.
//
// # The clock
//
// The clock decides nothing here. It is read to wait for another process's lock, to make the nonces
// of memos differ between runs, and for the comment in a new identity file.
//
// # Packages below
//
// [pksa/keystore/access] decides which files others could read or change, [pksa/keystore/durable]
// replaces files so that a power cut leaves the old or the new one, [pksa/keystore/filelock] locks
// files, and [pksa/keystore/linejson] reads JSON strictly and with line numbers.
package keystore
