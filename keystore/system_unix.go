//go:build unix

package keystore

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// openDescriptor makes a file of a descriptor that this process inherited. It takes only what can
// carry a secret: a wrong number may be a descriptor of the Go runtime, by which it waits for the
// network (epoll, kqueue), and closing that one would stop all network I/O.
func openDescriptor(n int) (*os.File, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(n, &stat); err != nil {
		return nil, fmt.Errorf("no such open descriptor: %w", err)
	}
	if !carriesBytes(uint32(stat.Mode), uint64(stat.Ino)) {
		return nil, errors.New("the descriptor is not a file or pipe")
	}
	if n == 0 {
		return os.Stdin, nil // another os.File of it would close it when the garbage collector meets that
	}
	return os.NewFile(uintptr(n), fmt.Sprint("fd:", n)), nil
}

// carriesBytes reports whether a descriptor of this mode and inode is a file, pipe, socket or
// device. An epoll has no file type. A kqueue says that it is a pipe, and has no inode as pipes
// have.
func carriesBytes(mode uint32, inode uint64) bool {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFREG, syscall.S_IFSOCK, syscall.S_IFCHR:
		return true
	case syscall.S_IFIFO:
		return inode != 0
	}
	return false
}
