package main

import (
	"runtime/debug"
	"syscall"
)

// confine takes from this process what it does not need. It has its three descriptors and gets no
// other: no file, no connection. It writes no file and no core, in which a code might stand. Its
// memory and its time end. A limit that cannot be set is no reason to stop: pksa has its own.
func confine() {
	for _, limit := range []struct {
		what int
		most uint64
	}{
		{syscall.RLIMIT_CORE, 0}, {syscall.RLIMIT_FSIZE, 0}, {syscall.RLIMIT_CPU, 30},
		{syscall.RLIMIT_DATA, 1 << 30}, {syscall.RLIMIT_NOFILE, 3},
	} {
		_ = syscall.Setrlimit(limit.what, &syscall.Rlimit{Cur: limit.most, Max: limit.most})
	}
	debug.SetMemoryLimit(768 << 20)
}
