// Package seal reads and writes the sealed payloads of HAS: texts encrypted under a passphrase as
// CryptoJS does it (HAS §8.1), which is also what "openssl enc -aes-256-cbc -md md5" does.
//
// [Seal] seals, [Parse] checks the outer form, and [Sealed.Open] opens or says [ErrNotMine]. The
// one kind of caller that opens many is a wallet that looks for the session whose key fits: a
// passphrase that does not fit costs about a microsecond, whatever the size of the payload.
//
// # What it promises
//
// Same input, same output: the salt is an argument. Values may be used concurrently. What Parse
// accepts has one spelling, [Sealed.String]. Reading is stricter than CryptoJS:
// examples/docs/differences.md.
//
// # What it cannot promise
//
// There is no MAC. Who carries a payload can flip bits in it, and a few of such changes still open.
// [Sealed.Damaged] recognises most payloads that came from the right sender and were changed on the
// way; the rest must be caught by what is inside (HAS §13.3). Opening takes time that depends on
// how far it got, so the caller must not let who sent the payload measure more than whether it
// opened. The key derivation is one round of MD5: a passphrase is only as good as the random number
// that it should be.
package seal
