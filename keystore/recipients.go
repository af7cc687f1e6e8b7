package keystore

import (
	"errors"
	"fmt"
	"slices"

	"pksa/protocol/hive"
)

// What can go wrong with recipients, and with a lock that is changed without the old one.
var (
	// ErrNoRecipients means that the file is locked by a passphrase, beside which the age format
	// allows no recipients.
	ErrNoRecipients = errors.New("the keystore is locked by a passphrase, and nothing else can stand beside one")
	// ErrNotRecipient means that the file is not locked to the recipient.
	ErrNotRecipient = errors.New("the keystore is not locked to this recipient")
	// ErrOwnRecipient means that the recipient is of what opens the file now.
	ErrOwnRecipient = errors.New("this recipient is of what opens the keystore now")
	// ErrChanged means that the file is not the one that this store has read last.
	ErrChanged = errors.New("it was changed since this process read it, and a new lock would undo that: whoever " +
		"changed it can open it; or put the file back that was there before")
)

// Recipients returns the age recipients to which the file is locked, those of the identities first;
// none for a passphrase.
func (s *Store) Recipients() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.recipients)
}

// Owns reports whether a recipient is of what opened the store. It is not once that was forgotten.
func (s *Store) Owns(text string) bool {
	held, err := s.heldUnlock()
	return err == nil && held != nil && slices.Contains(held.recipients, text)
}

// Others returns the recipients beside those of what opened the store, such as that of a key kept
// offline. It returns none if the content does not name what opened it, as after another program
// locked the file: nobody knows then who is to open it.
func (s *Store) Others() []string {
	all := s.Recipients()
	others := slices.DeleteFunc(slices.Clone(all), s.Owns)
	if len(others) == len(all) {
		return nil
	}
	return others
}

// AddRecipient lets the identity of this recipient (age1…) open the file, too. It returns false if
// it could before. Errors are [ErrNoRecipients], [ErrBadLock], and those of every change, see
// [Store.Add].
func (s *Store) AddRecipient(text string) (added bool, err error) {
	if _, err := parseRecipient(text); err != nil {
		return false, fmt.Errorf("%w: %w", ErrBadLock, err)
	}
	err = s.modify(func(c *content) error {
		switch {
		case len(c.recipients) == 0:
			return ErrNoRecipients
		case slices.Contains(c.recipients, text):
			return errNothing
		}
		c.recipients = append(c.recipients, text)
		return nil
	})
	if errors.Is(err, errNothing) {
		return false, nil
	}
	return err == nil, err
}

// RemoveRecipient locks the file so that the identity of this recipient opens it no more. Older
// copies of the file open as before. Errors are [ErrNoRecipients], [ErrNotRecipient],
// [ErrOwnRecipient], and those of every change, see [Store.Add].
func (s *Store) RemoveRecipient(text string) error {
	return s.modify(func(c *content) error {
		held, err := s.heldUnlock()
		if err != nil {
			return err
		}
		at := slices.Index(c.recipients, text)
		switch {
		case len(c.recipients) == 0:
			return ErrNoRecipients
		case at < 0:
			return ErrNotRecipient
		case held != nil && slices.Contains(held.recipients, text):
			return ErrOwnRecipient
		}
		c.recipients = slices.Delete(c.recipients, at, at+1)
		return nil
	})
}

// Relock locks the file by what unlock holds, and by nothing else, without what opens it now: it
// writes what this store holds. The file must be the one that the store has read or written last
// ([ErrChanged]), because nobody can look into another one. A store that forgot its unlock secret
// does not keep this one. Errors are [ErrBadLock], [ErrWeakPassphrase], and those of every change,
// see [Store.Add].
func (s *Store) Relock(unlock Unlock) error {
	recipients, err := unlock.open().lockWith(nil)
	if err != nil {
		return fmt.Errorf("locking keystore %q: %w", s.path, err)
	}
	s.change.Lock()
	defer s.change.Unlock()
	held, err := s.heldUnlock()
	if err != nil {
		return err
	}
	real, release, err := s.lockReal()
	if err != nil {
		return err
	}
	defer release()
	raw, err := readKeystoreFile(s.path)
	if err != nil {
		return fmt.Errorf("opening keystore: %w", err)
	}
	c, err := s.inMemory()
	if err != nil {
		return err
	}
	defer c.wipe()
	if digestOf(raw) != c.digest {
		return fmt.Errorf("keystore %q: %w", s.path, ErrChanged)
	}
	c.recipients = recipients
	if err := s.write(real, c, unlock.open()); err != nil {
		return fmt.Errorf("changing keystore %q: %w", s.path, err)
	}
	if held != nil {
		s.setUnlock(unlock.open().clone())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recipients, s.digest = c.recipients, c.digest
	return nil
}

// inMemory returns a copy of what the store holds, as it would be read from the file. The caller
// wipes it.
func (s *Store) inMemory() (*content, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.locked:
		return nil, ErrLocked
	}
	c := &content{ledgerID: s.ledger.id, ledgerKey: [32]byte(s.ledger.key.Reveal()), recipients: s.recipients,
		accounts: make(map[hive.AccountName]*ring), before: make(map[hive.AccountName]*ring), digest: s.digest}
	for account, keys := range s.keys {
		c.accounts[account] = new(ring)
		for i, key := range keys {
			if key == nil {
				continue
			}
			private, err := key.copied()
			if err != nil {
				c.wipe()
				return nil, err
			}
			c.accounts[account][i] = private
		}
	}
	for account, keys := range s.before {
		c.before[account] = new(ring)
		for i, private := range keys {
			if private != nil {
				c.before[account][i] = copyOf(private)
			}
		}
	}
	return c, nil
}

// copied returns a copy of the private key, for the file. The caller wipes it.
func (k *Key) copied() (*hive.PrivateKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.private == nil {
		return nil, ErrKeyGone
	}
	return copyOf(k.private), nil
}

// copyOf returns a key of its own. Its text is a copy that nobody wipes, as it is whenever a file
// is written, see the package comment.
func copyOf(key *hive.PrivateKey) *hive.PrivateKey {
	again, err := hive.ParseWIF(key.WIF())
	if err != nil {
		return nil // unreachable: key is not wiped
	}
	return again
}
