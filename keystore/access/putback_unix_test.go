//go:build unix

package access_test

import (
	"io/fs"
	"os"
	"testing"

	"pksa/keystore/access"
)

// A folder that a platform has handed to a group of our own is closed again, with what is in it.
func TestPutBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has a group that is its own for certain, and can give files away")
	}
	dir := home(t)
	deep := folder(t, dir+"/deep", 0o770|fs.ModeSetgid)
	files := map[string]fs.FileMode{
		made(t, dir+"/keystore", 0o660): 0o600,
		made(t, dir+"/run", 0o770):      0o700,
		made(t, dir+"/shown", 0o664):    0o644, // what others may is for the rule to refuse
		made(t, deep+"/segment", 0o660): 0o600,
		made(t, dir+"/read", 0o644):     0o644,
		made(t, dir+"/another", 0o660):  0o660,
		made(t, dir+"/group", 0o660):    0o660,
	}
	outside := made(t, home(t)+"/outside", 0o660)
	link(t, outside, dir+"/link")
	chown(t, dir+"/another", 4711, 0)
	chown(t, dir+"/group", 0, 4712)

	// A folder that somebody lets a group read is left to the rule.
	chmod(t, dir, 0o750|fs.ModeSetgid)
	if n := access.PutBack(dir); n != 0 {
		t.Errorf("closed %d of a folder in which the group cannot write", n)
	}
	chmod(t, dir, 0o770|fs.ModeSetgid)
	if n := access.PutBack(dir); n != 6 {
		t.Errorf("closed %d", n)
	}
	files[dir], files[deep], files[outside] = fs.ModeDir|0o700, fs.ModeDir|0o700, 0o660
	for path, want := range files {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if n := access.PutBack(dir); n != 0 {
		t.Errorf("closed %d again", n)
	}

	// The same of what was handed over without the bit that hands the group on, and of a folder
	// that others may read.
	chmod(t, dir, 0o775)
	chmod(t, dir+"/keystore", 0o660)
	if n := access.PutBack(dir); n != 2 {
		t.Errorf("closed %d without that bit", n)
	}
	for path, want := range map[string]fs.FileMode{dir: fs.ModeDir | 0o755, dir + "/keystore": 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}

	chown(t, dir, 0, 4712)
	chmod(t, dir, 0o770|fs.ModeSetgid)
	if n := access.PutBack(dir); n != 0 {
		t.Errorf("closed %d in a folder of a group that is not ours", n)
	}
	if n := access.PutBack(dir + "/nothing"); n != 0 {
		t.Errorf("closed %d in no folder", n)
	}
}

func chown(t *testing.T, path string, uid, gid int) {
	t.Helper()
	mode := fs.FileMode(0)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode()
	}
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
}
