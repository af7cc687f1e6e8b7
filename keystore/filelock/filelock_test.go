package filelock_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pksa/keystore/filelock"
)

// Two open files of one name stand for two processes: the lock belongs to the open file.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	one, other := open(), open()
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	check("the first", filelock.Lock(one), nil)
	check("beside it", filelock.Lock(other), filelock.ErrLocked)
	check("to read beside it", filelock.RLock(other), filelock.ErrLocked)
	check("the release", filelock.Unlock(one), nil)
	check("after the release", filelock.RLock(other), nil)
	check("to read with another reader", filelock.RLock(one), nil)
	check("beside a reader", filelock.Lock(open()), filelock.ErrLocked)
	check("closing", errors.Join(one.Close(), other.Close()), nil)
	check("after all are closed", filelock.Lock(open()), nil)
}

// What is locked stays readable and can be written by its holder.
func TestLockedFileIsReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := filelock.Lock(f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("content"); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestClosed(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := filelock.Lock(f); err == nil || errors.Is(err, filelock.ErrLocked) {
		t.Errorf("got %v", err)
	}
}
