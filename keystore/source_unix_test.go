//go:build unix

package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pksa/keystore"
)

// unixCarriers are those that Windows lacks, or that need its rights or programs.
var unixCarriers = map[string]carry{
	"link": func(t *testing.T, secret string) keystore.Source {
		link := filepath.Join(privateDir(t), "link")
		if err := os.Symlink(written(t, secret), link); err != nil {
			t.Fatal(err)
		}
		return source(t, "file:"+link)
	},
	"command": func(t *testing.T, secret string) keystore.Source {
		return source(t, "command:cat "+written(t, secret))
	},
	"fd file": func(t *testing.T, secret string) keystore.Source {
		return source(t, fmt.Sprint("fd:", descriptorOf(t, written(t, secret))))
	},
	"fd pipe": func(t *testing.T, secret string) keystore.Source {
		return source(t, fmt.Sprint("fd:", pipeWith(t, secret)))
	},
}

// descriptorOf gives a descriptor that no os.File owns, as an inherited one.
func descriptorOf(t *testing.T, path string) int {
	t.Helper()
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func pipeWith(t *testing.T, secret string) int {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(ends[1]), "pipe")
	go func() { // a pipe holds less than the largest secret
		defer w.Close()
		_, _ = w.WriteString(secret)
	}()
	return ends[0]
}

func TestSourceLooseFile(t *testing.T) {
	path := filepath.Join(privateDir(t), "secret")
	if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
	for _, mode := range []fs.FileMode{0o644, 0o604, 0o640, 0o660, 0o601, 0o444} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"file:" + path, "identity:" + path, "credential:secret"} {
			if mode == 0o640 && strings.HasPrefix(text, "credential") && os.Geteuid() == 0 {
				continue // allowed, see TestContentRule
			}
			var complaint *keystore.PermissionError
			if _, err := source(t, text).Read(t.Context(), nil); !errors.As(err, &complaint) ||
				complaint.Mode != mode {
				t.Errorf("%s with mode %o: %v", text, mode, err)
			}
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := source(t, "file:"+path).Read(t.Context(), nil); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
}

// A file behind a descriptor is under the same rules: it makes no difference who opened it.
func TestSourceLooseDescriptor(t *testing.T) {
	path := written(t, "secret")
	for mode, ok := range map[fs.FileMode]bool{0o644: false, 0o600: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := source(t, fmt.Sprint("fd:", descriptorOf(t, path))).Read(t.Context(), nil)
		var complaint *keystore.PermissionError
		if ok != (err == nil) || err != nil && !errors.As(err, &complaint) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// A program that others can replace is not run, and neither is one in a folder of theirs.
func TestSourceLooseProgram(t *testing.T) {
	dir := privateDir(t)
	program, ran := filepath.Join(dir, "unlock"), filepath.Join(dir, "ran")
	text := fmt.Sprintf("#!/bin/sh\ntouch %s\necho secret\n", ran)
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, modes := range map[string][2]fs.FileMode{"program": {0o700, 0o777}, "folder": {0o777, 0o755}} {
		if err := errors.Join(os.Chmod(dir, modes[0]), os.Chmod(program, modes[1])); err != nil {
			t.Fatal(err)
		}
		var complaint *keystore.PermissionError
		if _, err := source(t, "command:"+program).Read(t.Context(), nil); !errors.As(err, &complaint) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Errorf("%s: it was run", name)
		}
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(program, 0o700)); err != nil {
		t.Fatal(err)
	}
	if got, err := source(t, "command:"+program).Read(t.Context(), nil); err != nil || string(got.Bytes()) != "secret" {
		t.Errorf("got %v", err)
	}
}

// The number of a closed descriptor may be in use again at once, for a file of the test's runtime:
// what is asked is whether this pipe is still there.
func TestSourceDescriptorClosed(t *testing.T) {
	fd := pipeWith(t, "secret")
	var before, after syscall.Stat_t
	if err := syscall.Fstat(fd, &before); err != nil {
		t.Fatal(err)
	}
	if _, err := source(t, fmt.Sprint("fd:", fd)).Read(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	err := syscall.Fstat(fd, &after)
	if err == nil && after.Dev == before.Dev && after.Ino == before.Ino {
		t.Error("the pipe is still open")
	} else if err != nil && !errors.Is(err, syscall.EBADF) {
		t.Error(err)
	}
}

// A command that hangs is ended with its context.
func TestSourceCommandCancelled(t *testing.T) {
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	fifo := filepath.Join(privateDir(t), "fifo") // "cat" hangs until somebody writes
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go cancel(why)
	_, err := source(t, "command:cat "+fifo).Read(ctx, nil)
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestSourceNoShell(t *testing.T) {
	got, err := source(t, "command:echo *  ~ #x").Read(t.Context(), nil)
	if err != nil || string(got.Bytes()) != "* ~ #x" {
		t.Errorf("got %q, %v", got.Bytes(), err)
	}
}

func TestSourceUnixErrors(t *testing.T) {
	for text, says := range map[string]string{
		"fd:1234":                   "no such open descriptor",
		"command:false hidden-word": "exit status 1",
	} {
		_, err := source(t, text).Read(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hidden-word") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A script that an interpreter is called with is looked at as the interpreter is: whoever can
// change it says what is read.
func TestSourceCommandScript(t *testing.T) {
	script := filepath.Join(t.TempDir(), "secret.sh")
	if err := os.WriteFile(script, []byte("echo correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"command:sh " + script, "command:env --ignore-environment sh " + script} {
		source, err := keystore.ParseSource(form)
		if err != nil {
			t.Fatal(err)
		}
		read := func() error {
			_, err := source.Read(t.Context(), nil)
			return errors.Join(err, source.Check())
		}
		if err := os.Chmod(script, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if err := os.Chmod(script, 0o622); err != nil {
			t.Fatal(err)
		}
		if err := read(); err == nil || !strings.Contains(err.Error(), script) {
			t.Errorf("%s, which others can write: %v", form, err)
		}
	}
}
