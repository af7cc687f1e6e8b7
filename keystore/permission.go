package keystore

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// owned is what the permission rules look at. It is apart from the system, so that each rule can be
// tested.
type owned struct {
	path string
	mode fs.FileMode
	uid  uint32
	self uint32
}

func (o owned) complain(want fs.FileMode) *PermissionError {
	return &PermissionError{Path: o.path, Folder: o.mode.IsDir(), Mode: o.mode.Perm(), Want: want, UID: o.uid,
		Self: o.self}
}

func (o owned) checkOwner() error {
	if o.uid != o.self && o.uid != 0 {
		return o.complain(0)
	}
	return nil
}

// checkFile refuses a file that is not ours or root's, or to which group or others have any right.
func (o owned) checkFile() error {
	if err := o.checkOwner(); err != nil {
		return err
	}
	if o.mode.Perm()&0o077 != 0 {
		return o.complain(0o600)
	}
	return nil
}

// checkCredential refuses what checkFile refuses, but lets the group read a file of root's: systemd
// hands a credential of root's to the unit's user by an access control list, whose mask shows as
// the group's bits. The folder around it is open to that user alone.
func (o owned) checkCredential() error {
	if o.uid == 0 {
		o.mode &^= 0o040
	}
	return o.checkFile()
}

// checkFolder refuses a folder that is not ours or root's, or in which others can make or rename
// files: whoever can do that can replace the keystore. Others may read the folder, if its owner
// lets them: that shows them names only.
func (o owned) checkFolder() error {
	if err := o.checkOwner(); err != nil {
		return err
	}
	if o.mode.Perm()&0o022 != 0 {
		return o.complain(0o700)
	}
	return nil
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a folder", dir)
	}
	return ownedBy(dir, info).checkFolder()
}

// OpenSecretFile opens a regular file that holds secrets in the clear, such as a list of keys to be
// imported. It refuses, with a *[PermissionError], a file to which group or others have any right,
// and one that belongs neither to this user nor to root.
func OpenSecretFile(path string) (io.ReadCloser, error) {
	f, _, err := openChecked(path, owned.checkFile)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openChecked opens a file and then checks what it has opened, so that nobody can put another file
// in its place between the two. It follows symbolic links, because Kubernetes mounts secrets as
// links: the file behind the link is what is checked.
func openChecked(path string, check func(owned) error) (*os.File, fs.FileInfo, error) {
	// Without O_NONBLOCK a named pipe would hang here until somebody writes.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file; what a pipe delivers is read with fd:N", path)
	}
	if err == nil {
		err = check(ownedBy(filepath.Clean(path), info))
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
