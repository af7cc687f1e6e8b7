package client

import (
	"errors"
	"fmt"
	"strings"

	"pksa/protocol"
)

// ErrNothingDone means that the request was not carried out and never will be, by the word of the
// wallet itself, sealed for this very request: it may be made again, if its reason can go away. A
// negative answer that does not match it may be the relay's, or about another request: then the
// request may have been carried out, or may still be, and only the chain can tell.
var ErrNothingDone = errors.New("nothing was done, and nothing will be")

// The reasons that a wallet gives (HAS §12), in whichever form it answers. All of them match
// [ErrFailed]; the error that a call returns is a [FailedError]. A reason alone does not say that
// nothing was done: see [ErrNothingDone]. The refusal has a type of its own: see [ErrRefused].
var (
	// ErrInvalid means that the wallet takes the request for damaged, or for one of the wrong form.
	// The same request will fail again.
	ErrInvalid = fmt.Errorf("%w: the request is not valid", ErrFailed)
	// ErrNonce means that the request came out of order, or too late. Two programs share the
	// session, or the clock of this machine is wrong. Once that is mended, it may be made again.
	ErrNonce = fmt.Errorf("%w: the request came out of order or at the wrong time", ErrFailed)
	// ErrNotSupported means that the wallet does not sign such operations, or not in this form. The
	// same request will fail again.
	ErrNotSupported = fmt.Errorf("%w: it does not support this", ErrFailed)
	// ErrSessionExpired means that the wallet has ended the session. Log in, then ask again; [Kept]
	// does so by itself.
	ErrSessionExpired = fmt.Errorf("%w: the session has ended", ErrFailed)
	// ErrBusy means that the wallet had no time: too many requests came for the account. The client
	// has asked again for as long as [Options].BusyWithin allows; ask later, and less often. An
	// answer that is not verified does not match it: nothing is asked again because of a relay.
	ErrBusy = fmt.Errorf("%w: it is busy", ErrFailed)
	// ErrInternal means that the wallet has a fault, which its operator must look at.
	ErrInternal = fmt.Errorf("%w: it has a fault", ErrFailed)

	// ErrBroadcast means that the transaction will be in no block. The errors that follow match it
	// and say why.
	ErrBroadcast = fmt.Errorf("%w: the chain does not take the transaction", ErrFailed)
	// ErrCredits means that the account has not enough resource credits. They come back within
	// hours: ask again later.
	ErrCredits = fmt.Errorf("%w: the account has not enough resource credits", ErrBroadcast)
	// ErrBalance means that the account has not enough of what the operations move. Ask again once
	// it has.
	ErrBalance = fmt.Errorf("%w: the account has not enough funds", ErrBroadcast)
	// ErrAuthority means that the chain wants other signatures than the wallet can give, or more:
	// where several keys share the account, [Client.SignExact] with SignOnly says what is missing.
	// Otherwise the wallet's operator must change the keys.
	ErrAuthority = fmt.Errorf("%w: it wants other signatures", ErrBroadcast)
	// ErrChainExpired means that no block took the transaction before it expired. It may be made
	// again at once.
	ErrChainExpired = fmt.Errorf("%w: it expired before a block took it", ErrBroadcast)
	// ErrRejected means that the chain refuses the operations, such as a vote that is there
	// already. The same request will most likely fail again.
	ErrRejected = fmt.Errorf("%w: it refuses the operations", ErrBroadcast)
	// ErrNoNode means that the wallet reached no node of the chain. Ask again later.
	ErrNoNode = fmt.Errorf("%w: the wallet reached no node", ErrBroadcast)

	// ErrUncertain means that the wallet itself does not know whether the transaction is or will be
	// on the chain. Look for [FailedError.TransactionID] there until it is found, or until a minute
	// has passed, before you ask again.
	ErrUncertain = fmt.Errorf("%w: it does not know whether the transaction is on the chain", ErrFailed)
)

// reasons is the closed list of the texts by which a wallet gives a reason.
var reasons = map[string]error{
	protocol.TextRefused:            ErrRefused,
	protocol.TextInvalid:            ErrInvalid,
	protocol.TextNonce:              ErrNonce,
	protocol.TextNotSupported:       ErrNotSupported,
	protocol.TextSessionExpired:     ErrSessionExpired,
	protocol.TextBusy:               ErrBusy,
	protocol.TextBusyNonce:          ErrBusy,
	protocol.TextInternal:           ErrInternal,
	protocol.TextBroadcastFailed:    ErrBroadcast,
	protocol.TextBroadcastCredits:   ErrCredits,
	protocol.TextBroadcastBalance:   ErrBalance,
	protocol.TextBroadcastAuthority: ErrAuthority,
	protocol.TextBroadcastExpired:   ErrChainExpired,
	protocol.TextBroadcastRejected:  ErrRejected,
	protocol.TextBroadcastNoNode:    ErrNoNode,
	protocol.TextBroadcastUncertain: ErrUncertain,
}

// reasonOf returns the error of a reason, or nil for a text that is none. The id of a transaction
// may follow where that is uncertain.
func reasonOf(text string) error {
	if text == protocol.TextBroadcastUncertain || strings.HasPrefix(text, protocol.TextBroadcastUncertain+" ") {
		return ErrUncertain
	}
	return reasons[text]
}
