// Package hive holds the Hive chain as pure values: keys and signatures, encrypted memos, assets,
// operations and transactions, and how each of them is written as text and as bytes.
//
// # Where to start
//
// Keys: [ParseWIF] gives a [PrivateKey], [ParsePublicKey] a [PublicKey]; [PrivateKey.Sign] signs a
// [Digest], [Signature.Recover] tells who signed. Texts: [PrivateKey.EncodeMemo],
// [PrivateKey.DecodeMemo], and [SharedSecret] for those who encrypt to the same peer again and
// again. Chain: a [Network] parses operations, serialises transactions and makes the digest to
// sign.
//
// # What it promises
//
// Nothing here does I/O, reads a clock, starts a goroutine or draws random numbers of its own: same
// input, same output. What is random in the libraries of others (memo nonces, keys) is an argument.
//
// Every parser is strict and has one spelling for each value: what it accepts is written back as
// the same text or bytes, save that hexadecimal digits are read in either case. Texts that cannot
// be read lead to errors that never quote what may be a private key.
//
// Private keys and shared secrets never show: every verb of fmt, slog, encoding/json and
// encoding.TextMarshaler sees "[redacted]", also where the value hides in an unexported field of
// another struct. Wipe overwrites them. It does so for the copies that this package made;
// registers, stacks and the internals of hash functions are out of reach in Go.
//
// A signature leaves this package only after the signer's public key was recovered from it, so that
// neither a memory fault nor a mixed-up key gives away a private key through a bad signature.
//
// # Operations
//
// "tx" in comments is the description of the chain's transactions that the project works from.
// Everything known about an operation stands in one entry of one table (definitions_*.go,
// [Definition]): its number, its fields and their types in the order of the bytes, who must
// authorise it, what it costs at worst, who gains by it, and the limits of its values. An
// [Operation] holds typed values; JSON and bytes are two ways of writing them, and each type of the
// chain knows both (codec*.go).
//
//	raw JSON → ParseOperation → Operation → Serialize → bytes → DecodeTransaction → Operation
//	                                          bytes → SigningDigest, TransactionID
//	Operation → CheckSendable, AppendJSON → what a node is sent
//
// One operation has one sequence of bytes and is written as one JSON text. JSON that means the same
// may be spelt in several ways where applications do so: [Network.ParseOperation] reads the pairs
// of condenser and the objects of HF26. Bytes are read only in the one form that the chain would
// write. Here this package is stricter than the node, which wraps integers, fills in fields,
// ignores what it does not know and drops signs (tx §4.3). Signing goes by the legacy packing, as
// the libraries of applications do.
//
// # Timing
//
// Scalars are added and multiplied in constant time by btcec. Multiplication of a point by a scalar
// and inversion of a scalar are not constant time there. For signatures the scalar is a nonce used
// once: multiplication by way of the base-point table depends on how many of its bytes are zero,
// inversion by math/big on the steps of an extended Euclid, and the latter leaves a copy of the
// nonce in memory until the heap reuses it. For shared secrets it is the private key itself,
// multiplied by a point that a peer may have chosen. That point always has prime order (there is no
// other on this curve) and the sum of the multiplication is known before it starts, so a peer
// learns at most how long one multiplication by this key takes, through a relay and a queue. A
// process on the same processor that can watch its caches is not defended against here. Comparisons
// of secrets do not depend on where they differ. Base58 of a private key uses table look-ups, as
// all known encoders do.
//
// # Sources
//
// "HAS" in comments is the HiveAuth protocol as spoken by hive-auth-wrapper and the reference
// wallet; "chain" is hived. hive-js, dhive, hive-tx, wax and beekeeper are the libraries whose
// results the tests compare with. Where this package differs from them on purpose, the function
// says so; the larger differences stand in examples/docs/differences.md.
package hive
