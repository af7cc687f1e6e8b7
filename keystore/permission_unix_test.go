//go:build unix

package keystore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pksa/keystore"
	"pksa/protocol/hive"
)

func TestLoosePermissions(t *testing.T) {
	s, path, unlock := newStore(t)
	dir := filepath.Dir(path)
	for name, spoil := range map[string]struct {
		path        string
		loose, good fs.FileMode
		folder      bool
	}{
		"file":   {path, 0o644, 0o600, false},
		"folder": {dir, 0o777, 0o700, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.Chmod(spoil.path, spoil.loose); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(spoil.path, spoil.good)
			_, openErr := keystore.Open(path, unlock)
			for _, err := range []error{openErr, s.Reload(unlock), s.Import("alice", hive.Memo, wif("alice"))} {
				var complaint *keystore.PermissionError
				if !errors.As(err, &complaint) || complaint.Folder != spoil.folder || complaint.Mode != spoil.loose ||
					complaint.Want != spoil.good {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	if got := describe(mustOpen(t, path, unlock)); got != "" {
		t.Errorf("changed all the same: %s", got)
	}
}

func TestCreateInLooseFolder(t *testing.T) {
	unlock, _ := newIdentity(t)
	dir := privateDir(t)
	// A group of this user alone may write; any other may not.
	mode := fs.FileMode(0o777)
	if os.Geteuid() == 0 && os.Chown(dir, 0, 4711) == nil {
		mode = 0o770
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	var complaint *keystore.PermissionError
	if _, err := keystore.Create(filepath.Join(dir, "k"), unlock); !errors.As(err, &complaint) ||
		!complaint.Folder {
		t.Errorf("got %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}
