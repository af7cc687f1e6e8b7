// Package seal reads and writes the sealed payloads of HAS: texts encrypted under a passphrase in
// the format of CryptoJS (HAS §8.1), which is also that of "openssl enc -aes-256-cbc -md md5".
//
// [Seal] seals a text, [Parse] checks the outer form of a payload, and [Sealed.Open] opens it or
// returns [ErrNotMine]. A wallet tries the keys of all its sessions on a payload. A key that does
// not fit costs about a microsecond, whatever the size of the payload.
//
// # What it promises
//
// The same input gives the same output: the salt is an argument. Values may be used concurrently.
// Every accepted payload has one spelling, [Sealed.String]. Reading is stricter than in CryptoJS;
// see examples/docs/differences.md.
//
// # What it cannot promise
//
// There is no MAC. A relay can flip bits in a payload, and a few of the changed payloads still
// open. [Sealed.Damaged] recognises most payloads that the right sender made and somebody changed.
// The rest must be found by checks of the content (HAS §13.3). The time that opening takes depends
// on where it fails, so the sender of a payload must not be able to measure it. The key derivation
// is one round of MD5, so a passphrase must be a long random number.
package seal
