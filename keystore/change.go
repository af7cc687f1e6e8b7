package keystore

import (
	"errors"
	"fmt"
	"path/filepath"

	"pksa/protocol/hive"
)

// AddOptions say how [Store.Add] meets keys that are kept already.
type AddOptions struct {
	// Replace lets a key take the place of another one, and passes over keys that are kept already.
	Replace bool
}

// Added says what [Store.Add] did.
type Added struct {
	New       int // keys in places that were empty
	Replaced  int // keys in the place of other ones
	Unchanged int // keys that were kept already
}

// Add imports all keys of the batch in one replacement of the file, or none: with any complaint the
// error is [Complaints] with all of them ([ErrSameKey] and [ErrOtherKey], unless opts.Replace), and
// the file stands. The batch is used up and wiped.
//
// What any change can give: [ErrReadOnly], [ErrBusy], [ErrLockMismatch], [ErrInDoubt], errors of
// the file system, and those of [Open], because each change starts from what the file holds at that
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

// errNothing ends a change that would change nothing: the file is not rewritten.
var errNothing = errors.New("nothing to change")

// applyTo puts the batch's keys into c, which takes them over.
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
		switch {
		case old == nil:
			added.New++
		case old.Public() == e.private.Public() && opts.Replace:
			added.Unchanged++
			continue
		case old.Public() == e.private.Public():
			complaints = append(complaints, b.complain(e, ErrSameKey))
			continue
		case opts.Replace:
			added.Replaced++
			old.Wipe()
		default:
			complaints = append(complaints, b.complain(e, ErrOtherKey))
			continue
		}
		keys[at], e.private = e.private, nil
	}
	return added, complaints.asError()
}

// Import adds one key given in WIF: [KeyOf] and [Store.Add] without options. wif stays the
// caller's.
func (s *Store) Import(account hive.AccountName, role hive.Role, wif []byte) error {
	batch, err := KeyOf(account, role, wif)
	if err != nil {
		return err
	}
	_, err = s.Add(batch, AddOptions{})
	return err
}

// ImportPassword adds the keys of these roles derived from a master password: [KeysFromPassword]
// and [Store.Add] without options. The password stays the caller's and is not kept.
func (s *Store) ImportPassword(account hive.AccountName, roles []hive.Role, password []byte) error {
	batch, err := KeysFromPassword(account, roles, password)
	if err != nil {
		return err
	}
	_, err = s.Add(batch, AddOptions{})
	return err
}

// Remove removes an account's key of one role; with its last key the account is gone. Errors are
// [ErrUnknownAccount], [ErrUnknownKey], and what any change can give, see [Store.Add].
func (s *Store) Remove(account hive.AccountName, role hive.Role) error {
	return s.modify(func(c *content) error {
		keys := c.accounts[account]
		if keys == nil {
			return fmt.Errorf("removing %q: %w", account, ErrUnknownAccount)
		}
		at, ok := place(role)
		if !ok || keys[at] == nil {
			return fmt.Errorf("removing %s/%s: %w", account, role, ErrUnknownKey)
		}
		keys[at].Wipe()
		keys[at] = nil
		if *keys == (ring{}) {
			delete(c.accounts, account)
		}
		return nil
	})
}

// RemoveAccount removes all keys of an account. Errors are [ErrUnknownAccount] and what any change
// can give, see [Store.Add].
func (s *Store) RemoveAccount(account hive.AccountName) error {
	return s.modify(func(c *content) error {
		keys := c.accounts[account]
		if keys == nil {
			return fmt.Errorf("removing %q: %w", account, ErrUnknownAccount)
		}
		keys.wipe()
		delete(c.accounts, account)
		return nil
	})
}

// ChangeLock locks the file by what unlock holds from now on, and to these recovery recipients, as
// [Create] does; the recovery recipients until now are dropped unless named again. Copies and
// backups of the file open as before.
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

// modifyLock is every change: under the lock of the file it reads what is there now, edits it and
// replaces the file; only then the store takes it over. newUnlock, which it takes over, is nil to
// keep the lock.
func (s *Store) modifyLock(newUnlock *opener, edit func(*content) error) error {
	s.change.Lock()
	defer s.change.Unlock()
	held, err := s.heldUnlock()
	if err != nil {
		return err
	}
	if held == nil {
		return fmt.Errorf("keystore %q: %w", s.path, ErrReadOnly)
	}
	real, err := filepath.EvalSymlinks(s.path) // the file behind a link is replaced, not the link
	if err != nil {
		return fmt.Errorf("opening keystore: %w", err)
	}
	release, err := lockFile(real)
	if err != nil {
		return err
	}
	defer release()
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
	if newUnlock != nil {
		s.setUnlock(next)
	}
	s.adopt(c)
	return nil
}
