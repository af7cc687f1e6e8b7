//go:build unix

package main

import (
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// becomeUser makes this process one of another user, whom a number names.
func becomeUser(number string) {
	if id, err := strconv.Atoi(number); err == nil && syscall.Geteuid() == 0 {
		if err := syscall.Setuid(id); err != nil {
			panic(err)
		}
	}
}

// limitLocks bounds how much memory this process may lock.
func limitLocks(bytes string) {
	if bytes != "" {
		var limit unix.Rlimit
		limit.Cur, limit.Max = 0, 0
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			panic(err)
		}
	}
}
