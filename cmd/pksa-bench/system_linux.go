package main

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// dieWithUs has the kernel kill a child when this process is gone, however it ended.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// syncData returns when the bytes of a file are on the disk, as a commit of the ledger does.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// ownCPU returns the processor time that this process has used.
func ownCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // unreachable: the arguments are right
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
