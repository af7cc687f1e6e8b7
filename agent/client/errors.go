package client

import (
	"errors"
	"fmt"
	"strings"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// What can become of a request. Match them with errors.Is; the errors that calls return hold more.
var (
	// ErrRefused means that a wallet is there and does not allow the request. See [RefusedError].
	ErrRefused = errors.New("the wallet refused")
	// ErrFailed means that a wallet is there and could not do what was asked. See [FailedError].
	ErrFailed = errors.New("the wallet failed")
	// ErrBusy means that a wallet is there and had no time: too many requests came for the account.
	// Nothing was done. The client has asked again for as long as [Options].BusyWithin allows. It
	// matches ErrFailed too.
	ErrBusy = fmt.Errorf("%w: it is busy", ErrFailed)
	// ErrExpired means that the request expired without an answer: nobody answered ([ErrNobody]),
	// or the answer may have come while the connection was lost.
	ErrExpired = errors.New("the request expired")
	// ErrNobody means that nobody answered: no wallet is there, or one that stays silent, because
	// it does not know the session or the secret. It matches ErrExpired too.
	ErrNobody = fmt.Errorf("%w: nobody answered", ErrExpired)
	// ErrLost means that the connection was lost before the relay took the request, or that there
	// is none and it could not be made. A wallet may have received the request all the same.
	ErrLost = errors.New("the connection to the relay was lost")
	// ErrBadAnswer means that the answer cannot be right: it is sealed for this session and proves
	// nothing, or it is a sign_ack, which is not sealed, and is not about what was asked.
	ErrBadAnswer = errors.New("the answer cannot be right")
	// ErrUnconfirmed means that the wallet reports a broadcast and the chain does not show it
	// within [Options].ConfirmWithin. See [UnconfirmedError].
	ErrUnconfirmed = errors.New("the wallet reports a broadcast that the chain does not show")
	// ErrClosed means that [Client.Close] was called.
	ErrClosed = errors.New("the client is closed")
	// ErrSessionOver means that the session has ended, by what the wallet said when it granted it.
	// Nothing was sent.
	ErrSessionOver = errors.New("the session is over")
)

// RefusedError is a wallet's refusal (HAS §7). It matches [ErrRefused].
type RefusedError struct {
	Kind protocol.Kind // of the request
	// Text is what the wallet adds, unsealed; often empty. The relay can read and change it.
	Text string
	// Verified is true if the refusal is sealed with the session's auth_key. Those of Keychain are
	// not: then the relay may have refused.
	Verified bool
}

// Error returns what was refused, with the wallet's words.
func (e *RefusedError) Error() string {
	return describe("the wallet refused", e.Kind, e.Text, e.Verified)
}

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// FailedError is a wallet's failure (HAS §7). It matches [ErrFailed].
type FailedError struct {
	Kind protocol.Kind // of the request
	// Text is the wallet's reason: for ours one of the texts of HAS §12, such as
	// protocol.TextNonce.
	Text string
	// Verified is true if the text came sealed with the session's auth_key. For auth requests it
	// never is.
	Verified bool
	busy     bool // the wallet has no time for this very request, as its nonce shows
}

// Error returns what failed, with the wallet's words.
func (e *FailedError) Error() string {
	return describe("the wallet failed", e.Kind, e.Text, e.Verified)
}

// Is reports whether target is [ErrFailed], or [ErrBusy] and the wallet said that of this request.
func (e *FailedError) Is(target error) bool {
	return target == ErrFailed || target == ErrBusy && e.busy
}

// TransactionID returns the transaction that the text names, if there is one. Our wallet names one
// after "broadcast uncertain" (HAS §12): that transaction may be on the chain, now or later.
func (e *FailedError) TransactionID() (hive.TxID, bool) {
	for word := range strings.FieldsSeq(e.Text) {
		if id, err := hive.ParseTxID(strings.Trim(word, ".,:;()")); err == nil {
			return id, true
		}
	}
	return hive.TxID{}, false
}

// RelayError is the error of a relay about a request that it did not take (HAS §4.1).
type RelayError struct {
	Text string // the relay's words, of any content
}

// Error returns the relay's words, quoted.
func (e *RelayError) Error() string {
	return fmt.Sprintf("the relay did not take the request: %s", quote(e.Text))
}

// UnconfirmedError is a transaction that a wallet reports and the chain does not show. It matches
// [ErrUnconfirmed] and what its Err matches.
type UnconfirmedError struct {
	ID  hive.TxID
	Err error // of the last look: [ErrNoTransaction], an error of [Options].Transaction, or the context's
}

// Error returns the id of the transaction and the reason.
func (e *UnconfirmedError) Error() string {
	return fmt.Sprintf("%v: %s: %v", ErrUnconfirmed, e.ID, e.Err)
}

// Is reports whether target is [ErrUnconfirmed].
func (e *UnconfirmedError) Is(target error) bool { return target == ErrUnconfirmed }

// Unwrap returns the error of the last look.
func (e *UnconfirmedError) Unwrap() error { return e.Err }

// badAnswer returns an error that matches ErrBadAnswer.
func badAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBadAnswer, fmt.Errorf(format, args...))
}

func describe(what string, kind protocol.Kind, text string, verified bool) string {
	s := what + " the " + kind.String() + " request"
	if text != "" {
		s += ": " + quote(text)
	}
	if !verified {
		s += " (not sealed: the relay may have said so)"
	}
	return s
}

// quote returns foreign text quoted, fit for a log and not too long.
func quote(text string) string { return plain.Quote(text, 200) }
