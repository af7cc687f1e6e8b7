package access

import (
	"io/fs"
	"os"
	"path/filepath"
)

// PutBack closes to their group again what lies in a folder that a platform has handed to a group
// of our own, as Kubernetes does with the fsGroup of a pod before each start: the folder, its
// files, and its folders with their files. It does so for what belongs to this user, and leaves
// everything else to the rule. It does nothing to a folder in which the group cannot write, or
// whose group is not ours alone. It returns how many it closed.
//
// A group may do afterwards what others may: nothing in a home as the program makes it. What it
// cannot close stays as it is: some volumes have one mode for all of their files.
func PutBack(dir string) (closed int) {
	info, err := os.Lstat(dir)
	if !hasOwners || err != nil || !info.IsDir() || info.Mode()&groupWrite == 0 {
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

// closeToGroup takes the rights away that a group has and others have not, and the bit by which a
// folder hands its group on. It returns 1 if it took any.
func (v viewer) closeToGroup(path string, info fs.FileInfo) int {
	f := factsOf(path, info)
	kind := info.Mode().Type()
	more := f.mode & groupBits &^ (f.mode & otherBits << 3)
	if kind != 0 && kind != fs.ModeDir || f.uid != v.self || more == 0 && f.mode&fs.ModeSetgid == 0 ||
		!v.own(f.gid) || f.listed() {
		return 0
	}
	// By its path: nobody else can put another file there, the group has no members but us.
	if os.Chmod(path, info.Mode().Perm()&^more) != nil {
		return 0
	}
	return 1
}
