package access

import "syscall"

// onReadOnlyMount reports whether nobody can write by way of the mount at which path lies.
func onReadOnlyMount(path string) bool {
	const readOnly = 1 // MNT_RDONLY
	var stat syscall.Statfs_t
	return syscall.Statfs(path, &stat) == nil && stat.F_flags&readOnly != 0
}
