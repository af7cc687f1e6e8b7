//go:build !linux

package ledger

import "os"

// unmapPages does nothing here: what the kernel shows of a file is left to it.
func unmapPages(uintptr, int64) {}

// forgetPages does nothing here.
func forgetPages(*os.File, int64, int64) {}
