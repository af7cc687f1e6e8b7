package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"pksa/keystore/durable"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// maxFile bounds the file that is read: 10,000 accounts with three keys each are 2 MiB.
const maxFile = 64 << 20

// Store is an opened keystore. All methods may be called concurrently. It cannot be printed.
type Store struct {
	secret.Redacted
	path   string // as given; links are followed anew at each reading
	disk   durable.Disk
	ledger *ledgerKeys // never changes

	change sync.Mutex // held through a change or reload, so that those of one Store queue

	mu         sync.RWMutex // guards what follows
	unlock     *opener      // nil when forgotten
	recipients []string
	keys       map[hive.AccountName]*handles
	closed     bool
}

// handles are the keys of one account, at the place of their role.
type handles [len(ringRoles)]*Key

// Create makes a keystore without keys and with a new ledger id and sealing key. It is locked by
// what unlock holds: by the passphrase (scrypt, work factor 15), or to its identities' recipients.
// Recovery recipients (age1…) can open it as well, and are kept across changes; beside a passphrase
// the age format allows none ([ErrBadLock]).
//
// The folder must exist and be writable by its owner alone. A file of that name is never
// overwritten: [ErrExists].
func Create(path string, unlock Unlock, recovery ...string) (*Store, error) {
	recipients, err := unlock.open().lockWith(recovery)
	if err != nil {
		return nil, fmt.Errorf("creating keystore %q: %w", path, err)
	}
	if err := checkFolder(folderOf(path)); err != nil {
		return nil, fmt.Errorf("creating keystore %q: %w", path, err)
	}
	release, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("creating keystore %q: %w", path, ErrExists)
	}
	c := newContent()
	defer clear(c.ledgerKey[:])
	c.recipients = recipients
	s := newStore(path, c)
	if err := s.write(path, c, unlock.open()); err != nil {
		return nil, fmt.Errorf("creating keystore %q: %w", path, err)
	}
	s.unlock = unlock.open().clone()
	s.adopt(c)
	return s, nil
}

// Open reads the keystore at path. The unlock secret is kept, for changes, until
// [Store.ForgetUnlock] or [Store.Close]; the caller may wipe its own. Reading takes no lock: the
// file is only ever replaced whole.
//
// Errors: *[PermissionError], [ErrWrongPassphrase], [ErrWrongIdentity], [ErrWrongLock],
// [ErrDamaged], [ErrNewerVersion], and fs.ErrNotExist.
func Open(path string, unlock Unlock) (*Store, error) {
	c, err := readContent(path, unlock.open())
	if err != nil {
		return nil, err
	}
	defer clear(c.ledgerKey[:])
	s := newStore(path, c)
	s.unlock = unlock.open().clone()
	s.adopt(c)
	return s, nil
}

func newStore(path string, c *content) *Store {
	return &Store{path: path, disk: durable.System(), ledger: newLedgerKeys(c.ledgerID, c.ledgerKey)}
}

func readContent(path string, unlock *opener) (*content, error) {
	raw, err := readKeystoreFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening keystore: %w", err)
	}
	plain, err := unlock.decrypt(raw)
	if err != nil {
		return nil, fmt.Errorf("opening keystore %q: %w", path, err)
	}
	defer clear(plain)
	c, err := decodeContent(plain)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, ErrNewerVersion):
		return nil, fmt.Errorf("opening keystore %q: %w", path, err)
	default:
		return nil, fmt.Errorf("opening keystore %q: %w: it opens, but its content was edited to what cannot be "+
			"read: %w", path, ErrDamaged, err)
	}
}

