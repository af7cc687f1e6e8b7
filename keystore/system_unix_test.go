//go:build unix

package keystore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPermissionText(t *testing.T) {
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSecretFile(path)
	if err == nil {
		t.Fatal("opened")
	}
	for _, part := range []string{path, "0644", "0600", "chmod 600 "} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 4711, 0); err != nil {
		t.Fatal(err)
	}
	var complaint *PermissionError
	if _, err := OpenSecretFile(path); !errors.As(err, &complaint) || complaint.UID != 4711 ||
		!strings.Contains(err.Error(), "user 4711") {
		t.Errorf("got %v", err)
	}
}

// A named pipe in the place of a file must be refused, not waited for.
func TestPipeIsNoFile(t *testing.T) {
	path := filepath.Join(privateDir(t), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSecretFile(path); err == nil || !strings.Contains(err.Error(), "fd:N") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenSecretFile(filepath.Dir(path)); err == nil {
		t.Error("a folder was opened as a file")
	}
}

// What a descriptor is, by mode and inode: kqueue is what macOS and FreeBSD have in the place of
// epoll, and says that it is a pipe.
func TestCarriesBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		mode  uint32
		inode uint64
		want  bool
	}{
		"file":      {syscall.S_IFREG | 0o600, 5, true},
		"pipe":      {syscall.S_IFIFO | 0o600, 5, true},
		"bare pipe": {syscall.S_IFIFO, 5, true},
		"socket":    {syscall.S_IFSOCK, 0, true},
		"terminal":  {syscall.S_IFCHR | 0o620, 5, true},
		"folder":    {syscall.S_IFDIR | 0o700, 5, false},
		"disk":      {syscall.S_IFBLK, 5, false},
		"epoll":     {0o600, 5, false},
		"kqueue":    {syscall.S_IFIFO, 0, false},
	} {
		if got := carriesBytes(tt.mode, tt.inode); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestReplaceMode(t *testing.T) {
	dir := privateDir(t)
	path := filepath.Join(dir, "keystore.age")
	if _, err := Create(path, testUnlock(t, dir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + ".lock", filepath.Join(dir, "identity.txt")} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// Another os.File of standard input would close it when the garbage collector meets that, and the
// next file opened would become standard input.
func TestStandardInput(t *testing.T) {
	if f, err := openDescriptor(0); f != os.Stdin || err != nil {
		t.Errorf("got %v, %v", f, err)
	}
}
