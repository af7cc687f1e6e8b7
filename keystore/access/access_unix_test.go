//go:build unix

package access_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pksa/keystore/access"
)

// home returns a folder of ours alone, and its path without links.
func home(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func made(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
	return path
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
	return path
}

func link(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// complaint returns the path that a refusal names, "" if the file was taken.
func complaint(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *access.Error
	if !errors.As(err, &e) {
		t.Fatalf("not a refusal: %v", err)
	}
	return e.Path
}

// Every folder on the way counts, and so does every folder of a link, wherever the link leads.
func TestWay(t *testing.T) {
	dir := home(t)
	safe, open, sticky := folder(t, dir+"/safe", 0o755), folder(t, dir+"/open", 0o777), folder(t, dir+"/sticky",
		fs.ModeSticky|0o777)
	inside := folder(t, open+"/inside", 0o700)
	for path, want := range map[string]string{
		made(t, safe+"/file", 0o644):                      "",
		made(t, open+"/file", 0o644):                      open,
		made(t, inside+"/file", 0o644):                    open,
		made(t, sticky+"/file", 0o644):                    "", // others cannot replace a file of ours there
		link(t, "../safe/file", open+"/link"):             open,
		link(t, "../open/file", safe+"/away"):             open,
		link(t, "data/file", safe+"/volume"):              "",
		link(t, open+"/inside/../../safe", safe+"/round"): open,
		safe + "/../open/../safe/file":                    "", // nobody can change what ".." leads to
		safe + "/./round/file":                            open,
	} {
		if strings.HasSuffix(path, "/volume") { // as Kubernetes does
			link(t, "day", safe+"/data")
			made(t, folder(t, safe+"/day", 0o755)+"/file", 0o644)
		}
		if strings.HasSuffix(path, "/round") {
			path += "/file"
		}
		if got := complaint(t, access.Check(path, access.Decision)); got != want {
			t.Errorf("%s: refused for %q, want %q", path, got, want)
		}
	}
	loop := link(t, "loop", safe+"/loop")
	if _, err := access.Read(loop, access.Decision); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link to itself: %v", err)
	}
	if _, err := access.Read(safe+"/nothing", access.Decision); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	t.Chdir(safe)
	if text, err := access.Read("file", access.Secret); complaint(t, err) != "file" || text != nil {
		t.Errorf("a relative path is named as it was given: %v", err)
	}
	if err := access.Check("../open/file", access.Decision); complaint(t, err) != open {
		t.Errorf("a relative path: %v", err)
	}
}

// A folder in which files are made is refused sticky or not, and so is one below an open folder.
func TestFolder(t *testing.T) {
	dir := home(t)
	open := folder(t, dir+"/open", 0o777)
	for path, want := range map[string]string{
		folder(t, dir+"/safe", 0o755):   "",
		open:                            open,
		folder(t, open+"/below", 0o700): open,
		folder(t, dir+"/sticky", fs.ModeSticky|0o777):    dir + "/sticky",
		folder(t, dir+"/sticky/below", 0o700):            "",
		link(t, "open", dir+"/link"):                     dir + "/link",
		folder(t, folder(t, dir+"/a", 0o700)+"/b", 0o70): "",
	} {
		if strings.HasSuffix(path, "/b") {
			chmod(t, path, 0o700)
		}
		if got := complaint(t, access.Folder(path)); got != want {
			t.Errorf("%s: refused for %q, want %q", path, got, want)
		}
	}
	if err := access.Folder(made(t, dir+"/file", 0o600)); err == nil {
		t.Error("a file is no folder")
	}
}

// What a parent process passes on is looked at, too. A pipe has no mode that says who reads it.
func TestDescriptor(t *testing.T) {
	path := made(t, home(t)+"/secret", 0o644)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := access.Descriptor(f, access.Secret); complaint(t, err) != path {
		t.Errorf("got %v", err)
	}
	chmod(t, path, 0o600)
	if err := access.Descriptor(f, access.Secret); err != nil {
		t.Error(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := access.Descriptor(r, access.Secret); err != nil {
		t.Error(err)
	}
}

// A program is found as a shell finds it, and refused where others can put another one in its
// place.
func TestProgram(t *testing.T) {
	dir := home(t)
	made(t, dir+"/tool", 0o755)
	t.Setenv("PATH", dir)
	if path, err := access.Program("tool"); err != nil || path != dir+"/tool" {
		t.Errorf("%q, %v", path, err)
	}
	chmod(t, dir+"/tool", 0o777)
	if _, err := access.Program("tool"); complaint(t, err) != dir+"/tool" {
		t.Errorf("writable by others: %v", err)
	}
	chmod(t, dir+"/tool", 0o755)
	chmod(t, dir, 0o777)
	if _, err := access.Program(dir + "/tool"); complaint(t, err) != dir {
		t.Errorf("in a folder of others: %v", err)
	}
	if _, err := access.Program("missing"); err == nil {
		t.Error("found what is not there")
	}
}

// A file that belongs to another user is refused, whatever its mode is.
func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := made(t, home(t)+"/policy", 0o644)
	if err := os.Chown(path, 4711, 0); err != nil {
		t.Fatal(err)
	}
	if err := access.Check(path, access.Decision); complaint(t, err) != path || !strings.Contains(err.Error(),
		"user 4711") {
		t.Errorf("got %v", err)
	}
	if err := access.Check(path, access.Decision, 4711); err != nil {
		t.Errorf("of a trusted user: %v", err)
	}
	if uid, ok := access.Owner(path); uid != 4711 || !ok {
		t.Errorf("owner %d, %t", uid, ok)
	}
}
