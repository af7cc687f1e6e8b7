package keystore

import (
	"errors"
	"fmt"
	"strings"

	"pksa/protocol/sorts"
)

// What can go wrong with the file as a whole. After each of these errors but [ErrInDoubt] the file
// on disk is as it was.
var (
	// ErrExists means that Create found a file where the keystore should go.
	ErrExists = errors.New("a file of this name exists already: open it, or move it away first")
	// ErrWrongPassphrase means that the passphrase does not open the file. A file whose first lines
	// were altered gives the same error.
	ErrWrongPassphrase = errors.New("wrong passphrase")
	// ErrWrongIdentity means that no age identity that was given opens the file.
	ErrWrongIdentity = errors.New("no given age identity opens it: check that the identity file belongs to this " +
		"keystore")
	// ErrWrongLock means that a passphrase was given for a file that is locked to age recipients,
	// or an identity for a file that is locked by a passphrase.
	ErrWrongLock = errors.New("the secret given is not of the kind that locks it")
	// ErrDamaged means that the file is no keystore, or was truncated or altered.
	ErrDamaged = errors.New("not a whole keystore file: restore it from a backup")
	// ErrNewerVersion means that the file was written by a newer version of this program. The error
	// names the format of the file and the newest one that is read.
	ErrNewerVersion = errors.New("this keystore was written by a newer pksa")
	// ErrBusy means that another process is changing the keystore.
	ErrBusy = errors.New("another process is changing it: try again when that has ended")
	// ErrInDoubt means that the new file was written whole, but that the system reported an error
	// while it took the place of the old one or while that was made durable. The file is the old
	// one or the new one, and it is whole. Open it again to see which.
	ErrInDoubt = errors.New("the change may or may not have been kept: open the keystore again to see")
	// ErrLockMismatch means that the content names another lock than the one that opens the file. A
	// change would lock the owner out.
	ErrLockMismatch = errors.New("the file is locked in another way than its content says, as after a change by " +
		"another program: `pksa keystore passwd --new SOURCE` sets its lock again")
	// ErrReadOnly means that the store has forgotten its unlock secret ([Store.ForgetUnlock]).
	ErrReadOnly = errors.New("opened for reading only: its unlock secret was forgotten")
	// ErrOtherLedger means that the file, read again, is a keystore with another ledger, and no
	// later state of this one.
	ErrOtherLedger = errors.New("the file now holds another keystore, with another ledger: start anew to use it")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("the keystore is closed")
	// ErrNotNative means that an identity or recipient is an SSH key.
	ErrNotNative = errors.New("SSH keys are not supported here: use an age identity or recipient (age1…)")
	// ErrWeakPassphrase means that a new passphrase is too short. Files that have a short one open.
	ErrWeakPassphrase = fmt.Errorf("a new passphrase needs at least %d characters beside blanks: several words are "+
		"easier to keep than one", minPassphrase)
	// ErrBadLock means that the new lock cannot be made.
	ErrBadLock = errors.New("no such lock")
)

// What can go wrong with one key.
var (
	// ErrOtherKey means that another key is kept for the account and role.
	ErrOtherKey = errors.New("another key is kept there: remove it first, or ask for it to be replaced")
	// ErrOwnerKey means that the key is an owner key, which is not kept here.
	ErrOwnerKey = errors.New("an owner key is never kept here: keep it offline, and import posting, active or memo")
	// ErrMalformedKey means that the text is no private key in WIF.
	ErrMalformedKey = errors.New("not a private key in WIF (51 characters, the first one 5): copy it again, whole")
	// ErrIsPassword means that the text looks like a master password, not like a private key.
	ErrIsPassword = errors.New("this looks like a master password")
	// ErrIsKey means that the text is a private key in WIF, not a master password.
	ErrIsKey = errors.New("this is a private key in WIF, for one role")
	// ErrWrongRole means that the key does not have, on the chain, the role under which it was to
	// be kept.
	ErrWrongRole = errors.New("the chain does not know this key in this role of the account")
	// ErrNotDerived means that the key of a role does not derive from the master password.
	ErrNotDerived = errors.New("a signing key does not derive from the master password; import the key itself")

	// ErrBadRole means that no key can be kept under the role.
	ErrBadRole = errors.New("not a role: memo, posting, active or signing is wanted")
	// ErrBadAccount means that the text is no account name.
	ErrBadAccount = errors.New("not an account name")
	// ErrUnknownAccount means that no key of the account is kept.
	ErrUnknownAccount = errors.New("no key of this account is kept: check the name")
	// ErrUnknownKey means that no key of the role is kept for the account.
	ErrUnknownKey = errors.New("no key of this role is kept for the account: check the role")
	// ErrKeyGone means that the key of the handle was removed or replaced, or that the store was
	// closed.
	ErrKeyGone = errors.New("this key is no longer kept")
	// ErrLocked means that the store is locked: it holds no private key, until [Store.Unlock].
	ErrLocked = errors.New("the wallet is locked, and holds no keys until `pksa unlock`")
	// ErrBadPassword means that the text cannot be a master password.
	ErrBadPassword = errors.New("not a master password")
	// ErrNoKeys means that there was nothing to import.
	ErrNoKeys = errors.New("no keys to import")
)

// newer returns an error for a file of a newer format than the one that is read.
func newer(format, read string) error {
	return fmt.Errorf("%w (format %s; this program reads up to %s): use the newer program", ErrNewerVersion, format,
		read)
}

// Complaint is one thing wrong with one key to be imported.
type Complaint struct {
	File string // empty for a key that came from no file
	Line int    // 1 for the first; 0 for a key that came from no file
	Key  string // "account/role" as far as known, else empty. Never anything that might be a secret
	Err  error
}

// Error returns "file:line: account/role: cause".
func (c Complaint) Error() string {
	var b strings.Builder
	if c.Line > 0 {
		fmt.Fprintf(&b, "%s:%d: ", c.File, c.Line)
	}
	if c.Key != "" {
		b.WriteString(c.Key + ": ")
	}
	b.WriteString(c.Err.Error())
	return b.String()
}

// Unwrap returns the cause.
func (c Complaint) Unwrap() error { return c.Err }

// Complaints is everything that is wrong with a batch of keys, in the order of the lines. errors.Is
// and errors.As look at each of them.
type Complaints []Complaint

// maxComplaints bounds the text, not the list: a person who imports the wrong file of 10,000 lines
// wants to see a page.
const maxComplaints = 100

// Error returns one line for each complaint, at most 100.
func (c Complaints) Error() string {
	lines := make([]string, 0, min(len(c), maxComplaints)+1)
	for _, one := range c[:min(len(c), maxComplaints)] {
		lines = append(lines, one.Error())
	}
	if more := len(c) - maxComplaints; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the complaints.
func (c Complaints) Unwrap() []error {
	errs := make([]error, len(c))
	for i := range c {
		errs[i] = c[i]
	}
	return errs
}

// sort sorts by line and keeps the order within a line.
func (c Complaints) sort() {
	sorts.Stable(c, func(a, b Complaint) int { return a.Line - b.Line })
}

// asError returns nil if there are no complaints.
func (c Complaints) asError() error {
	if len(c) == 0 {
		return nil
	}
	return c
}
