package keystore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"pksa/keystore/access"
	"pksa/keystore/durable"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// maxFile bounds the file that is read. 10,000 accounts with three keys each are 2 MiB.
const maxFile = 64 << 20

// Store is an opened keystore. All methods may be called concurrently. It cannot be printed.
type Store struct {
	secret.Redacted
	path   string // as given; links are followed anew at each reading
	disk   durable.Disk
	ledger *ledgerKeys // never changes

	change sync.Mutex // held during a change or reload, so that only one runs at a time

	mu         sync.RWMutex // guards the fields below
	unlock     *opener      // nil once it was forgotten
	recipients []string
	keys       map[hive.AccountName]*handles
	before     map[hive.AccountName]*ring // what rotations replaced; it signs nothing
	rotations  []Rotation
	digest     [32]byte // of the file that was read or written last
	locked     bool     // no handle has its private key
	closed     bool
}

// handles is the keys of one account, indexed as ringRoles.
type handles [len(ringRoles)]*Key

// Create makes a keystore without keys and with a new ledger id and sealing key. It locks it by
// what unlock holds: by the passphrase (scrypt, work factor 15), or to the recipients of the
// identities. Recovery recipients (age1…) can open it as well, and are kept across changes. Beside
// a passphrase the age format allows no recipients ([ErrBadLock]). A passphrase that is too short
// is refused ([ErrWeakPassphrase]); files that have one open.
//
// The folder must exist and be writable by its owner alone. A file of that name is never
// overwritten ([ErrExists]).
func Create(path string, unlock Unlock, recovery ...string) (*Store, error) {
	recipients, err := unlock.open().lockWith(recovery)
	if err != nil {
		return nil, fmt.Errorf("creating keystore %q: %w", path, err)
	}
	if err := access.Folder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("creating keystore %q: %w", path, err)
	}
	release, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	defer release()
	// Looked at under the lock, which every program that makes or changes a keystore takes.
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

// Open reads the keystore at path. The store keeps a copy of the unlock secret for changes, until
// [Store.ForgetUnlock] or [Store.Close]; the caller may wipe its own. Reading takes no lock,
// because the file is only ever replaced whole.
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

func readContent(path string, unlock *opener) (c *content, err error) {
	apart(func() { c, err = readHere(path, unlock) })
	return c, err
}

// readHere does what readContent does, and leaves copies of keys on the stack.
func readHere(path string, unlock *opener) (*content, error) {
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
		c.digest = digestOf(raw)
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
	if err := access.Folder(filepath.Dir(real)); err != nil {
		return nil, err
	}
	f, info, err := access.Open(path, access.Kept)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%q has %d bytes: %w", path, info.Size(), ErrDamaged)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// Reload reads the file again, as after another process changed it. New keys get handles, handles
// of keys that are gone end, and all other handles stay as they are. After an error the store holds
// what it held. The unlock secret may differ from the last one. A store that has forgotten its own
// does not keep this one.
//
// Errors are those of [Open], [ErrOtherLedger] and [ErrLocked].
func (s *Store) Reload(unlock Unlock) error {
	s.change.Lock()
	defer s.change.Unlock()
	held, err := s.heldUnlock()
	if err != nil {
		return err
	}
	if s.Locked() {
		return ErrLocked
	}
	if held == nil {
		defer scrub() // soon: what a goroutine takes for its stack is out of reach
	}
	c, err := s.reread(unlock.open())
	if err != nil {
		return err
	}
	defer clear(c.ledgerKey[:])
	s.adopt(c)
	if held != nil {
		s.setUnlock(unlock.open().clone())
	}
	return nil
}

// Lock wipes all private keys, the shared secrets and the unlock secret, until [Store.Unlock]. It
// waits for calls that use them, and then overwrites memory that is free, where copies may be: see
// the package comment. Accounts, roles and public keys stay known, and so do the ledger's keys.
// Meanwhile handles and changes return [ErrLocked]. A locked store is locked again, and a closed
// one stays closed.
func (s *Store) Lock() {
	s.change.Lock()
	defer s.change.Unlock()
	s.setUnlock(nil)
	s.lockKeys()
	scrub()
}

func (s *Store) lockKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.locked = true
	for _, keys := range s.keys {
		for _, key := range keys {
			if key != nil {
				key.lock()
			}
		}
	}
	wipeRings(s.before)
	s.before = nil
}

// Locked reports whether the store is locked.
func (s *Store) Locked() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.locked
}

