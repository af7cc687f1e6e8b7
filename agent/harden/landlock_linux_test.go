package harden

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// A filter that blocks Landlock is not taken for a kernel that lacks it.
func TestWithoutLandlock(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EPERM:      "a filter of a container or unit blocks Landlock: allow landlock_create_ruleset",
		syscall.EACCES:     "a filter of a container or unit blocks Landlock",
		syscall.EOPNOTSUPP: "this kernel has Landlock and does not start it",
		syscall.ENOSYS:     "this kernel has no Landlock (Linux 5.13 brought it), or a filter",
	} {
		err := withoutLandlock(errno)
		if !strings.HasPrefix(err.Error(), want) || !errors.Is(err, errno) {
			t.Errorf("%d: %v", errno, err)
		}
	}
}
