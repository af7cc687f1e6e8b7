//go:build !linux

package ledger

// unmapPages does nothing here: what the kernel shows of a file is left to it.
func unmapPages(uintptr, int64) {}
