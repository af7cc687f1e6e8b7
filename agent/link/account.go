package link

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"pksa/protocol/hive"
)

// Account is one account that a link serves.
type Account struct {
	Name hive.AccountName
	// KeyType is the role of the key that Prove uses: the lowest of memo, posting and active that
	// is held. Only that key ever proves; which one it is tells the relay enough (HAS §13.5).
	KeyType hive.Role
	// Prove makes a proof of key: an encrypted memo of text, which begins with '#', from the
	// account's key to the relay's (HAS §8.4). It is called concurrently and must not block on
	// anything but computing. An error of it is logged; it must not hold secrets.
	Prove func(relay hive.PublicKey, text string) (string, error)
}

func (a Account) check() error {
	if _, err := hive.ParseAccountName(string(a.Name)); err != nil {
		return fmt.Errorf("account %q: %w", clip(string(a.Name)), err)
	}
	if a.KeyType != hive.Memo && a.KeyType != hive.Posting && a.KeyType != hive.Active {
		return fmt.Errorf("account %s: a proof of key needs memo, posting or active, not %s", a.Name, a.KeyType)
	}
	if a.Prove == nil {
		return fmt.Errorf("account %s: no way to prove its key", a.Name)
	}
	return nil
}

// entry is what a link knows of one account. Link.mu guards it.
type entry struct {
	account Account

	// This connection.
	state      state
	wasAsked   bool      // a register_req has been sent
	hadRequest bool      // a request has come for it
	sentAt     time.Time // of the outstanding register_req

	// Over all connections.
	due    time.Time // when a parked one is asked again, alone
	pause  *backoff.ExponentialBackOff
	reason string // why it is not registered, as the relay or our key says
	since  time.Time
	tries  int

	// Its requests.
	inFlight int
	limit    bucket
}

// SetAccounts replaces the accounts of the link: all of them or, with an error, none. It may be
// called at any time, and is cheap for those that stay.
//
// New accounts are registered on the live connection, and so is one that the relay had refused. One
// that is registered stays so if another key proves it from now on. HAS knows no way to unregister:
// from the moment of the call requests for a removed account are dropped (DropForeign) and answers
// for it fail with ErrNotConnected, but the relay may go on sending until the connection ends,
// which is not ended for it: everybody else would have to register again.
func (l *Link) SetAccounts(accounts []Account) error {
	wanted := make(map[hive.AccountName]bool, len(accounts))
	for _, a := range accounts {
		if err := a.check(); err != nil {
			return err
		}
		if wanted[a.Name] {
			return fmt.Errorf("account %s: given twice", a.Name)
		}
		wanted[a.Name] = true
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	for name, e := range l.accounts {
		if !wanted[name] {
			l.reg.remove(e)
			delete(l.accounts, name)
		}
	}
	for _, a := range accounts {
		l.setAccountLocked(a)
	}
	l.wakeRegistrar()
	return nil
}

func (l *Link) setAccountLocked(a Account) {
	e := l.accounts[a.Name]
	if e == nil {
		e = &entry{account: a}
		l.accounts[a.Name] = e
		l.reg.add(e)
		return
	}
	// One that is registered stays so when another key proves it from now on: relays ignore a
	// second registration (HAS §4.2) and judge each answer's proof by the account's keys.
	e.account = a
	if e.state == parked {
		e.pause, e.reason, e.tries = nil, "", 0
		l.reg.remove(e)
		l.reg.add(e)
	}
}

// sortedLocked returns the entries by name: the order of registration is the same each time.
func (l *Link) sortedLocked() []*entry {
	entries := make([]*entry, 0, len(l.accounts))
	for _, e := range l.accounts {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.account.Name, b.account.Name) })
	return entries
}
