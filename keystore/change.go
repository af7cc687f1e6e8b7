package keystore

import (
	"errors"
	"fmt"
	"path/filepath"

	"pksa/protocol/hive"
)

// AddOptions is what [Store.Add] does about keys that are kept already.
type AddOptions struct {
	// Replace lets a key take the place of another one. A key that is kept already is no error.
	Replace bool
}

// Added is what [Store.Add] did.
type Added struct {
	New       int // keys in places that were empty
	Replaced  int // keys in the place of other ones
	Unchanged int // keys that were kept already
	// Keys says of each key what became of it, in the order of the batch.
	Keys []AddedKey
}

// AddedKey is one key of a batch and what became of it.
type AddedKey struct {
	Account hive.AccountName
	Role    hive.Role
	Change  Change
}

// Change is what became of a key.
type Change uint8

// What becomes of a key that is added.
const (
	New Change = iota
	Replaced
	Unchanged // this very key was kept already
)

// Add imports all keys of the batch in one replacement of the file, or none of them. If there is a
// complaint about any key, the error is [Complaints] with all complaints ([ErrOtherKey], unless
// opts.Replace), and the file stays as it is. A key that is kept already is no complaint: a list
// may be added twice. The batch is wiped in any case.
//
// Every change can return [ErrReadOnly], [ErrBusy], [ErrLockMismatch], [ErrInDoubt], errors of the
// file system, and those of [Open], because each change starts from what the file holds at that
// moment. After an error the store holds what it held.
func (s *Store) Add(batch *Batch, opts AddOptions) (Added, error) {
	defer batch.Wipe()
	if len(batch.entries) == 0 {
		return Added{}, ErrNoKeys
	}
	var added Added
	err := s.modify(func(c *content) error {
		var err error
		added, err = batch.applyTo(c, opts)
		if err == nil && added.New+added.Replaced == 0 {
			err = errNothing
		}
		return err
	})
	if errors.Is(err, errNothing) {
		return added, nil
	}
	if err != nil {
		return Added{}, err
	}
	return added, nil
}

// errNothing ends a change that would change nothing, so that the file is not rewritten.
var errNothing = errors.New("nothing to change")

// applyTo moves the keys of the batch into c, which owns them from then on.
func (b *Batch) applyTo(c *content, opts AddOptions) (Added, error) {
	var added Added
	var complaints Complaints
	for i := range b.entries {
		e := &b.entries[i]
		keys := c.accounts[e.account]
		if keys == nil {
			keys = new(ring)
			c.accounts[e.account] = keys
		}
		at, _ := place(e.role)
		old := keys[at]
		change := New
		switch {
		case old == nil:
			added.New++
		case old.Public() == e.private.Public():
			added.Unchanged++
			change = Unchanged
		case c.before[e.account] != nil && c.before[e.account][at] != nil:
			complaints = append(complaints, b.complain(e, ErrRotating))
			continue
		case opts.Replace:
			added.Replaced++
			change = Replaced
			old.Wipe()
		default:
			complaints = append(complaints, b.complain(e, ErrOtherKey))
			continue
		}
		added.Keys = append(added.Keys, AddedKey{e.account, e.role, change})
		if change != Unchanged {
			keys[at], e.private = e.private, nil
		}
	}
	return added, complaints.asError()
}

// Import adds one key, given in WIF, by [KeyOf] and [Store.Add] without options. wif stays the
// caller's.
func (s *Store) Import(account hive.AccountName, role hive.Role, wif []byte) error {
	batch, err := KeyOf(account, role, wif)
	if err != nil {
		return err
	}
	_, err = s.Add(batch, AddOptions{})
	return err
}

// Remove removes an account's key of one role, and the one that it replaced if it is being rotated.
// An account without keys is not kept. Errors are
// [ErrUnknownAccount], [ErrUnknownKey], and those of every change, see [Store.Add].
func (s *Store) Remove(account hive.AccountName, role hive.Role) error {
	return s.modify(func(c *content) error {
		held, before, err := c.spots(account, role)
		if err != nil {
			return fmt.Errorf("removing %w", err)
		}
		(*held).Wipe()
		(*before).Wipe()
		*held, *before = nil, nil
		c.dropEmpty(account)
		if *c.accounts[account] == (ring{}) {
			delete(c.accounts, account)
		}
		return nil
	})
}

// RemoveAccount removes all keys of an account. Errors are [ErrUnknownAccount] and those of every
// change, see [Store.Add].
func (s *Store) RemoveAccount(account hive.AccountName) error {
	return s.modify(func(c *content) error {
		keys := c.accounts[account]
		if keys == nil {
			return fmt.Errorf("removing %q: %w", account, ErrUnknownAccount)
		}
		keys.wipe()
		delete(c.accounts, account)
		if before := c.before[account]; before != nil {
			before.wipe()
			delete(c.before, account)
		}
		return nil
	})
}

// ChangeLock locks the file by what unlock holds from now on, and to these recovery recipients, as
// [Create] does. A recovery recipient that the file has now and that is not named again is dropped.
// Older copies and backups of the file open as before.
func (s *Store) ChangeLock(unlock Unlock, recovery ...string) error {
	recipients, err := unlock.open().lockWith(recovery)
	if err != nil {
		return fmt.Errorf("locking keystore %q: %w", s.path, err)
	}
	return s.modifyLock(unlock.open().clone(), func(c *content) error {
		c.recipients = recipients
		return nil
	})
}

func (s *Store) modify(edit func(*content) error) error { return s.modifyLock(nil, edit) }

// modifyLock makes every change. It takes the lock of the file, reads what the file holds now,
// edits that and replaces the file. newUnlock is nil to keep the lock; modifyLock owns it.
func (s *Store) modifyLock(newUnlock *opener, edit func(*content) error) error {
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
		return fmt.Errorf("keystore %q: %w", s.path, ErrReadOnly)
	}
	real, release, err := s.lockReal()
	if err != nil {
		return err
	}
	defer release()
	// Read under the lock: what another process has changed since this store was opened stays.
	c, err := s.reread(held)
	if err != nil {
		return err
	}
	defer clear(c.ledgerKey[:])
	if err := edit(c); err != nil {
		c.wipe()
		return err
	}
	next := held
	if newUnlock != nil {
		next = newUnlock
	}
	if err := s.write(real, c, next); err != nil {
		c.wipe()
		return fmt.Errorf("changing keystore %q: %w", s.path, err)
	}
	// Only now, when the file is on the disk. Until here an error leaves the store and its handles
	// as they were, and after ErrInDoubt the next change reads which of the two files there is.
	if newUnlock != nil {
		s.setUnlock(next)
	}
	s.adopt(c)
	return nil
}

// lockReal takes the lock of the file, and returns its path. The file behind a link is replaced,
// not the link: a home folder may be put together of links.
func (s *Store) lockReal() (path string, release func(), err error) {
	path, err = filepath.EvalSymlinks(s.path)
	if err != nil {
		return "", nil, fmt.Errorf("opening keystore: %w", err)
	}
	release, err = lockFile(path)
	return path, release, err
}
