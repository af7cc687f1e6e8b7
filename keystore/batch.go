package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// Batch is a list of keys to be imported, checked as far as that is possible without a keystore. It
// is made by [KeyOf], [ReadKeyLines], [ReadKeysJSON] or [KeysFromPassword]. [Batch.Check] compares
// it with the chain, and [Store.Add] imports it and wipes it. A batch that is not added is wiped by
// [Batch.Wipe]. It must not be used concurrently, and cannot be printed.
type Batch struct {
	secret.Redacted
	file    string // where the keys came from, for complaints
	entries []entry
	hint    string
	skipped []string
}

type entry struct {
	line    int
	account hive.AccountName
	role    hive.Role
	private *hive.PrivateKey // nil once the keystore took it over
}

// Checker returns the roles that a public key has on the chain in an account: the authorities that
// list it, and memo if it is the memo key. A key without a role is no error.
type Checker func(ctx context.Context, account hive.AccountName, public hive.PublicKey) ([]hive.Role, error)

// KeyOf returns a batch of one key, given in WIF; white space around it does not count. Errors are
// [ErrOwnerKey], [ErrBadRole], [ErrBadAccount] and [ErrMalformedKey]; none repeats the text. wif
// stays the caller's.
func KeyOf(account hive.AccountName, role hive.Role, wif []byte) (*Batch, error) {
	b := new(Batch)
	if err := b.add(0, account, role, wif); err != nil {
		return nil, Complaint{Key: keyName(account, role), Err: err}
	}
	return b, nil
}

// Hint returns advice to show to a person, or an empty text. The advice is that a master password
// has white space which hive-js, and the wallets built on it, treat differently, so that they
// derive other keys from it.
func (b *Batch) Hint() string { return b.hint }

// Skipped returns what [ReadKeysJSON] passed over because it is no key but the placeholder of an
// example, one line of text for each.
func (b *Batch) Skipped() []string { return b.skipped }

// Accounts returns the accounts of the batch, each once, in the order of the list.
func (b *Batch) Accounts() []hive.AccountName {
	var accounts []hive.AccountName
	for _, e := range b.entries {
		if !slices.Contains(accounts, e.account) {
			accounts = append(accounts, e.account)
		}
	}
	return accounts
}

// Has reports whether the batch has a key for the role.
func (b *Batch) Has(role hive.Role) bool {
	return slices.ContainsFunc(b.entries, func(e entry) bool { return e.role == role })
}

// Leave wipes the keys of an account and takes them out of the batch. It returns how many there
// were.
func (b *Batch) Leave(account hive.AccountName) int {
	was := len(b.entries)
	b.entries = slices.DeleteFunc(b.entries, func(e entry) bool {
		if e.account == account {
			e.private.Wipe()
		}
		return e.account == account
	})
	return was - len(b.entries)
}

// Wipe overwrites the keys and empties the batch.
func (b *Batch) Wipe() {
	for _, e := range b.entries {
		e.private.Wipe()
	}
	b.entries = nil
}

// Check asks the checker about every key. The error is [Complaints] about all keys that are owner
// keys on the chain ([ErrOwnerKey]) or do not have the role under which they are to be kept
// ([ErrWrongRole]); or it is the first error of the checker itself.
func (b *Batch) Check(ctx context.Context, checker Checker) error {
	var complaints Complaints
	for i := range b.entries {
		e := &b.entries[i]
		roles, err := checker(ctx, e.account, e.private.Public())
		if err != nil {
			return fmt.Errorf("looking up the keys of %s: %w", e.account, err)
		}
		if err := b.checkRoles(e.role, roles); err != nil {
			complaints = append(complaints, b.complain(e, err))
		}
	}
	return complaints.asError()
}

func (b *Batch) checkRoles(role hive.Role, found []hive.Role) error {
	switch {
	case slices.Contains(found, hive.Owner):
		return ErrOwnerKey
	case slices.Contains(found, role):
		return nil
	case len(found) > 0:
		return fmt.Errorf("%w: there it is its %s key", ErrWrongRole, joinRoles(found))
	case b.hint != "":
		return fmt.Errorf("%w: %s", ErrWrongRole, b.hint)
	case role == hive.Signing:
		return fmt.Errorf("%w: it is no key of the account or its witness", ErrWrongRole)
	default:
		return fmt.Errorf("%w: it is no key of the account (the signing key of a witness has the role signing)",
			ErrWrongRole)
	}
}

func joinRoles(roles []hive.Role) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = role.String()
	}
	return strings.Join(names, " and ")
}

func (b *Batch) complain(e *entry, err error) Complaint {
	return Complaint{File: b.file, Line: e.line, Key: keyName(e.account, e.role), Err: err}
}

func keyName(account hive.AccountName, role hive.Role) string {
	if _, err := hive.ParseAccountName(string(account)); err != nil {
		return "" // the text may be a key in the wrong place, and is not shown
	}
	return string(account) + "/" + role.String()
}

