//go:build unix

package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What root has put into the folder of another user, that user cannot read: the error says whose it
// is, and what mends that.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files to others")
	}
	const owner, other = 4711, 4712
	folder := t.TempDir()
	path := filepath.Join(folder, "policy.yaml")
	denied := &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	if err := errors.Join(os.Chown(folder, owner, -1), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	says := func(self uint32, err error) bool {
		got := unreadable(path, err, Secret, self)
		if !errors.Is(got, err) {
			t.Errorf("%v is another error than %v", got, err)
		}
		return strings.HasSuffix(got.Error(), "belongs to user 0, and user 4711 has to read it: chown 4711 "+path)
	}
	if !says(owner, denied) {
		t.Error("it does not say whose the file is")
	}
	if says(other, denied) || says(owner, fs.ErrNotExist) {
		t.Error("it says so to another user, or of a file that is not there")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if says(owner, denied) {
		t.Error("it says so of a file that everybody may read: something else keeps it")
	}
}
