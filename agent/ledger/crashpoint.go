//go:build !crashpoints

package ledger

// How many records a segment of the trail holds, how many bytes of them, how many bytes one of its
// chunks, and how many of its records one commit drops from the bucket at least.
const (
	segmentRecords = 4096
	segmentBytes   = 8 << 20
	segmentChunk   = 256 << 10
	dropFew        = 128
)

// Crashpoint marks an instant at which the crash tests end the process. In all other builds it does
// nothing.
func Crashpoint(string) {}

func crashpoint(string) {}
