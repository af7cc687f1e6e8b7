//go:build !crashpoints

package ledger

// segmentRecords is how many records a segment of the trail holds.
const segmentRecords = 4096

// Crashpoint marks an instant at which the crash tests end the process. In all other builds it does
// nothing.
func Crashpoint(string) {}

func crashpoint(string) {}
