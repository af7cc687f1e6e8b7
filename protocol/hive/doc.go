// Package hive is the Hive chain as pure values: keys and signatures, encrypted memos, assets,
// operations and transactions, and the text and byte forms of each.
//
// # Where to start
//
// Keys: [ParseWIF] returns a [PrivateKey], [ParsePublicKey] a [PublicKey]. [PrivateKey.Sign] signs
// a [Digest], and [Signature.Recover] returns the key that signed. Memos: [PrivateKey.EncodeMemo]
// and [PrivateKey.DecodeMemo], or a [SharedSecret] if many memos go to the same key. Chain: a
// [Network] parses operations, serialises transactions and returns the digest to sign.
//
// # What it promises
//
// The package does no I/O, reads no clock, starts no goroutine and makes no random numbers: the
// same input gives the same output. Random values (nonces of memos, new keys) are arguments.
//
// Every parser is strict and takes one spelling of each value: an accepted text is written back as
// the same text or bytes. The one exception is that hexadecimal digits may be upper or lower case.
// Errors never quote a text that may be a private key.
//
// Private keys and shared secrets are never shown: every verb of fmt, slog, encoding/json and
// encoding.TextMarshaler writes "[redacted]". In an unexported field of another struct they stay
// hidden too. Wipe overwrites the copies that this package made. Go gives no access to registers,
// stacks and the internals of hash functions.
//
// Before it returns a signature, the package recovers the signer's public key from it and compares.
// A fault of memory or a wrong key can make a signature from which others compute the private key;
// such a signature never leaves the package.
//
// # Operations
//
// "tx" in comments is the description of the chain's transactions on which the project is based.
// Everything about an operation stands in one entry of one table (definitions_*.go, [Definition]):
// its number, its fields and their types in the order of the bytes, its signers, its highest cost,
// its payees, and the limits of its values. An [Operation] has typed values. Each type of the chain
// reads and writes its values as JSON and as bytes (codec*.go).
//
//	raw JSON → ParseOperation → Operation → Serialize → bytes → DecodeTransaction → Operation
//	                                          bytes → SigningDigest, TransactionID
//	Operation → CheckSendable, AppendJSON → what a node is sent
//
// An operation has one sequence of bytes and is written as one JSON text. Applications write the
// same operation in two forms of JSON, and [Network.ParseOperation] reads both: the pairs of
// condenser and the objects of HF26. Bytes are read only in the form that the chain would write.
// The node is less strict: it wraps integers, fills in missing fields, ignores unknown ones and
// drops signs (tx §4.3). Signatures sign the legacy packing, as in the libraries of applications.
//
// # Timing
//
// btcec adds and multiplies scalars in constant time. It does not do so when it multiplies a point
// by a scalar or inverts a scalar. In a signature, this scalar is a nonce that is used once. The
// time of the multiplication depends on the number of its bytes that are zero, and the time of the
// inversion on the steps of an extended Euclid in math/big. The inversion leaves a copy of the
// nonce in memory until the heap reuses it. In a shared secret, the scalar is the private key, and
// a peer may have chosen the point. The point always has prime order, because the curve has no
// other points, and the number of additions depends on the key alone. So a peer learns at most the
// time of one multiplication by this key, through a relay and a queue. The package does not protect
// against a process on the same processor that can watch its caches. The time to compare secrets
// does not depend on the place where they differ. Base58 of a private key uses table look-ups, as
// all known encoders do.
//
// # Sources
//
// "HAS" in comments is the HiveAuth protocol of hive-auth-wrapper and the reference wallet, and
// "chain" is hived. The tests compare with results of the libraries hive-js, dhive, hive-tx, wax
// and beekeeper. The comment of a function names every difference that is on purpose; the larger
// differences stand in examples/docs/differences.md.
package hive
