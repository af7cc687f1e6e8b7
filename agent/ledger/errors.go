package ledger

import "errors"

// What a caller acts upon. Every other error is an internal one.
var (
	// ErrMissing says that there is no ledger file. Beside a keystore that had one, the caller
	// refuses to start.
	ErrMissing = errors.New("no ledger")
	// ErrExists is what Create says to a path that holds something already.
	ErrExists = errors.New("ledger exists already")
	// ErrLocked says that another running copy holds the ledger.
	ErrLocked = errors.New("ledger is in use by another running copy")
	// ErrOther says that the file belongs to another keystore: another id, or values that our key
	// does not open.
	ErrOther = errors.New("ledger belongs to another keystore")
	// ErrRestored says that the ledger is older than its mark, or that the mark is gone: somebody
	// put back a copy of the one without the other. Accept goes on.
	ErrRestored = errors.New("ledger is older than its mark")
	// ErrDamaged says that a page or a value of the file reads wrong. Only a copy helps.
	ErrDamaged = errors.New("ledger is damaged")

	// ErrCommit says that a commit did not succeed. Nothing of the call may be relied on, nothing
	// may be signed.
	ErrCommit = errors.New("ledger commit did not succeed")
	// ErrUnavailable says that the ledger's file cannot be opened again after a commit that did not
	// succeed. The ledger tries again by itself.
	ErrUnavailable = errors.New("ledger is not available")
	// ErrClosed is every call's answer after Close.
	ErrClosed = errors.New("ledger is closed")
	// ErrPanic says that the judging function panicked: its request is refused, nothing of it is
	// recorded.
	ErrPanic = errors.New("judging panicked")
	// ErrRuling says that a ruling contradicts the view that it was made from; a bug of the caller.
	ErrRuling = errors.New("ruling is impossible")
	// ErrBusy says that as many requests are known as the settings allow.
	ErrBusy = errors.New("too many requests at once")
	// ErrNoRun says that a request was not begun, or has been admitted, rejected or dropped
	// already.
	ErrNoRun = errors.New("request is not in work")
	// ErrNotPending says that a number is not that of a request that waits for a person.
	ErrNotPending = errors.New("request does not wait for a decision")

	// ErrSlotName, ErrSlotExists, ErrNoSlot: slots.
	ErrSlotName   = errors.New("app name is not [a-z0-9][a-z0-9_-]{0,31}, or is reserved")
	ErrSlotExists = errors.New("app exists already")
	ErrNoSlot     = errors.New("no such app")

	// ErrNoSession says that a session does not exist or has ended.
	ErrNoSession = errors.New("no such session")
	// ErrKeyLive says that a live session has this auth_key already: the same account's and app's.
	ErrKeyLive = errors.New("auth_key has a live session already")
	// ErrKeyElsewhere says that the auth_key is known for another account or another app.
	ErrKeyElsewhere = errors.New("auth_key belongs to another account or app")
	// ErrKeySpent says that the auth_key was revoked, or took requests without a nonce: it makes no
	// session again.
	ErrKeySpent = errors.New("auth_key makes no session again")
	// ErrSessions says that the account has as many live sessions as the settings allow.
	ErrSessions = errors.New("account has too many sessions")
	// ErrSession says that what a session is to be made of is impossible: empty names, an end in
	// the past.
	ErrSession = errors.New("session is impossible")
)
