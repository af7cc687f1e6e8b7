package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pause stops a program where it stands, and returns when it does nothing any more.
func pause(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// goOn ends a pause.
func goOn(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
