package main

import (
	"os"
	"runtime/debug"
	"syscall"
)

// confine takes from this process what it does not need. It keeps the descriptors it has and gets
// no other: no file, no connection. It writes no file and no core, in which a code might stand. Its
// memory and its time end. A limit that cannot be set is no reason to stop: pksa has its own.
func confine() {
	openPoller()
	for _, limit := range []struct {
		what int
		most uint64
	}{
		{syscall.RLIMIT_CORE, 0}, {syscall.RLIMIT_FSIZE, 0}, {syscall.RLIMIT_CPU, 30},
		{syscall.RLIMIT_DATA, 3 << 29}, {syscall.RLIMIT_NOFILE, 3},
	} {
		_ = syscall.Setrlimit(limit.what, &syscall.Rlimit{Cur: limit.most, Max: limit.most})
	}
	debug.SetMemoryLimit(768 << 20)
}

// openPoller makes the runtime open the two descriptors of its poller now. It opens them with the
// first pipe or the first timer, and timers are its own, too: the collector that works through a
// large picture sets one. Without a descriptor for it, the runtime ends the process.
func openPoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}
