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
	// ErrFailed means that a wallet is there and could not do what was asked. See [FailedError],
	// and [ErrInvalid] and the errors after it for the reasons.
	ErrFailed = errors.New("the wallet failed")
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

// RefusedError is a wallet's refusal (HAS §7). It matches [ErrRefused], and [ErrNothingDone] if it
// is verified. A nack whose text is no known reason is one, too.
type RefusedError struct {
	Kind protocol.Kind // of the request
	// Text is what the wallet adds, unsealed; often empty. The relay can read it, and change it in
	// a refusal that is not verified.
	Text string
	// Verified is true if the refusal is sealed with the session's auth_key for this very request.
	// Only our wallet seals so. Otherwise the relay may have refused, or may have handed over the
	// refusal of another request: the uuid that others seal is chosen by the relay.
	Verified bool
	sealed   bool // with the auth_key, and names the uuid
}

// Error returns what was refused, with the wallet's words.
func (e *RefusedError) Error() string {
	return describe("the wallet refused", e.Kind, e.Text, e.Verified)
}

// Is reports whether target is [ErrRefused], or [ErrNothingDone] and the refusal is verified.
func (e *RefusedError) Is(target error) bool {
	return target == ErrRefused || target == ErrNothingDone && e.Verified
}

// FailedError is a wallet's failure (HAS §7). It matches [ErrFailed] and the error of its reason,
// such as [ErrCredits].
type FailedError struct {
	Kind protocol.Kind // of the request
	// Text is the wallet's reason: for ours one of the texts of HAS §12, such as
	// protocol.TextNonce.
	Text string
	// Verified is true if the text came sealed with the session's auth_key for this very request,
	// or beside a uuid that was. Only our wallet seals so. Otherwise the relay may have made the
	// answer, or may have handed over that to another request.
	Verified bool
	nack     bool // the wallet promises that nothing was done
	sealed   bool // with the auth_key
}

// Error returns what failed, with the wallet's words.
func (e *FailedError) Error() string {
	what := "the wallet failed"
	if reasonOf(e.Text) == ErrUncertain {
		what = "the wallet does not know what became of"
	}
	return describe(what, e.Kind, e.Text, e.Verified)
}

// Is reports whether target is [ErrFailed], the reason that the wallet gave or what that matches,
// or [ErrNothingDone] and the wallet says that of this very request. It is [ErrBusy] only then,
// too.
func (e *FailedError) Is(target error) bool {
	switch reason := reasonOf(e.Text); {
	case target == ErrFailed:
		return true
	case target == ErrNothingDone:
		// A fault that is told by an err may be the end of a request that was begun.
		return e.Verified && reason != ErrUncertain && (e.nack || reason != nil && reason != ErrInternal)
	case reason == ErrBusy && !e.Verified:
		return false
	default:
		return errors.Is(reason, target)
	}
}

// TransactionID returns the transaction that the text names, if there is one. Our wallet names one
// after "broadcast uncertain" (HAS §12): that transaction may be on the chain, now or later. If the
// answer is not verified, it may be the transaction of another request.
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

// negative returns the error of a negative answer by its reason.
func negative(e FailedError) error {
	reason := reasonOf(e.Text)
	if reason == ErrRefused || reason == nil && e.nack {
		return &RefusedError{Kind: e.Kind, Text: e.Text, Verified: e.Verified, sealed: e.sealed}
	}
	return &e
}

// describe puts an error into words.
func describe(what string, kind protocol.Kind, text string, verified bool) string {
	s := what + " the " + kind.String() + " request"
	if text != "" {
		s += ": " + quote(text)
	}
	if !verified {
		s += " (not sealed for this request: the relay may have said so, and it may have been carried out)"
	}
	return s
}

// quote returns foreign text quoted, fit for a log and not too long.
func quote(text string) string { return plain.Quote(text, 200) }
