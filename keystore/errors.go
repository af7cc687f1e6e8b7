package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// What can go wrong with the file as a whole. After each of these the file on disk is as it was,
// save for [ErrInDoubt].
var (
	// ErrExists: Create found a file where the keystore should go.
	ErrExists = errors.New("a file of this name exists already: open it, or move it away first")
	// ErrWrongPassphrase: the passphrase does not open the file. A file altered in its first lines
	// looks the same.
	ErrWrongPassphrase = errors.New("wrong passphrase")
	// ErrWrongIdentity: no age identity that was given opens the file.
	ErrWrongIdentity = errors.New("no given age identity opens it: check that the identity file belongs to this " +
		"keystore")
	// ErrWrongLock: a passphrase was given for a file locked to age recipients, or the other way
	// round.
	ErrWrongLock = errors.New("the secret given is not of the kind that locks it")
	// ErrDamaged: the file is no keystore, or was truncated or altered.
	ErrDamaged = errors.New("not a whole keystore file: restore it from a backup")
	// ErrNewerVersion: the file was written by a later version of this program.
	ErrNewerVersion = errors.New("written by a newer version of this program: use that version")
	// ErrBusy: another process is changing the keystore.
	ErrBusy = errors.New("another process is changing it: try again when that has ended")
	// ErrInDoubt: the new file was written whole, but the system reported an error while it took
	// the old one's place or while that was made durable. The file is either the old one or the new
	// one, whole; only a power failure now could choose. Open it again to see which.
	ErrInDoubt = errors.New("the change may or may not have been kept: open the keystore again to see")
	// ErrLockMismatch: the content names another lock than the one that opens the file, so that a
	// rewrite could lock its owner out.
	ErrLockMismatch = errors.New("the file is locked in another way than its content says: set its lock again first")
	// ErrReadOnly: the store has forgotten how to open its file ([Store.ForgetUnlock]).
	ErrReadOnly = errors.New("opened for reading only: its unlock secret was forgotten")
	// ErrOtherLedger: the reread file is a keystore with another ledger, not a later state of this
	// one.
	ErrOtherLedger = errors.New("the file now holds another keystore, with another ledger: start anew to use it")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the keystore is closed")
	// ErrPlugin: an age plugin's identity or recipient.
	ErrPlugin = errors.New("age plugins and SSH keys are not supported here: use a native age identity or recipient " +
		"(age1…)")
	// ErrBadLock: the new lock cannot be made.
	ErrBadLock = errors.New("no such lock")
)

// What can go wrong with one key.
var (
	// ErrSameKey: this very key is kept already, nothing was to be done.
	ErrSameKey = errors.New("this key is kept already: nothing to do")
	// ErrOtherKey: another key stands in this place.
	ErrOtherKey = errors.New("another key is kept there: remove it first, or ask for it to be replaced")
	// ErrOwnerKey: owner keys are not kept.
	ErrOwnerKey = errors.New("an owner key is never kept here: keep it offline, and import posting, active or memo")
	// ErrMalformedKey: the text is no private key in WIF.
	ErrMalformedKey = errors.New("not a private key in WIF (51 characters, the first one 5): copy it again, whole")
	// ErrWrongRole: on chain the key does not have the role under which it was to be kept.
	ErrWrongRole = errors.New("the chain does not know this key in this role of the account")
	// ErrBadRole: no role that a key can be kept under.
	ErrBadRole = errors.New("not a role: memo, posting or active is wanted")
	// ErrBadAccount: the text is no account name.
	ErrBadAccount = errors.New("not an account name")
	// ErrUnknownAccount: no key of this account is kept.
	ErrUnknownAccount = errors.New("no key of this account is kept: check the name")
	// ErrUnknownKey: the account has no key of this role here.
	ErrUnknownKey = errors.New("no key of this role is kept for the account: check the role")
	// ErrKeyGone: the handle's key was removed, replaced, or the store closed.
	ErrKeyGone = errors.New("this key is no longer kept")
	// ErrBadPassword: the text cannot be a master password.
	ErrBadPassword = errors.New("not a master password")
	// ErrNoKeys: there was nothing to import.
	ErrNoKeys = errors.New("no keys to import")
)

// PermissionError reports a file or folder that others could read or change. It says which mode was
// found and which is wanted.
type PermissionError struct {
	Path   string
	Folder bool        // Path is a folder
	Mode   fs.FileMode // permission bits as found
	Want   fs.FileMode // permission bits that would do; zero when it is the owner that is wrong
	UID    uint32      // the owner as found
	Self   uint32      // the user that this process runs as
}

// Error says what was found and what to do.
func (e *PermissionError) Error() string {
	kind, danger := "file", "open to others"
	if e.Folder {
		kind, danger = "folder", "others can write in it"
	}
	if e.Want == 0 {
		return fmt.Sprintf("%s %q belongs to user %d: it must belong to user %d or to root", kind, e.Path, e.UID,
			e.Self)
	}
	return fmt.Sprintf("%s %q has mode %04o (%s), wanted is %04o: chmod %o %s", kind, e.Path, e.Mode, danger, e.Want,
		e.Want, e.Path)
}

// Complaint is one thing wrong with one key to be imported.
type Complaint struct {
	File string // empty for a key that came from no file
	Line int    // 1 for the first; 0 for a key that came from no file
	Key  string // "account/role" as far as known, else empty. Never anything that might be a secret
	Err  error
}

// Error is "file:line: account/role: cause".
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

// Unwrap is the cause.
func (c Complaint) Unwrap() error { return c.Err }

// Complaints is everything that is wrong with a batch of keys, in the order of the lines. errors.Is
// and errors.As look into each.
type Complaints []Complaint

// maxComplaints bounds the text, not the list: somebody who imports the wrong file of 10,000 lines
// wants to see a page.
const maxComplaints = 100

// Error has one line for each complaint, at most 100.
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

// Unwrap lists the complaints.
func (c Complaints) Unwrap() []error {
	errs := make([]error, len(c))
	for i := range c {
		errs[i] = c[i]
	}
	return errs
}

// sort orders by line, keeping the order within one.
func (c Complaints) sort() {
	slices.SortStableFunc(c, func(a, b Complaint) int { return a.Line - b.Line })
}

// asError is nil when there are no complaints.
func (c Complaints) asError() error {
	if len(c) == 0 {
		return nil
	}
	return c
}
