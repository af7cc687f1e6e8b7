package kernelclock

import (
	"errors"
	"fmt"
	"syscall"
)

const (
	timeError    = 5      // TIME_ERROR: the state of a clock that nothing keeps right
	unsynced     = 0x0040 // STA_UNSYNC in the status
	readNothing  = 0      // modes of a call that only reads
	unsyncedText = "the kernel calls its clock unsynchronised: no time service keeps it right"
)

// Synchronised returns nil if the kernel says that its clock is kept right, otherwise why that is
// not known. Somebody who sets the clock by hand ends it.
func Synchronised() error {
	t := syscall.Timex{Modes: readNothing}
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		// Seen where ProtectClock=yes or SystemCallFilter= of systemd, or a filter of a container,
		// forbids it.
		return fmt.Errorf("the kernel may not be asked about its clock (adjtimex: %w)", err)
	}
	return judge(state, t.Status)
}

func judge(state int, status int32) error {
	if state == timeError || status&unsynced != 0 {
		return errors.New(unsyncedText)
	}
	return nil
}
