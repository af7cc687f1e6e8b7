//go:build crashpoints

package main

import (
	"pksa/agent/ledger"
	"pksa/keystore"
)

// init hands the points of the ledger to the keystore, which is below it.
func init() { keystore.Crashpoint = ledger.Crashpoint }
