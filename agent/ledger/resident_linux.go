package ledger

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// unmapPages removes the pages of a mapped file from the memory of this process. They stay in the
// kernel's cache, and come back when they are read. An error would change nothing but the memory,
// so it returns none.
func unmapPages(mapped uintptr, size int64) {
	// A hardened process locks all memory, each new mapping of the file too, and what is locked is
	// not given back. What is in the file is sealed, so it need not be locked.
	_, _, _ = syscall.Syscall(syscall.SYS_MUNLOCK, mapped, uintptr(size), 0)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, mapped, uintptr(size), syscall.MADV_DONTNEED)
}

// forgetPages removes a part of a file, all of it synced, from the kernel's cache. What was read or
// written there in large pieces lies in the cache in large pages, and each small write would have
// the kernel write back such a page, or look through all of it. An error would change nothing else,
// so it returns none.
func forgetPages(file *os.File, begin, size int64) {
	_ = unix.Fadvise(int(file.Fd()), begin, size, unix.FADV_DONTNEED)
}