// Unlock reads the file again after [Store.Lock], with the keys as they are in it by now. Handles
// of keys that are kept work again. The store does not keep the unlock secret. After an error it is
// locked as before. A store that is not locked reads the file as [Store.Reload] does.
//
// Errors are those of [Open], [ErrOtherLedger] and [ErrClosed].
func (s *Store) Unlock(unlock Unlock) error {
	s.change.Lock()
	defer s.change.Unlock()
	if _, err := s.heldUnlock(); err != nil {
		return err
	}
	defer scrub() // after an error, too: what failed may have opened the file before
	c, err := s.reread(unlock.open())
	if err != nil {
		return err
	}
	defer clear(c.ledgerKey[:])
	s.adopt(c)
	return nil
}

// reread reads the file and makes sure that it is still the same keystore: a file put there from
// another home would make the ledger unreadable. The caller clears the sealing key of the result.
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

// adopt makes the keys of c the keys of the store, and owns c from then on. One lock covers all of
// it, so that nobody sees a part of a change.
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
		s.keys[account] = mergeHandles(keys, old[account])
	}
	for account, keys := range old {
		now := s.keys[account]
		for i, key := range keys {
			if key != nil && (now == nil || now[i] != key) {
				key.end()
			}
		}
	}
	s.locked = false
	s.recipients = c.recipients
	s.rotations, s.digest = c.rotations(), c.digest
	wipeRings(s.before)
	s.before = c.before
}

// write encrypts c and puts it in the place of path. The caller holds the lock of the file.
func (s *Store) write(path string, c *content, unlock *opener) (err error) {
	apart(func() { err = s.writeHere(path, c, unlock) })
	return err
}

func (s *Store) writeHere(path string, c *content, unlock *opener) error {
	plain := c.encode()
	defer clear(plain)
	data, err := unlock.encrypt(plain, c.recipients)
	if err != nil {
		return err
	}
	// Opened again before anything on the disk is touched: a change must not lock the owner out,
	// not even when the recipients in the content were edited.
	again, err := unlock.decrypt(data)
	defer clear(again)
	if failed, ok := errors.AsType[*PluginError](err); ok {
		return failed
	}
	if err != nil || !bytes.Equal(again, plain) {
		return ErrLockMismatch
	}
	c.digest = digestOf(data)
	return replace(s.disk, path, data)
}

func digestOf(file []byte) [32]byte { return sha256.Sum256(file) }

// mergeHandles returns the handles of an account. It keeps those whose key has not changed, with
// the shared secrets that they have computed.
func mergeHandles(keys *ring, old *handles) *handles {
	merged := new(handles)
	for i, private := range keys {
		switch {
		case private == nil:
		case old != nil && old[i] != nil && old[i].public == private.Public():
			merged[i] = old[i]
			old[i].revive(private)
		default:
			merged[i] = newKey(ringRoles[i], private)
		}
	}
	return merged
}

// heldUnlock returns the unlock secret, nil if it was forgotten.
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
		s.unlock.wipe()
	}
	s.unlock = unlock
}

// ForgetUnlock wipes the unlock secret, and overwrites what opening left of it and of keys in
// memory that is free. From then on the store is for reading only: changes return [ErrReadOnly]. A
// running agent calls it once it has opened the keystore.
func (s *Store) ForgetUnlock() {
	s.change.Lock() // a change that runs now still uses it
	defer s.change.Unlock()
	s.setUnlock(nil)
	scrub()
}

// Accounts returns the accounts of which at least one key is kept, sorted by name.
func (s *Store) Accounts() []hive.AccountName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.keys))
}

// Roles returns the roles of which a key of the account is kept, lowest first. It returns none for
// an unknown account.
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

// Public returns the public key of an account's key; false if the key is not kept.
func (s *Store) Public(account hive.AccountName, role hive.Role) (hive.PublicKey, bool) {
	key, ok := s.Key(account, role)
	if !ok {
		return hive.PublicKey{}, false
	}
	return key.public, true
}

// Key returns the handle of an account's key; false if the key is not kept.
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

// LowestKey returns the handle that makes proofs of key: memo, else posting, else active (HAS
// §8.4); false for an unknown account, and for one of which only a signing key is kept: that is no
// key of the account.
func (s *Store) LowestKey(account hive.AccountName) (*Key, bool) {
	for _, role := range ringRoles {
		if role == hive.Signing {
			continue
		}
		if key, ok := s.Key(account, role); ok {
			return key, true
		}
	}
	return nil, false
}

// Close wipes all private keys and the unlock secret. It waits for calls that use them. Afterwards
// handles return [ErrKeyGone], and changes [ErrClosed]. It may be called more than once.
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
	wipeRings(s.before)
	s.keys, s.before = nil, nil
}
