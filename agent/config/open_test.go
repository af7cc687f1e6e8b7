package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"pksa/agent/config"
	"pksa/keystore/access"
)

// Settings that others could change are refused: they name the policy, and programs that are run.
func TestOpenSettings(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes of files")
	}
	home := filepath.Join(t.TempDir(), "home")
	path := filepath.Join(home, "config.yaml")
	if _, err := config.Load(home, path, nil); err != nil {
		t.Fatalf("no home folder: %v", err)
	}
	if err := errors.Join(os.Mkdir(home, 0o700), os.WriteFile(path, []byte("name: mine\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		folder, file fs.FileMode
		refused      string
	}{
		{0o700, 0o600, ""}, {0o755, 0o644, ""}, {0o755, 0o444, ""},
		{0o700, 0o666, path}, {0o777, 0o600, home}, {fs.ModeSticky | 0o777, 0o600, home},
	} {
		if err := errors.Join(os.Chmod(home, tt.folder), os.Chmod(path, tt.file)); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(home, path, nil)
		var refusal *access.Error
		switch {
		case tt.refused == "" && (err != nil || c.Name != "mine"):
			t.Errorf("%v %v: %v", tt.folder, tt.file, err)
		case tt.refused != "" && (!errors.As(err, &refusal) || refusal.Path != tt.refused):
			t.Errorf("%v %v: %v, want %s refused", tt.folder, tt.file, err, tt.refused)
		}
	}
}

// A link to settings that are not there, as where a disk is not mounted, is warned of; a home
// folder without settings is not.
func TestLinkToNothing(t *testing.T) {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "config.yaml")
	for _, links := range []bool{false, true} {
		if links {
			if err := os.Symlink(filepath.Join(home, "elsewhere", "config.yaml"), path); err != nil {
				t.Skip(err) // a system without links
			}
		}
		c, err := config.Load(home, path, nil)
		if err != nil || c.Found || (len(c.Warnings) == 1) != links {
			t.Errorf("link: %v: %+v, %v", links, c, err)
		}
	}
}