func readKeystoreFile(path string) ([]byte, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(folderOf(real)); err != nil {
		return nil, err
	}
	f, info, err := openChecked(real, owned.checkFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%q has %d bytes: %w", path, info.Size(), ErrDamaged)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// Reload reads the file again, as after another process changed it: keys that are new get handles,
// handles of keys that are gone end, all others go on. If anything is wrong, the store stays as it
// was. The unlock secret may differ from the last one; a store that has forgotten its own keeps
// this one no longer than the call.
//
// Errors are those of [Open], and [ErrOtherLedger].
func (s *Store) Reload(unlock Unlock) error {
	s.change.Lock()
	defer s.change.Unlock()
	held, err := s.heldUnlock()
	if err != nil {
		return err
	}
	c, err := s.reread(unlock.open())
	if err != nil {
		return err
	}
	defer clear(c.ledgerKey[:])
	if held != nil {
		s.setUnlock(unlock.open().clone())
	}
	s.adopt(c)
	return nil
}

// reread reads the file and makes sure that it is still the same keystore. The caller clears the
// sealing key of the result.
func (s *Store) reread(unlock *opener) (*content, error) {
	c, err := readContent(s.path, unlock)
	if err != nil {
		return nil, err
	}
	again := newLedgerKeys(c.ledgerID, c.ledgerKey)
	if again.id != s.ledger.id || string(again.mac) != string(s.ledger.mac) {
		c.wipe()
		return nil, fmt.Errorf("opening keystore %q: %w", s.path, ErrOtherLedger)
	}
	return c, nil
}

// adopt makes the keys of c those of the store. c is used up.
func (s *Store) adopt(c *content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.wipe()
		return
	}
	old := s.keys
	s.keys = make(map[hive.AccountName]*handles, len(c.accounts))
	for account, keys := range c.accounts {
		s.keys[account] = mergeHandles(account, keys, old[account])
	}
	for account, keys := range old {
		now := s.keys[account]
		for i, key := range keys {
			if key != nil && (now == nil || now[i] != key) {
				key.end()
			}
		}
	}
	s.recipients = c.recipients
}

// write locks c and puts it in the place of path. Before anything is touched it makes sure that
// what it is about to write can be opened with the very secret that the owner uses.
func (s *Store) write(path string, c *content, unlock *opener) error {
	plain := c.encode()
	defer clear(plain)
	data, err := unlock.encrypt(plain, c.recipients)
	if err != nil {
		return err
	}
	again, err := unlock.decrypt(data)
	defer clear(again)
	if err != nil || !bytes.Equal(again, plain) {
		return ErrLockMismatch
	}
	return replace(s.disk, path, data)
}

// mergeHandles keeps the handles whose key has not changed, with the secrets that they have
// computed.
func mergeHandles(account hive.AccountName, keys *ring, old *handles) *handles {
	merged := new(handles)
	for i, private := range keys {
		switch {
		case private == nil:
		case old != nil && old[i] != nil && old[i].public == private.Public():
			merged[i] = old[i]
			private.Wipe()
		default:
			merged[i] = newKey(account, ringRoles[i], private)
		}
	}
	return merged
}

// heldUnlock is the unlock secret, nil if it was forgotten.
func (s *Store) heldUnlock() (*opener, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	return s.unlock, nil
}

func (s *Store) setUnlock(unlock *opener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlock != nil {
		s.unlock.passphrase.Wipe()
	}
	s.unlock = unlock
}

// ForgetUnlock wipes the unlock secret. From then on the store is for reading only: changes give
// [ErrReadOnly]. A running agent calls it once it has opened the keystore.
func (s *Store) ForgetUnlock() {
	s.change.Lock() // a change at work still uses it
	defer s.change.Unlock()
	s.setUnlock(nil)
}

// Accounts are the accounts of which at least one key is kept, sorted by name.
func (s *Store) Accounts() []hive.AccountName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.keys))
}

// Roles are the roles of which a key of the account is kept, lowest first; empty for an unknown
// account.
func (s *Store) Roles(account hive.AccountName) []hive.Role {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var roles []hive.Role
	for i, role := range ringRoles {
		if keys := s.keys[account]; keys != nil && keys[i] != nil {
			roles = append(roles, role)
		}
	}
	return roles
}

// Public is the public key of an account's key; false if it is not kept.
func (s *Store) Public(account hive.AccountName, role hive.Role) (hive.PublicKey, bool) {
	key, ok := s.Key(account, role)
	if !ok {
		return hive.PublicKey{}, false
	}
	return key.public, true
}

// Key is the handle of an account's key; false if it is not kept.
func (s *Store) Key(account hive.AccountName, role hive.Role) (*Key, bool) {
	i, ok := place(role)
	if !ok {
		return nil, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	keys := s.keys[account]
	if keys == nil || keys[i] == nil {
		return nil, false
	}
	return keys[i], true
}

// LowestKey is the handle that proofs of key are made with: memo, else posting, else active (HAS
// §8.4); false for an unknown account.
func (s *Store) LowestKey(account hive.AccountName) (*Key, bool) {
	for _, role := range ringRoles {
		if key, ok := s.Key(account, role); ok {
			return key, true
		}
	}
	return nil, false
}

// Recipients are the age recipients to which the file is locked, those of the identities first;
// none for a passphrase.
func (s *Store) Recipients() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.recipients)
}

// Close wipes all private keys and the unlock secret, after calls at work have ended. Handles give
// [ErrKeyGone], changes [ErrClosed]. It may be called more than once.
func (s *Store) Close() {
	s.change.Lock()
	defer s.change.Unlock()
	s.setUnlock(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, keys := range s.keys {
		for _, key := range keys {
			if key != nil {
				key.end()
			}
		}
	}
	s.keys = nil
}
