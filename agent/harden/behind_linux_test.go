package harden

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Where a link leads is found also while the file at its end is missing, as before the network is
// there, and however many links are between.
func TestBehindLinks(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, folder := range []string{"etc", "run", "real"} {
		must(t, os.Mkdir(filepath.Join(root, folder), 0o700))
	}
	at := func(name string) string { return filepath.Join(root, name) }
	must(t, os.Symlink("../run/first", at("etc/resolv.conf")))
	must(t, os.Symlink(at("alias/stub.conf"), at("run/first")))
	must(t, os.Symlink("real", at("alias")))
	if got, want := behind(at("etc/resolv.conf")), []string{at("run"), at("real")}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	must(t, os.Symlink("loop", at("real/stub.conf")))
	must(t, os.Symlink("stub.conf", at("real/loop")))
	if got := behind(at("etc/resolv.conf")); len(got) != 40 {
		t.Errorf("a loop: %d folders", len(got))
	}
	must(t, os.Remove(at("alias")))
	if got, want := behind(at("etc/resolv.conf")), []string{at("run")}; !slices.Equal(got, want) {
		t.Errorf("without a folder: %q, want %q", got, want)
	}
	if got := behind(at("etc")); len(got) > 0 {
		t.Errorf("no link: %q", got)
	}
}
