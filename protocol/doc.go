// Package protocol is the language of HAS (Hive Authentication Services): every message between an
// application, a relay and a wallet, and every payload that application and wallet seal inside
// them. It speaks protocol 1 and keeps what the clients and relays of protocol 0.8 need.
//
// Start from [DecodeForWallet], [DecodeForApp] and [DecodeForRelay] (one for each end of a socket)
// and from [Encode] for messages; from [DecodeSignReqData] and its siblings for clear payloads;
// from [ParsePairingLink] for what a QR code says; and from [CheckChallenge] for what may be signed as
// text. Sealing is in package seal, keys and the chain are in package hive.
//
// # Promises
//
// The package has no I/O, no clock, no goroutine and no logger: the same bytes give the same value.
// All functions may be called concurrently. Decoded values own their memory: a frame may be reused
// as soon as the decoder has returned.
//
// Reading is strict. Names match exactly, case included. A name that stands twice in one object is
// refused, at any depth, in the parts that are ignored too. Text must be UTF-8 and is never
// repaired; an unpaired surrogate is refused. Nesting is bounded by [MaxDepth], names in one object
// by [MaxNames], sizes by [MaxFrame] and [MaxData], and these bounds are checked before anything is
// allocated. Unknown members are ignored in the plain message around a payload, since real relays
// add some, and refused in a payload. What is accepted can be encoded again and then decodes to an
// equal value.
//
// Writing is deterministic: members stand in the order of the tables of the HAS reference.
//
// # Refusals
//
// Decoders answer with a [*DecodeError], whose Reason comes from a small fixed set and so may be a
// metric label. Its text never quotes a value that came in. Whether a refused frame is answered at
// all is not decided here: a wallet stays silent on a message that it cannot read (HAS §12), and
// answers with a fixed text from this package to a payload that opens and cannot be read.
//
// Where this package differs from the reference wallet on purpose: examples/docs/differences.md.
package protocol

// Bounds that the decoders and the encoder keep.
const (
	// MaxFrame is the largest frame that is read, in bytes (HAS §2).
	MaxFrame = 1 << 20
	// MaxSend is the largest frame that Encode makes, in bytes (HAS §2).
	MaxSend = 512 << 10
	// MaxData is the largest sealed payload in a message, in bytes of its base64 text (HAS §12).
	MaxData = 700_000
	// MaxDepth is how deep objects and arrays may stand in each other, the outermost counted (HAS
	// §12).
	MaxDepth = 32
	// MaxNames is the number of names that one object may have. The largest object of HAS or of the
	// chain has about twenty; the bound keeps the search for equal names cheap.
	MaxNames = 256
	// MaxOps is the number of operations that one request may carry. A transaction of 64 KiB, the
	// most that the chain takes, cannot hold as many.
	MaxOps = 16_384
	// MaxAccounts is the number of accounts that one register_req may carry.
	MaxAccounts = 8_192
	// MaxChallenge is the largest challenge text, in bytes of UTF-8 (HAS §13.4).
	MaxChallenge = 65_536
	// MaxPairingLink is the largest pairing link, in bytes.
	MaxPairingLink = 16_384
)