// add checks one key and adds it to the batch.
func (b *Batch) add(line int, account hive.AccountName, role hive.Role, wif []byte) error {
	if err := checkPlace(account, role); err != nil {
		return err
	}
	key, err := parseKey(wif)
	if err != nil {
		return err
	}
	b.entries = append(b.entries, entry{line: line, account: account, role: role, private: key})
	return nil
}

func checkPlace(account hive.AccountName, role hive.Role) error {
	if _, err := hive.ParseAccountName(string(account)); err != nil {
		return ErrBadAccount
	}
	if role == hive.Owner {
		return ErrOwnerKey
	}
	if _, ok := place(role); !ok {
		return ErrBadRole
	}
	return nil
}

// errRepeated means that two lines name one account and role, with the same key or another.
var errRepeated = errors.New("this account and role came before")

// repeated returns a complaint about each entry whose account and role an earlier entry has.
func (b *Batch) repeated() Complaints {
	type spot struct {
		account hive.AccountName
		role    hive.Role
	}
	first := make(map[spot]int, len(b.entries))
	var complaints Complaints
	for i := range b.entries {
		e := &b.entries[i]
		at := spot{e.account, e.role}
		if line, ok := first[at]; ok {
			complaints = append(complaints, b.complain(e, fmt.Errorf("%w, in line %d", errRepeated, line)))
			continue
		}
		first[at] = e.line
	}
	return complaints
}

// parseKey reads a WIF. Its error says what the text is instead, as far as that can be seen, and
// does not repeat it.
func parseKey(wif []byte) (*hive.PrivateKey, error) {
	text := string(bytes.TrimSpace(bytes.TrimPrefix(wif, []byte(utf8Mark))))
	key, err := hive.ParseWIF(text)
	switch {
	case err == nil:
		return key, nil
	case isPublicKey(text):
		return nil, fmt.Errorf("%w: this is a public key", ErrMalformedKey)
	case strings.HasPrefix(text, "P5"):
		return nil, fmt.Errorf("%w: %w; import it as one", ErrMalformedKey, ErrIsPassword)
	default:
		return nil, ErrMalformedKey
	}
}

func isPublicKey(text string) bool {
	_, err := hive.ParsePublicKey(text)
	return err == nil
}

// likeWIF matches a WIF, also one with typing errors.
var likeWIF = regexp.MustCompile(`^5[1-9A-HJ-NP-Za-km-z]{49,51}$`)

// KeysFromPassword returns a batch of the keys of these roles, derived from a master password: the
// SHA-256 of account, role and password joined (chain §1.3). Neither the password nor anything else
// derived from it is kept; password stays the caller's.
//
// [ErrBadPassword] names the reason: the password is empty, or a public key, or a private key in
// WIF, which is recognised even with a typing error in it. White space in the password counts as it
// stands; see [Batch.Hint].
func KeysFromPassword(account hive.AccountName, roles []hive.Role, password []byte) (*Batch, error) {
	if len(roles) == 0 {
		return nil, ErrNoKeys
	}
	if err := checkPassword(string(password)); err != nil {
		return nil, err
	}
	b := &Batch{hint: passwordHint(string(password))}
	for i, role := range roles {
		err := checkPlace(account, role)
		if err == nil && role == hive.Signing {
			err = ErrNotDerived
		}
		if err == nil && slices.Contains(roles[:i], role) {
			err = fmt.Errorf("%w: named twice", ErrBadRole)
		}
		if err != nil {
			b.Wipe()
			return nil, Complaint{Key: keyName(account, role), Err: err}
		}
		key := hive.PrivateKeyFromPassword(account, role, string(password))
		b.entries = append(b.entries, entry{account: account, role: role, private: key})
	}
	return b, nil
}

func checkPassword(password string) error {
	switch text := strings.TrimSpace(password); {
	case text == "":
		return fmt.Errorf("%w: it is empty", ErrBadPassword)
	case likeWIF.MatchString(text):
		return fmt.Errorf("%w: %w; import it as such", ErrBadPassword, ErrIsKey)
	case isPublicKey(text):
		return fmt.Errorf("%w: this is a public key", ErrBadPassword)
	case !utf8.ValidString(password):
		return fmt.Errorf("%w: it is not UTF-8", ErrBadPassword)
	}
	return nil
}

// squeezed matches what hive-js changes in the joined text: it makes one blank of several white
// spaces and trims the end. The beginning is the name of the account.
var squeezed = regexp.MustCompile(`[\t\n\v\f\r]|  |[\s\x{00a0}\x{feff}\x{2028}\x{2029}\p{Zs}]$`)

func passwordHint(password string) string {
	if !squeezed.MatchString(password) {
		return ""
	}
	return "the password has white space that wallets built on hive-js squeeze to single blanks, so that they " +
		"derive other keys: " +
		"if the account was made with one of those, give the password squeezed, or import its keys one by one"
}
