//go:build crashpoints

package ledger

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// They are small, so that a short run writes segments too, of several chunks, and drops them in
// portions.
const (
	segmentRecords = 64
	segmentBytes   = 64 << 10
	segmentChunk   = 8 << 10
	dropFew        = 8
)

var crashAt, crashPasses = crashSetting()

// crashSetting reads CRASHPOINT: NAME, or NAME:N for the Nth time that the point is passed. The
// name "any" is that of every point.
func crashSetting() (string, *atomic.Int64) {
	name, count, counted := strings.Cut(os.Getenv("CRASHPOINT"), ":")
	left := new(atomic.Int64)
	left.Store(1)
	if n, err := strconv.ParseInt(count, 10, 64); counted && err == nil {
		left.Store(n)
	}
	return name, left
}

// Crashpoint ends the process as a power cut would, if the environment names this point. Nothing is
// flushed, and no deferred function runs.
func Crashpoint(name string) {
	if name != crashAt && crashAt != "any" || crashPasses.Add(-1) != 0 {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill() // SIGKILL, or its like
	}
	select {} // the end is on its way
}

func crashpoint(name string) { Crashpoint(name) }
