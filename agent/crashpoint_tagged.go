//go:build crashpoints

package agent

import "pksa/agent/ledger"

func crashpoint(name string) { ledger.Crashpoint(name) }
