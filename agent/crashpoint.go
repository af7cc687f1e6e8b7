package agent

import "pksa/agent/ledger"

// crashpoint names an instant at which a power cut is tried. In every build but that of the crash
// tests it does nothing.
func crashpoint(name string) { ledger.Crashpoint(name) }
