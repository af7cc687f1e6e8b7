//go:build !linux

package kernelclock

import (
	"fmt"
	"runtime"
)

// Synchronised returns why it is not known whether the kernel's clock is kept right: only Linux is
// asked.
func Synchronised() error {
	return fmt.Errorf("the kernel of %s is not asked about its clock", runtime.GOOS)
}
