package ledger

import (
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// unmapPages removes the pages of the file from the memory of this process. They stay in the
// kernel's cache, and come back when they are read. An error would change nothing but the memory,
// so it returns none.
func unmapPages(db *bolt.DB) {
	// While a transaction is open, bbolt leaves the mapping where it is. Elsewhere the same call
	// would wipe memory.
	_ = db.View(func(tx *bolt.Tx) error {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, db.Info().Data, uintptr(tx.Size()), syscall.MADV_DONTNEED)
		return nil
	})
}
