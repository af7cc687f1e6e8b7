package durabletest

import (
	"os"
	"syscall"
)

const (
	memoryFolder = "/dev/shm"
	memoryRoom   = 4 << 30    // bytes that must be free in it
	isMemory     = 0x01021994 // TMPFS_MAGIC of statfs(2)
	noPrograms   = 8          // ST_NOEXEC of statvfs(3)
)

// Memory lets the temporary folders of a test binary lie in memory, where a sync is done at once. A
// TestMain calls it before the tests run. Syncs only matter when the power fails, and no test can
// make it fail, so the tests show the same, without waiting for a disk. It does nothing if TMPDIR
// is set already, or if this machine has no such folder, or a small one, or one from which no
// program runs.
func Memory() {
	var s syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(memoryFolder, &s) != nil {
		return
	}
	room := s.Bavail * uint64(s.Bsize)
	if int64(s.Type) != isMemory || room < memoryRoom || s.Flags&noPrograms != 0 {
		return
	}
	if syscall.Access(memoryFolder, 7) != nil { // we may read, write and pass it
		return
	}
	_ = os.Setenv("TMPDIR", memoryFolder)
}
