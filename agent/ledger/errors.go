package ledger

import (
	"errors"
	"fmt"
)

// ErrMark means that the mark is gone, or reads wrong: whether the ledger is older than its mark,
// nobody knows. It is an ErrRestored.
var ErrMark error = badMark("the mark of the ledger cannot be used")

const (
	errMarkLost = badMark("the mark of the ledger is lost")
	errMarkRead = badMark("the mark of the ledger cannot be read")
)

type badMark string

func (m badMark) Error() string { return string(m) }

// Is makes each of them an ErrMark and an ErrRestored.
func (badMark) Is(target error) bool {
	_, mark := target.(badMark)
	return mark || target == ErrRestored
}

// The errors that a caller acts upon. Every other error is an internal one.
var (
	// ErrMissing means that there is no ledger file. Beside a keystore that had one, the caller
	// refuses to start.
	ErrMissing = errors.New("no ledger")
	// ErrExists means that Create found a ledger already.
	ErrExists = errors.New("ledger exists already")
	// ErrLocked means that another running copy holds the ledger.
	ErrLocked = errors.New("ledger is in use by another running copy")
	// ErrDeposed means that another copy of the wallet has opened the ledger since this one did, as
	// it may where a ledger is not in a file. Nothing of the call was committed, and this ledger
	// commits nothing more.
	ErrDeposed = errors.New("another running copy has taken the ledger over")
	// ErrOther means that the ledger belongs to another keystore: it has another id, or our key
	// does not open its values.
	ErrOther = errors.New("ledger belongs to another keystore")
	// ErrRestored means that the ledger is older than its mark, or that the mark is gone: somebody
	// put back a copy of one without the other. Accept goes on with it.
	ErrRestored = errors.New("ledger is older than its mark")
	// ErrElsewhere means that the ledger was moved, and this is what is left in its old place.
	ErrElsewhere = errors.New("the ledger is not here any more: it was moved")
	// ErrDamaged means that a page or a value of the ledger reads wrong. Against a *ValueError Mend
	// helps, otherwise only a copy.
	ErrDamaged = errors.New("ledger is damaged")

	// ErrCommit means that a commit did not succeed. The caller relies on nothing of the call, and
	// signs nothing.
	ErrCommit = errors.New("ledger commit did not succeed")
	// ErrUnavailable means that the store could not be opened again after a commit that did not
	// succeed. The ledger tries again by itself.
	ErrUnavailable = errors.New("ledger is not available")
	// ErrNoRoom means that the disk is full: there is no room for what the ledger needs to go on.
	ErrNoRoom = errors.New("no room on the disk")
	// ErrNoCopy means that the ledger is not in a file of which a copy can be made.
	ErrNoCopy = errors.New("the ledger is in a database, and this copies files: copy the database with its own " +
		"tools, such as pg_dump, and the home folder beside it; or stop the wallet and bring the ledger into its " +
		"file, with `pksa ledger move file`")
	// ErrClock means that nothing is recorded until the clock of the machine is confirmed: see
	// [Ledger.HoldClock].
	ErrClock = errors.New("nothing is recorded: the clock of this machine is not confirmed, and far ahead of the " +
		"ledger's last record; `pksa status` says what to do")
	// ErrClosed is the error of every call after Close.
	ErrClosed = errors.New("ledger is closed")
	// ErrPanic means that the judge panicked: its request is refused, and nothing of it is
	// recorded.
	ErrPanic = errors.New("judging panicked")
	// ErrRuling means that a ruling contradicts its view: the caller has a bug.
	ErrRuling = errors.New("ruling is impossible")
	// ErrBusy means that as many requests are known as the settings allow, or that as much waits
	// for the disk as may.
	ErrBusy = errors.New("too many requests at once")
	// ErrNoRun means that a request was not begun, or has been admitted, rejected or dropped
	// already.
	ErrNoRun = errors.New("request is not in work")
	// ErrNotPending means that a number is not that of a request that waits for a person.
	ErrNotPending = errors.New("request does not wait for a decision")

	// ErrSlotName, ErrSlotExists and ErrNoSlot are the errors of slots.
	ErrSlotName   = errors.New("app name is not [a-z0-9][a-z0-9_-]{0,31}, or is reserved")
	ErrSlotExists = errors.New("app exists already")
	ErrNoSlot     = errors.New("no such app")

	// ErrNoSession means that a session does not exist or has ended.
	ErrNoSession = errors.New("no such session")
	// ErrNoRemnant means that nothing is left of an ended session.
	ErrNoRemnant = errors.New("no such ended session")
	// ErrRenew means that an ended session cannot be had again by its auth_key.
	ErrRenew = errors.New("the session is not renewed")
	// ErrKeyLive means that a live session of the same account and app has this auth_key already.
	ErrKeyLive = errors.New("auth_key has a live session already")
	// ErrKeyElsewhere means that the auth_key is known for another account or another app.
	ErrKeyElsewhere = errors.New("auth_key belongs to another account or app")
	// ErrKeySpent means that the auth_key was revoked, or took requests without a nonce: it makes
	// no session again.
	ErrKeySpent = errors.New("auth_key makes no session again")
	// ErrSessions means that the account has as many live sessions as the settings allow.
	ErrSessions = errors.New("account has too many sessions")
	// ErrAppSessions means that the app has as many live sessions of the account as the settings
	// allow.
	ErrAppSessions = errors.New("app has too many sessions of this account (limits.sessions_per_app)")
	// ErrAllSessions means that all accounts together have Options.Sessions.
	ErrAllSessions = errors.New("the wallet has too many sessions")
	// ErrSession means that a session cannot be made of these values: a name is empty, or the end
	// lies in the past.
	ErrSession = errors.New("session is impossible")
)

// ValueError reports a value or a record that reads wrong or is missing, in a file that can be
// read. It is an ErrDamaged that Mend helps against.
type ValueError struct{ What string }

// Error returns what reads wrong, and what helps.
func (e *ValueError) Error() string {
	return fmt.Sprintf("%v: %s; `pksa ledger mend` restores what can be restored, or goes on without it", ErrDamaged,
		e.What)
}

// Is makes it an ErrDamaged.
func (e *ValueError) Is(target error) bool { return target == ErrDamaged }

// SecretTakenError reports that a secret is an app's already. A secret names one app.
type SecretTakenError struct{ App string }

// Error returns a sentence that names the app.
func (e *SecretTakenError) Error() string {
	return fmt.Sprintf("app %q has this secret already", e.App)
}
