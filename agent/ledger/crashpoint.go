//go:build !crashpoints

package ledger

// How many records a segment of the trail holds, how many bytes of them, and how many bytes one of
// its chunks.
const (
	segmentRecords = 4096
	segmentBytes   = 8 << 20
	segmentChunk   = 256 << 10
)

// Crashpoint marks an instant at which the crash tests end the process. In all other builds it does
// nothing.
func Crashpoint(string) {}

func crashpoint(string) {}
