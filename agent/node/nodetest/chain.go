package nodetest

import (
	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// What the honest chain has is used as it is.
type (
	// Options make a [Chain].
	Options = memchain.Options
	// Account is what the chain knows of an account.
	Account = memchain.Account
	// RecoveryChange is a change of an account's recovery account.
	RecoveryChange = memchain.RecoveryChange
	// Route sends a part of a power-down to an account.
	Route = memchain.Route
	// SavingsWithdrawal is a payment from savings.
	SavingsWithdrawal = memchain.SavingsWithdrawal
)

// Single returns an authority of one key that suffices.
func Single(key hive.PublicKey) hive.Authority { return memchain.Single(key) }

// Key returns the private key that AddUser gives an account: in plain sight.
func Key(name hive.AccountName, role hive.Role) *hive.PrivateKey { return memchain.Key(name, role) }

// Chain is an honest chain whose nodes can misbehave.
type Chain struct{ *memchain.Chain }

// NewChain makes a chain whose head block is less than three seconds old.
func NewChain(o Options) *Chain { return &Chain{memchain.NewChain(o)} }
