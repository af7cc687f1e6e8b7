package memchain

import (
	"fmt"
	"slices"

	"pksa/protocol/hive"
)

// Account is what the chain knows of an account.
type Account struct {
	Name                   hive.AccountName
	Owner, Active, Posting hive.Authority
	Memo                   hive.PublicKey
	Witness                *hive.PublicKey // its signing key, null if it is retired; nil: no witness
	HIVE, HBD              int64           // balances in thousandths
	Credits                int64           // resource credits; 0 means plenty, negative none

	Recovery, Proxy hive.AccountName // either may be empty
	RecoveryChange  *RecoveryChange  // nil: none is under way
	PowerDown       int64            // millionths of VESTS that it is of in all; 0: none runs
	PowerDownPaid   int64            // of it
	NextPowerDown   hive.Time        // when the next part of it is paid
	Routes          []Route          // of the power-down
	Savings         []SavingsWithdrawal
}

// RecoveryChange is a change of the recovery account that takes 30 days.
type RecoveryChange struct {
	To hive.AccountName
	On hive.Time
}

// Route sends a part of a power-down to an account. Percent is in hundredths.
type Route struct {
	To      hive.AccountName
	Percent uint16
	Auto    bool // the part stays Hive Power
}

// SavingsWithdrawal is a payment from savings that takes three days. Memo may be any text.
type SavingsWithdrawal struct {
	ID     uint32
	To     hive.AccountName
	Amount int64 // thousandths of HBD
	Memo   string
	Pays   hive.Time
}

// account is an account of the chain, with its present balances.
type account struct{ Account }

const plenty = 1_000_000_000_000

// Single returns an authority of one key that suffices.
func Single(key hive.PublicKey) hive.Authority {
	return hive.Authority{WeightThreshold: 1, KeyAuths: []hive.KeyWeight{{Key: key, Weight: 1}}}
}

// Key returns the private key that [Chain.AddUser] gives an account. It derives from a text that
// stands here in plain sight.
func Key(name hive.AccountName, role hive.Role) *hive.PrivateKey {
	return hive.PrivateKeyFromSeed(fmt.Sprintf("nodetest %s %s", name, role))
}

// AddUser adds an account with the keys of [Key] and 1000 HIVE and HBD.
func (c *Chain) AddUser(name hive.AccountName) {
	key := func(role hive.Role) hive.PublicKey { return Key(name, role).Public() }
	c.AddAccount(Account{
		Name: name, Owner: Single(key(hive.Owner)), Active: Single(key(hive.Active)),
		Posting: Single(key(hive.Posting)),
		Memo:    key(hive.Memo), HIVE: 1_000_000, HBD: 1_000_000,
	})
}

// AddAccount adds an account, or replaces it with its balances.
func (c *Chain) AddAccount(a Account) {
	c.lock()
	defer c.mu.Unlock()
	if a.Credits == 0 {
		a.Credits = plenty
	}
	c.accounts[a.Name] = &account{a}
}

// Change changes an account and reports whether there is one.
func (c *Chain) Change(name hive.AccountName, change func(*Account)) bool {
	c.lock()
	defer c.mu.Unlock()
	a, ok := c.accounts[name]
	if ok {
		change(&a.Account)
	}
	return ok
}

// Account returns an account as it is now.
func (c *Chain) Account(name hive.AccountName) (Account, bool) {
	c.lock()
	defer c.mu.Unlock()
	a, ok := c.accounts[name]
	if !ok {
		return Account{}, false
	}
	return a.Account, true
}

// authority returns the authority that counts for a role of the account.
func (a *account) authority(role hive.Role) *hive.Authority {
	switch role {
	case hive.Owner:
		return &a.Owner
	case hive.Active:
		return &a.Active
	}
	return &a.Posting
}

// The limits with which a node looks at one authority (hive/protocol/config.hpp).
const (
	maxDepth      = 2   // HIVE_MAX_SIG_CHECK_DEPTH
	maxLookUps    = 125 // HIVE_MAX_SIG_CHECK_ACCOUNTS, the account itself included
	maxMembership = 40  // HIVE_MAX_AUTHORITY_MEMBERSHIP
)

// verification looks whether the keys that signed a transaction satisfy authorities, as the class
// sign_state of hived does: step by step, since what it leaves out once a limit is reached follows
// from the order.
type verification struct {
	chain    *Chain
	inner    hive.Role // whose authority of other accounts counts
	keys     []hive.PublicKey
	approved map[hive.AccountName]bool
	lookUps  int
}

// verifyLocked begins a verification of authorities of a role. Nested accounts count with their
// posting authority for posting and with their active one for the rest (tx §2.6).
func (c *Chain) verifyLocked(role hive.Role, keys []hive.PublicKey) *verification {
	inner := hive.Active
	if role == hive.Posting {
		inner = hive.Posting
	}
	return &verification{chain: c, inner: inner, keys: keys, approved: map[hive.AccountName]bool{}}
}

// satisfied reports whether the keys reach the threshold of an account's authority. Only this role
// counts, since hardfork 28.
func (v *verification) satisfied(name hive.AccountName, role hive.Role) bool {
	a, ok := v.chain.accounts[name]
	if !ok {
		return false
	}
	if role == v.inner && v.approved[name] {
		return true
	}
	v.lookUps = 1
	return v.reaches(a.authority(role), 0)
}

// reaches reports whether the keys reach the threshold of an authority.
func (v *verification) reaches(authority *hive.Authority, depth int) bool {
	var sum uint64
	members := 0
	for _, k := range authority.KeyAuths {
		if slices.Contains(v.keys, k.Key) {
			if sum += uint64(k.Weight); sum >= uint64(authority.WeightThreshold) {
				return true
			}
		}
		if members++; members >= maxMembership {
			return false
		}
	}
	for _, other := range authority.AccountAuths {
		if !v.approved[other.Account] {
			if depth == maxDepth {
				continue
			}
			if v.lookUps >= maxLookUps {
				return false
			}
			v.lookUps++
			a, ok := v.chain.accounts[other.Account]
			v.approved[other.Account] = ok && v.reaches(a.authority(v.inner), depth+1)
		}
		if v.approved[other.Account] {
			if sum += uint64(other.Weight); sum >= uint64(authority.WeightThreshold) {
				return true
			}
		}
		if members++; members >= maxMembership {
			return false
		}
	}
	return sum >= uint64(authority.WeightThreshold)
}
