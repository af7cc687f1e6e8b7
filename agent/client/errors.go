package client

import (
	"errors"
	"fmt"
	"strings"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// What can become of a request; match with errors.Is. The package comment says what each means.
var (
	ErrRefused     = errors.New("the wallet refused")
	ErrFailed      = errors.New("the wallet failed")
	ErrExpired     = errors.New("the request expired")
	ErrNobody      = fmt.Errorf("%w: nobody answered", ErrExpired)
	ErrLost        = errors.New("the connection to the relay was lost")
	ErrBadAnswer   = errors.New("the answer cannot be right")
	ErrUnconfirmed = errors.New("the wallet reports a broadcast that the chain does not show")
	ErrClosed      = errors.New("the client is closed")
	ErrSessionOver = errors.New("the session is over")
)

// RefusedError is a wallet's no. It matches [ErrRefused].
type RefusedError struct {
	Kind protocol.Kind
	// Text is what the wallet adds in plain; often empty. The relay can read and change it.
	Text string
	// Verified is true if the refusal is sealed with the session's auth_key. Keychain's are not:
	// then it could be the relay that says no.
	Verified bool
}

// Error says who refused what.
func (e *RefusedError) Error() string {
	return describe("the wallet refused", e.Kind, e.Text, e.Verified)
}

// Is makes errors.Is(err, ErrRefused) work.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// FailedError is a wallet's failure. It matches [ErrFailed].
type FailedError struct {
	Kind protocol.Kind
	// Text is what the wallet says. Ours says one of the texts of HAS §12, such as
	// protocol.TextNonce.
	Text string
	// Verified is true if the text came sealed with the session's auth_key. For auth requests it
	// never is.
	Verified bool
}

// Error says what failed and why.
func (e *FailedError) Error() string {
	return describe("the wallet failed", e.Kind, e.Text, e.Verified)
}

// Is makes errors.Is(err, ErrFailed) work.
func (e *FailedError) Is(target error) bool { return target == ErrFailed }

// TransactionID returns the id that the text names, as ours does after "broadcast uncertain": that
// transaction may be on the chain, now or soon.
func (e *FailedError) TransactionID() (hive.TxID, bool) {
	for word := range strings.FieldsSeq(e.Text) {
		if id, err := hive.ParseTxID(strings.Trim(word, ".,:;()")); err == nil {
			return id, true
		}
	}
	return hive.TxID{}, false
}

// RelayError is a relay's complaint about a request that it did not take.
type RelayError struct{ Text string }

// Error quotes the relay.
func (e *RelayError) Error() string {
	return fmt.Sprintf("the relay did not take the request: %s", quote(e.Text))
}

// UnconfirmedError names a transaction that a wallet reports and the chain does not show. It
// matches [ErrUnconfirmed].
type UnconfirmedError struct {
	ID  hive.TxID
	Err error // of the last look
}

// Error names the transaction.
func (e *UnconfirmedError) Error() string {
	return fmt.Sprintf("%v: %s: %v", ErrUnconfirmed, e.ID, e.Err)
}

// Is makes errors.Is(err, ErrUnconfirmed) work.
func (e *UnconfirmedError) Is(target error) bool { return target == ErrUnconfirmed }

// Unwrap returns the error of the last look.
func (e *UnconfirmedError) Unwrap() error { return e.Err }

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
