package protocol

// The fixed texts with which a wallet refuses (HAS §12). They are never built from what came in:
// some of them are sealed with the session key, and a sealed text that an outsider could influence
// is a forged payload (HAS §13.2).
const (
	// TextAuthFailed is the error of an auth_err, in clear.
	TextAuthFailed = "authentication failed"
	// TextRefused is the error of every nack, in clear, beside the sealed uuid.
	TextRefused = "request refused"
)

// The sealed errors of sign_err and challenge_err (HAS §12).
const (
	// TextInvalid: the payload opens, but it is damaged or has the wrong shape.
	TextInvalid = "invalid request"
	// TextNonce: the nonce is out of its window or not above the last one, or the payload was seen
	// before (HAS §9.3).
	TextNonce = "nonce refused"
	// TextNotSupported: an operation or a form that this wallet does not sign.
	TextNotSupported = "not supported"
	// TextBroadcastFailed: the chain refused the transaction; it will not appear in a block.
	TextBroadcastFailed = "broadcast failed"
	// TextBroadcastUncertain: it is not known whether the transaction reached the chain. Our own
	// transaction id may follow.
	TextBroadcastUncertain = "broadcast uncertain"
	// TextBusy: too much in flight; the same request may be made again later.
	TextBusy = "busy"
	// TextInternal: a fault on the wallet's side.
	TextInternal = "internal error"
)
