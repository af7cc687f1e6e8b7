//go:build linux && (386 || amd64 || arm || arm64 || loong64 || riscv64)

package keystore

import (
	"runtime"
	"syscall"
	"unsafe"
)

// sigBlock and sigSetMask are of Linux on all of these processors.
const (
	sigBlock   = 0
	sigSetMask = 2
)

// heldSignals are the signals 1 to 31 without those by which a processor or the kernel tells of a
// fault, which cannot wait. Signal 33, by which Go has each thread make a system call, is none of
// them: it would wait for a thread that waits for Go.
const heldSignals = (uint64(1)<<31 - 1) &^
	(1<<(syscall.SIGILL-1) | 1<<(syscall.SIGTRAP-1) | 1<<(syscall.SIGABRT-1) | 1<<(syscall.SIGBUS-1) |
		1<<(syscall.SIGFPE-1) | 1<<(syscall.SIGSEGV-1) | 1<<(syscall.SIGSYS-1))

// holdSignals has signals to this goroutine's thread wait until release is called. For each signal
// the kernel writes the registers to a stack of the thread, which keeps them, and Go's preemption
// keeps them in a second place. Registers hold what was copied last, for long after.
func holdSignals() (release func()) {
	runtime.LockOSThread()
	var before uint64
	held := heldSignals
	if !setSignalMask(sigBlock, &held, &before) {
		return runtime.UnlockOSThread // unreachable, and no reason not to sign
	}
	return func() {
		if setSignalMask(sigSetMask, &before, nil) {
			runtime.UnlockOSThread()
		} // or else the thread ends with its goroutine
	}
}

// setSignalMask reports whether the kernel did as told.
func setSignalMask(how uintptr, set, before *uint64) bool {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(set)),
		uintptr(unsafe.Pointer(before)), unsafe.Sizeof(*set), 0, 0)
	return errno == 0
}
