//go:build !crashpoints

package ledger

// segmentRecords is how many records a segment of the trail holds.
const segmentRecords = 4096

// crashpoint names an instant at which a power cut is tried. In every build but that of the crash
// tests it does nothing.
func crashpoint(string) {}
