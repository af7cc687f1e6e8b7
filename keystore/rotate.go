package keystore

import (
	"errors"
	"fmt"

	"pksa/protocol/hive"
)

// Rotation is how the rotation of one key stands.
type Rotation struct {
	Account hive.AccountName
	Role    hive.Role
	Key     hive.PublicKey // that signs
	Before  hive.PublicKey // that signed before and is kept, unused
}

// What can go wrong with a rotation.
var (
	// ErrRotating means that a rotation of the key is under way, with another new key.
	ErrRotating = errors.New("a rotation of this key is under way: end it first")
	// ErrNotRotating means that no rotation of the key is under way.
	ErrNotRotating = errors.New("no rotation of this key is under way")
	// ErrIsBefore means that the key is the one that a rotation replaced.
	ErrIsBefore = errors.New("this is the key that the rotation replaced: undo the rotation to have it back")
)

// Rotate puts the one key of the batch in the place of the one that is kept for its account and
// role. That one stays in the file and signs nothing, until [Store.FinishRotation] removes it or
// [Store.UndoRotation] puts it back. [Unchanged] means that the key was in its place already. The
// batch is wiped in any case.
//
// Errors are [ErrRotating], [ErrIsBefore], [ErrUnknownAccount], [ErrUnknownKey], and those of every
// change, see [Store.Add].
func (s *Store) Rotate(batch *Batch) (Change, error) {
	defer batch.Wipe()
	if len(batch.entries) != 1 {
		return Unchanged, ErrNoKeys
	}
	e := &batch.entries[0]
	err := s.modify(func(c *content) error {
		held, before, err := c.spots(e.account, e.role)
		if err != nil {
			return err
		}
		public := e.private.Public()
		switch {
		case (*held).Public() == public:
			return errNothing
		case *before != nil && (*before).Public() == public:
			return batch.complain(e, ErrIsBefore)
		case *before != nil:
			return batch.complain(e, ErrRotating)
		}
		*held, *before, e.private = e.private, *held, nil
		return nil
	})
	switch {
	case errors.Is(err, errNothing):
		return Unchanged, nil
	case err != nil:
		return Unchanged, err
	}
	return Replaced, nil
}

// UndoRotation puts the key back that a rotation replaced, and removes the one that took its place.
// Errors are [ErrNotRotating], [ErrUnknownAccount], [ErrUnknownKey], and those of every change, see
// [Store.Add].
func (s *Store) UndoRotation(account hive.AccountName, role hive.Role) error {
	return s.endRotation(account, role, func(held, before **hive.PrivateKey) {
		(*held).Wipe()
		*held = *before
	})
}

// FinishRotation removes the key that a rotation replaced. This cannot be undone. Errors are those
// of [Store.UndoRotation].
func (s *Store) FinishRotation(account hive.AccountName, role hive.Role) error {
	return s.endRotation(account, role, func(_, before **hive.PrivateKey) { (*before).Wipe() })
}

func (s *Store) endRotation(account hive.AccountName, role hive.Role, end func(held, before **hive.PrivateKey)) error {
	return s.modify(func(c *content) error {
		held, before, err := c.spots(account, role)
		if err != nil {
			return err
		}
		if *before == nil {
			return fmt.Errorf("%s/%s: %w", account, role, ErrNotRotating)
		}
		end(held, before)
		*before = nil
		c.dropEmpty(account)
		return nil
	})
}

// spots returns where the key of an account and role is, and where the one that it replaced is. The
// second may be empty, the first is not.
func (c *content) spots(account hive.AccountName, role hive.Role) (held, before **hive.PrivateKey, err error) {
	keys := c.accounts[account]
	if keys == nil {
		return nil, nil, fmt.Errorf("%q: %w", account, ErrUnknownAccount)
	}
	at, ok := place(role)
	if !ok || keys[at] == nil {
		return nil, nil, fmt.Errorf("%s/%s: %w", account, role, ErrUnknownKey)
	}
	if c.before[account] == nil {
		c.before[account] = new(ring)
	}
	return &keys[at], &c.before[account][at], nil
}

// dropEmpty forgets the place for replaced keys of an account that has none.
func (c *content) dropEmpty(account hive.AccountName) {
	if keys := c.before[account]; keys != nil && *keys == (ring{}) {
		delete(c.before, account)
	}
}

// rotations returns the rotations that are under way, by account and role.
func (c *content) rotations() []Rotation {
	var found []Rotation
	for _, account := range c.names() {
		keys := c.before[account]
		if keys == nil {
			continue
		}
		for i, role := range ringRoles {
			if keys[i] != nil {
				found = append(found, Rotation{account, role, c.accounts[account][i].Public(), keys[i].Public()})
			}
		}
	}
	return found
}

// Rotations returns the rotations that are under way, sorted by account and role.
func (s *Store) Rotations() []Rotation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]Rotation(nil), s.rotations...)
}

// Rotation returns the rotation of one key; false if none is under way.
func (s *Store) Rotation(account hive.AccountName, role hive.Role) (Rotation, bool) {
	for _, r := range s.Rotations() {
		if r.Account == account && r.Role == role {
			return r, true
		}
	}
	return Rotation{}, false
}
