package access

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// hasAccessList reports whether a file has an access control list besides its mode.
func hasAccessList(path string) bool {
	n, err := syscall.Getxattr(path, "system.posix_acl_access", nil)
	return err == nil && n > 0
}

// descriptorPath returns where an open file lies, as far as the kernel knows.
func descriptorPath(f *os.File) string {
	if path, err := os.Readlink(fmt.Sprint("/proc/self/fd/", f.Fd())); err == nil && strings.HasPrefix(path, "/") {
		return path
	}
	return f.Name()
}

// rootless reports whether root of the machine has no id in this user namespace. Containers without
// root, and units of a user's systemd, run in such ones. There the files of root show as of
// nobody's, and so do those of every other user of the machine: the two cannot be told apart.
var rootless = sync.OnceValue(func() bool {
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var inside, outside, count uint32
		if n, _ := fmt.Sscan(lines.Text(), &inside, &outside, &count); n != 3 || outside == 0 {
			return false
		}
	}
	return true
})
