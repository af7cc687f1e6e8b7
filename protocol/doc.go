// Package protocol is the language of HAS (Hive Authentication Services): every message between an
// application, a relay and a wallet, and every payload that application and wallet seal inside
// them. It speaks protocol 1 and keeps what the clients and relays of protocol 0.8 need.
//
// Messages: [DecodeForWallet], [DecodeForApp] and [DecodeForRelay] read what arrives at the three
// ends, and [Encode] writes. Clear payloads: [DecodeSignReqData] and its siblings read, and each
// payload has a method Encode. [ParsePairingLink] reads the content of a QR code, and
// [CheckChallenge] decides which texts may be signed. Package seal seals payloads. Package hive has
// the keys and the chain.
//
// # Promises
//
// The package has no I/O, no clock, no goroutine and no logger: the same bytes give the same value.
// All functions may be called concurrently. A decoded value has its own copy of everything, so the
// caller may reuse the frame.
//
// Reading is strict. Names match exactly, case included. An object with the same name twice is
// refused, at any depth and also in members that are ignored. Text must be UTF-8 and is never
// repaired; an unpaired surrogate is refused. [MaxDepth] bounds nesting, [MaxNames] the names in
// one object, [MaxFrame] and [MaxData] the sizes. These bounds are checked before memory is
// allocated. The plain message around a payload may have unknown members, because real relays add
// some; they are ignored. A payload may not, except inside app, where an application describes
// itself. Every accepted value can be encoded again and then decodes to an equal value.
//
// Writing is deterministic: members stand in the order of the tables of the HAS reference.
//
// # Refusals
//
// Decoders return a [*DecodeError]. Its Reason is one of a small fixed set, so it may be a metric
// label. Its text never quotes a value from outside. The package does not decide whether a refused
// frame is answered: a wallet does not answer a message that it cannot read (HAS §12). To a payload
// that it can open and not read, it answers with a fixed text of this package. [Garbled] tells what
// was altered on its way from what an application wrote so.
//
// The page examples/docs/differences.md says where this package differs from the reference wallet
// on purpose.
package protocol

// Bounds that the decoders and the encoder keep.
const (
	// MaxFrame is the largest frame that is read, in bytes (HAS §2).
	MaxFrame = 1 << 20
	// MaxSend is the largest frame that Encode makes, in bytes (HAS §2).
	MaxSend = 512 << 10
	// MaxData is the largest sealed payload in a message, in bytes of its base64 text (HAS §12).
	MaxData = 700_000
	// MaxDepth bounds the nesting of objects and arrays; the outermost is level 1 (HAS §12).
	MaxDepth = 32
	// MaxNames bounds the names in one object. The largest object of HAS or of the chain has about
	// twenty. The bound keeps the search for equal names cheap.
	MaxNames = 256
	// MaxSignatures bounds the signatures of others beside a transaction. The chain's bound is the
	// size of the transaction; an authority has at most 40 members.
	MaxSignatures = 64
	// MaxMissing bounds the authorities of which an answer says that they are not satisfied.
	MaxMissing = 64
	// MaxOps bounds the operations in one request. The largest transaction of the chain, 64 KiB,
	// holds fewer.
	MaxOps = 16_384
	// MaxAccounts bounds the accounts in one register_req.
	MaxAccounts = 8_192
	// MaxChallenge is the largest challenge text, in bytes of UTF-8 (HAS §13.4).
	MaxChallenge = 65_536
	// MaxPairingLink is the largest pairing link, in bytes.
	MaxPairingLink = 16_384
)
