//go:build unix

package access

import (
	"io/fs"
	"syscall"
)

// hasOwners is false where files have no owners and modes as the rule means them.
const hasOwners = true

func ownerOf(info fs.FileInfo) (uid uint32, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}

// factsOf returns what the rule looks at.
func factsOf(path string, info fs.FileInfo) facts {
	f := facts{path: path, mode: info.Mode()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.uid, f.gid = stat.Uid, stat.Gid
	}
	f.readOnly = func() bool { return onReadOnlyMount(path) }
	f.listed = func() bool { return hasAccessList(path) }
	return f
}
