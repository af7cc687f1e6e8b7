package durable

import (
	"io"
	"os"
)

// Disk is the system calls of this package. A test replaces fields to make them fail. Its methods
// may be called concurrently, for different paths, if the fields may. The zero value does not work:
// start from [System].
type Disk struct {
	CreateTemp func(dir, pattern string) (File, error) // creates a file of mode 0600, as os.CreateTemp
	CreateNew  func(path string) (File, error)         // creates a file of mode 0600, fs.ErrExist if the name exists
	Rename     func(from, to string) error             // renames a file within a folder, over one that may exist
	Remove     func(path string) error                 // removes a file
	Exists     func(path string) bool                  // reports whether a name exists
	List       func(dir string) ([]string, error)      // returns the names in a folder
	SyncFolder func(dir string) error                  // makes the names in a folder durable
}

// File is a new file that is being written.
type File interface {
	io.WriteCloser
	Sync() error // returns when the content is on the disk
	Name() string
}

// System returns the system's own calls.
func System() Disk {
	return Disk{
		CreateTemp: func(dir, pattern string) (File, error) { return os.CreateTemp(dir, pattern) },
		CreateNew: func(path string) (File, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		},
		Rename:     os.Rename,
		Remove:     os.Remove,
		Exists:     func(path string) bool { _, err := os.Lstat(path); return err == nil },
		List:       list,
		SyncFolder: syncFolder,
	}
}

func list(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
