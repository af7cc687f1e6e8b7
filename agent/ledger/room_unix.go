//go:build linux || darwin || freebsd

package ledger

import (
	"os"
	"syscall"
)

// noRoomErrors are those of a full disk, a used up quota, and a file that may not grow.
var noRoomErrors = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// freeBytes returns how much of the disk below a folder can be written; -1 if that is not known.
func freeBytes(folder string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return -1
	}
	blocks := int64(s.Bavail)
	if os.Geteuid() == 0 { // may use the blocks that others may not
		blocks = int64(s.Bfree)
	}
	return blocks * int64(s.Bsize)
}
