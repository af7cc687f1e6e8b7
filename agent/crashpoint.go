//go:build !crashpoints

package agent

// crashpoint names an instant at which a power cut is tried. In every build but that of the crash
// tests it does nothing.
func crashpoint(string) {}
