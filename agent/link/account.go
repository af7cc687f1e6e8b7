package link

import (
	"cmp"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Account is one account of a wallet that a link serves.
type Account struct {
	Name hive.AccountName
	// KeyType is the role of the key that Prove uses: the lowest of memo, posting and active that
	// is held. No other key of the account makes proofs: each one that does tells the relay which
	// keys are held here (HAS §13.5).
	KeyType hive.Role
	// Prove returns a proof of key: an encrypted memo of text, which begins with '#', from the
	// account's key to the relay's (HAS §8.4). It is called concurrently and must not wait for
	// anything. Its error is logged, and must not hold secrets.
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

// entry is the state of one account of a link. Link.mu guards it.
type entry struct {
	account Account

	// On this connection.
	state      state
	wasAsked   bool      // a register_req has been sent
	hadRequest bool      // a request has come for it
	sentAt     time.Time // of the outstanding register_req

	// Over all connections.
	due    time.Time // when it is asked again, alone, if it is parked
	pause  *backoff.ExponentialBackOff
	reason string    // why it is not registered: the relay's words, or ours; empty if it is
	since  time.Time // of the first failure
	tries  int       // that failed

	// Its requests.
	inFlight int
	bytes    int // of their frames
	limit    shared
	busy     shared      // of those above limit, whose applications are told so
	aside    int         // tokens of limit that are set aside
	waiting  []chan bool // who waits for one of them, the first one first
	held     bucket      // of those that nothing opens and that are kept

	queue       []queued // those that are not worked on yet, the first one first
	atWork      int      // how many are
	bytesAtWork int      // of their frames
}

// SetAccounts replaces the accounts of the link: all of them or, with an error, none. It may be
// called at any time and concurrently, and is cheap for accounts that stay.
//
// New accounts are registered on the live connection, and so are those that the relay had refused.
// An account that is registered stays registered, also if another key proves it from now on.
//
// HAS has no way to unregister. From the moment of the call requests for a removed account are
// dropped ([DropForeign]), and answers for it fail with [ErrNotConnected]. The relay may go on
// sending them until the connection ends. The connection is not ended for it, because all other
// accounts would have to register again.
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

	// Everything was checked before: from here on nothing can fail, so that no call changes half.
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
	// Relays ignore a second registration (HAS §4.2) and check the proof of each answer against the
	// keys of the account, so a registered account needs no other one for its new key. A parked
	// account may have failed because of its old key: it is asked again at once.
	e.account = a
	if e.state == parked {
		e.pause, e.reason, e.tries = nil, "", 0
		l.reg.remove(e)
		l.reg.add(e)
	}
}

// sortedLocked returns the entries by name, so that the order of registration is the same each
// time.
func (l *Link) sortedLocked() []*entry {
	entries := make([]*entry, 0, len(l.accounts))
	for _, e := range l.accounts {
		entries = append(entries, e)
	}
	sorts.By(entries, func(a, b *entry) int { return cmp.Compare(a.account.Name, b.account.Name) })
	return entries
}
