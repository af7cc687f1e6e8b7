package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pksa/keystore/durable"
	"pksa/keystore/durable/durabletest"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

// names are the names in a folder, the random end of temporary ones cut off.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		name, _, cut := strings.Cut(entry.Name(), ".new-")
		if cut {
			name += ".new-"
		}
		all = append(all, name)
	}
	return all
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mark")
	for _, text := range []string{"first", "", "a third and longer one"} {
		must(t, durable.Replace(path, []byte(text)))
		if got := read(t, path); got != text {
			t.Errorf("holds %q, want %q", got, text)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"mark"}) {
		t.Errorf("the folder holds %q", got)
	}
}

// Content in parts is the file, and an error among them leaves the old one.
func TestReplaceParts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "segment")
	parts := func(fails error) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			_ = yield([]byte("one "), nil) && yield(nil, nil) && yield([]byte("two"), fails) &&
				yield([]byte(" three"), nil)
		}
	}
	must(t, durable.System().ReplaceParts(path, parts(nil)))
	if got := read(t, path); got != "one two three" {
		t.Errorf("holds %q", got)
	}
	err := durable.System().ReplaceParts(path, parts(durabletest.ErrInjected))
	if !errors.Is(err, durabletest.ErrInjected) || errors.Is(err, durable.ErrInDoubt) {
		t.Errorf("the error is %v", err)
	}
	if got := names(t, dir); read(t, path) != "one two three" || !slices.Equal(got, []string{"segment"}) {
		t.Errorf("after an error there is %q in %q", read(t, path), got)
	}
}

// A path without a folder is in the folder we are in, and so is its temporary file.
func TestReplaceHere(t *testing.T) {
	t.Chdir(t.TempDir())
	faults := &durabletest.Faults{Step: durabletest.Rename}
	must(t, os.WriteFile("mark", []byte("old"), 0o600))
	d := faults.Disk(durable.System())
	d.Remove = func(string) error { return nil } // leaves it to be seen
	if err := d.Replace("mark", []byte("new")); !errors.Is(err, durabletest.ErrInjected) {
		t.Fatalf("got %v", err)
	}
	if got := names(t, "."); !slices.Equal(got, []string{".mark.new-", "mark"}) {
		t.Errorf("the folder holds %q", got)
	}
	must(t, durable.Replace("mark", []byte("new")))
	if got := names(t, "."); !slices.Equal(got, []string{"mark"}) {
		t.Errorf("then the folder holds %q", got)
	}
}

// Whatever step fails, done or not done, the name leads to a whole file; to which one is in doubt
// only where the error says so.
func TestReplaceFailing(t *testing.T) {
	for _, step := range durabletest.ReplaceSteps {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/applied=%t", step, applied), func(t *testing.T) { replaceFailing(t, step, applied) })
		}
	}
}

func replaceFailing(t *testing.T, step string, applied bool) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mark")
	must(t, durable.Replace(path, []byte("old content")))
	faults := &durabletest.Faults{Step: step, Applied: applied}
	err := faults.Disk(durable.System()).Replace(path, []byte("new content"))
	if !faults.Met() {
		t.Fatal("the step was not reached")
	}
	if !errors.Is(err, durabletest.ErrInjected) {
		t.Errorf("the cause is missing: %v", err)
	}
	happened := step == durabletest.SyncFolder || step == durabletest.Rename && applied
	if errors.Is(err, durable.ErrInDoubt) != happened {
		t.Errorf("in doubt = %t, want %t: %v", !happened, happened, err)
	}
	want := "old content"
	if happened {
		want = "new content"
	}
	if got := read(t, path); got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
	left := []string{"mark"}
	if step == durabletest.Create && applied {
		left = []string{".mark.new-", "mark"} // nobody knows the name of a file that was made and not reported
	}
	if got := names(t, dir); !slices.Equal(got, left) {
		t.Errorf("the folder holds %q, want %q", got, left)
	}
	must(t, durable.Replace(path, []byte("next")))
	if got := names(t, dir); read(t, path) != "next" || !slices.Equal(got, []string{"mark"}) {
		t.Errorf("the next replacement left %q in %q", read(t, path), got)
	}
}

// Leftovers that cannot be listed or removed do not stop a replacement.
func TestLeftoversStay(t *testing.T) {
	for _, step := range []string{durabletest.List, durabletest.Remove} {
		dir := t.TempDir()
		path := filepath.Join(dir, "mark")
		must(t, os.WriteFile(filepath.Join(dir, ".mark.new-1"), nil, 0o600))
		faults := &durabletest.Faults{Step: step}
		if err := faults.Disk(durable.System()).Replace(path, []byte("x")); err != nil || !faults.Met() {
			t.Errorf("%s: met %t, error %v", step, faults.Met(), err)
		}
		if got := names(t, dir); read(t, path) != "x" || !slices.Equal(got, []string{".mark.new-", "mark"}) {
			t.Errorf("%s: the folder holds %q", step, got)
		}
	}
}

// Only temporary files of this name are removed.
func TestLeftoversOfOthers(t *testing.T) {
	dir := t.TempDir()
	others := []string{".mark.new-", ".mark2.new-1", "mark.new-1", ".marknew-1", ".mark.new", "mark.new"}
	for _, name := range others {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, ".mark.new-12"), nil, 0o600))
	must(t, durable.Replace(filepath.Join(dir, "mark"), nil))
	for _, name := range others {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".mark.new-12")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover: %v", err)
	}
}

// shortFile writes less than it was given and reports no error.
type shortFile struct{ durable.File }

func (f shortFile) Write(p []byte) (int, error) { return f.File.Write(p[:len(p)-1]) }

func TestShortWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	must(t, durable.Replace(path, []byte("old")))
	d := durable.System()
	d.CreateTemp = func(dir, pattern string) (durable.File, error) {
		f, err := durable.System().CreateTemp(dir, pattern)
		return shortFile{f}, err
	}
	if err := d.Replace(path, []byte("new")); err == nil || read(t, path) != "old" {
		t.Errorf("a short write passed for a whole one: %v, %q", err, read(t, path))
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	must(t, durable.Create(path, []byte("first")))
	if err := durable.Create(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if got := read(t, path); got != "first" {
		t.Errorf("holds %q", got)
	}
}

// A Create that fails leaves no file, so that it can be tried again.
func TestCreateFailing(t *testing.T) {
	for _, step := range durabletest.CreateSteps {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/applied=%t", step, applied), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "identity")
				faults := &durabletest.Faults{Step: step, Applied: applied}
				err := faults.Disk(durable.System()).Create(path, []byte("content"))
				if !faults.Met() || !errors.Is(err, durabletest.ErrInjected) {
					t.Fatalf("met %t, error %v", faults.Met(), err)
				}
				_, err = os.Lstat(path)
				// Who was told that the file could not be made must not remove it: it may be
				// another's.
				if made := step == durabletest.Create && applied; (err == nil) != made {
					t.Errorf("the file: %v", err)
				}
			})
		}
	}
}

func TestCreateNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	d := (&durabletest.Faults{Step: durabletest.Write}).Disk(durable.System())
	d = (&durabletest.Faults{Step: durabletest.Remove}).Disk(d)
	err := d.Create(path, []byte("content"))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("remove %q", path)) {
		t.Errorf("nobody is told of the file that was left: %v", err)
	}
}

func TestSyncFolder(t *testing.T) {
	must(t, durable.SyncFolder(t.TempDir()))
}
