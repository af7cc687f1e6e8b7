package protocol

// The closed list of reasons that a nack gives (HAS §12). They are not sealed: the relay reads
// them. Each follows a commit which makes sure that the request was not carried out and never will
// be. No text from outside is ever part of them. In the documented form of answers they are sealed
// errors, and a sealed text that an outsider could choose would be a forged payload (HAS §13.2).
const (
	// TextRefused: the policy says no, or a person, or the key is not held: all look the same.
	TextRefused = "request refused"
	// TextInvalid: the payload opens, but it is damaged or has the wrong shape.
	TextInvalid = "invalid request"
	// TextNonce: the nonce is out of its window or not above the last one, or lacks (HAS §9.3).
	TextNonce = "nonce refused"
	// TextNotSupported: the wallet does not sign this operation or form.
	TextNotSupported = "not supported"
	// TextBusy: the wallet has too much to do; the application may ask again with a new request.
	TextBusy = "busy, try again"
	// TextInternal: a fault of the wallet.
	TextInternal = "internal error"
	// TextSessionExpired: the session has ended; its application logs in again.
	TextSessionExpired = "session expired"
	// TextBroadcastCredits: the account has not enough resource credits.
	TextBroadcastCredits = "broadcast failed: resource credits"
	// TextBroadcastBalance: the account has not enough of what the operations move.
	TextBroadcastBalance = "broadcast failed: balance"
	// TextBroadcastAuthority: the chain wants other signatures.
	TextBroadcastAuthority = "broadcast failed: authority"
	// TextBroadcastExpired: the chain's time has passed the expiration, and no block has the
	// transaction, by the word of two hosts.
	TextBroadcastExpired = "broadcast failed: expired"
	// TextBroadcastRejected: the chain refuses the operations for another reason.
	TextBroadcastRejected = "broadcast failed: rejected by the chain"
	// TextBroadcastNoNode: the transaction was given to no node.
	TextBroadcastNoNode = "broadcast failed: no node"
)

// TextAnsweredElsewhere is the `error` by which our relay tells a wallet that its answer came after
// that of another wallet and says something else. The protocol does not know it; other wallets
// ignore an error that belongs to no registration.
const TextAnsweredElsewhere = "request was answered by another wallet"

// The errors of our relay about a registration, each followed by a colon and the account. A wallet
// tells by them what a person should look at.
const (
	// TextBadProof: the proof of key is not by a key of the account, or not of this moment.
	TextBadProof = "invalid proof of key"
	// TextNoAccount: the chain does not know the account.
	TextNoAccount = "account does not exist"
	// TextNoLookup: no Hive API node of the relay answers.
	TextNoLookup = "account cannot be looked up now, try again"
)

// The texts of errors that are no nacks.
const (
	// TextAuthFailed is the error of an auth_err, not sealed.
	TextAuthFailed = "authentication failed"
	// TextBroadcastUncertain is a sealed error: the wallet does not know whether the transaction
	// reached the chain. A space and the transaction id follow.
	TextBroadcastUncertain = "broadcast uncertain"
)

// The texts of sealed errors that our wallet gave before it gave reasons in nacks, for applications
// that meet such a wallet.
const (
	// TextBroadcastFailed: the chain refused the transaction, and no block will contain it.
	TextBroadcastFailed = "broadcast failed"
	// TextBusyNonce: the wallet has too much to do. A space and the nonce of the request follow,
	// because such an error names its request in no other way.
	TextBusyNonce = "busy"
)
