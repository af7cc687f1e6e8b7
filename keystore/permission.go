package keystore

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// owned is what the permission rules look at, apart from the system so that each rule can be
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

// checkFile wants a file of ours or root's, without any right for group or others.
func (o owned) checkFile() error {
	if err := o.checkOwner(); err != nil {
		return err
	}
	if o.mode.Perm()&0o077 != 0 {
		return o.complain(0o600)
	}
	return nil
}

// checkCredential is checkFile, but lets the group read a file of root's: systemd hands a
// credential of root's to the unit's user by an access control list, whose mask shows as the
// group's bits. The folder around it is open to that user alone.
func (o owned) checkCredential() error {
	if o.uid == 0 {
		o.mode &^= 0o040
	}
	return o.checkFile()
}

// checkFolder wants a folder of ours or root's in which nobody else can put or rename files: who
// can, can replace the keystore. Reading it tells names only, so that is left to its owner.
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
// imported. A file that group or others have any right to, or that belongs to another user than us
// and root, is refused with a *[PermissionError].
func OpenSecretFile(path string) (io.ReadCloser, error) {
	f, _, err := openChecked(path, owned.checkFile)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openChecked opens first and looks at what it opened, so that no other file can slip in between.
// Symbolic links are followed: Kubernetes mounts secrets as links, and it is the file behind them
// that counts.
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
