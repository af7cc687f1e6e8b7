package protocol

import "strconv"

// The fixed texts of a wallet's refusals (HAS §12). No text from outside is ever part of them. Some
// are sealed with the session key, and a sealed text that an outsider could choose would be a
// forged payload (HAS §13.2).
const (
	// TextAuthFailed is the error of an auth_err, not sealed.
	TextAuthFailed = "authentication failed"
	// TextRefused is the error of every nack, not sealed, beside the sealed uuid.
	TextRefused = "request refused"
)

// The rest of the closed list of reasons that a nack gives, not sealed (HAS §12). Each follows a
// commit which makes sure that the request is never carried out.
const (
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

// The sealed errors of sign_err and challenge_err (HAS §12).
const (
	// TextInvalid: the payload opens, but it is damaged or has the wrong shape.
	TextInvalid = "invalid request"
	// TextNonce: the nonce is out of its window or not above the last one, or the payload was seen
	// before (HAS §9.3).
	TextNonce = "nonce refused"
	// TextNotSupported: the wallet does not sign this operation or form.
	TextNotSupported = "not supported"
	// TextBroadcastFailed: the chain refused the transaction, and no block will contain it.
	TextBroadcastFailed = "broadcast failed"
	// TextBroadcastUncertain: the wallet does not know whether the transaction reached the chain. A
	// space and the transaction id may follow.
	TextBroadcastUncertain = "broadcast uncertain"
	// TextBusy: the wallet has too much to do; nothing was done, and the same request may be made
	// again later. A space and the nonce of the request follow, if it has one; see [BusyText].
	TextBusy = "busy"
	// TextInternal: a fault of the wallet.
	TextInternal = "internal error"
)

// BusyText returns the error of a request that the wallet has no time for: [TextBusy], and the
// nonce of the request, if it has one. An application asks again when it hears this. Without the
// nonce, which an application uses once, a relay could keep the sealed text, give it in place of
// the answer to a payment later, and have that made twice.
func BusyText(nonce Nonce) string {
	if nonce == 0 {
		return TextBusy
	}
	return TextBusy + " " + strconv.FormatInt(int64(nonce), 10)
}
