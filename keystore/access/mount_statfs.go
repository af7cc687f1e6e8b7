//go:build linux || darwin || freebsd || dragonfly

package access

import "syscall"

// onReadOnlyMount reports whether nobody can write by way of the mount at which path lies.
func onReadOnlyMount(path string) bool {
	const readOnly = 1 // ST_RDONLY, MNT_RDONLY: the same number on all these systems
	var stat syscall.Statfs_t
	return syscall.Statfs(path, &stat) == nil && uint64(stat.Flags)&readOnly != 0
}
