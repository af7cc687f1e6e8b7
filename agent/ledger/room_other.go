//go:build !linux && !darwin && !freebsd

package ledger

import "syscall"

// noRoomErrors are those of a full disk: 112 and 39 are those of Windows.
var noRoomErrors = []error{syscall.ENOSPC, syscall.Errno(112), syscall.Errno(39)}

// freeBytes returns how much of the disk below a folder can be written; -1 if that is not known.
func freeBytes(string) int64 { return -1 }
