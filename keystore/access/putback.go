package access

import (
	"io/fs"
	"os"
	"path/filepath"
)

// goneOver are the bits that a platform gives a folder of a volume that it hands to a group, as
// Kubernetes does with fsGroup before each start of a pod.
const goneOver = fs.ModeDir | fs.ModeSetgid | groupBits

// PutBack closes to their group again what lies in a folder that a platform has handed to a group
// of our own: the folder, its files, and its folders with their files. It does so for what belongs
// to this user, and leaves everything else to the rule. It does nothing to a folder that does not
// look like that, or whose group is not ours alone. It returns how many it closed.
//
// What it cannot close stays as it is: some volumes have one mode for all of their files.
func PutBack(dir string) (closed int) {
	info, err := os.Lstat(dir)
	if !hasOwners || err != nil || info.Mode()&goneOver != goneOver {
		return 0
	}
	v := ourselves(nil)
	if f := factsOf(dir, info); !v.own(f.gid) || f.listed() {
		return 0
	}
	closed = v.closeFiles(dir, true)
	// The folder comes last: after a crash in between the next start goes on.
	return closed + v.closeToGroup(dir, info)
}

// closeFiles closes the files of a folder, and those of its folders if deeper is set.
func (v viewer) closeFiles(dir string, deeper bool) (closed int) {
	entries, _ := os.ReadDir(dir) // of a folder that cannot be read nothing is closed
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		if err != nil {
			continue
		}
		if info.IsDir() && deeper {
			closed += v.closeFiles(path, false)
		}
		closed += v.closeToGroup(path, info)
	}
	return closed
}

// closeToGroup takes a group's rights away, and returns 1 if it did.
func (v viewer) closeToGroup(path string, info fs.FileInfo) int {
	f := factsOf(path, info)
	kind := info.Mode().Type()
	if kind != 0 && kind != fs.ModeDir || f.uid != v.self || f.mode&(groupBits|fs.ModeSetgid) == 0 ||
		!v.own(f.gid) || f.listed() {
		return 0
	}
	// By its path: nobody else can put another file there, the group has no members but us. Without
	// the bit that hands the group on, too.
	if os.Chmod(path, info.Mode().Perm()&^groupBits) != nil {
		return 0
	}
	return 1
}
