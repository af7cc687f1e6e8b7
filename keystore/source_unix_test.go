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
	for _, mode := range []fs.FileMode{0o644, 0o604, 0o640, 0o660, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"file:" + path, "identity:" + path, "credential:secret"} {
			if mode == 0o640 && strings.HasPrefix(text, "credential") && os.Geteuid() == 0 {
				continue // allowed, see TestPermissionRules
			}
			var complaint *keystore.PermissionError
			if _, err := source(t, text).Read(t.Context(), nil); !errors.As(err, &complaint) ||
				complaint.Mode != mode && complaint.Mode != mode&^0o040 {
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

func TestSourceDescriptorClosed(t *testing.T) {
	fd := pipeWith(t, "secret")
	s := source(t, fmt.Sprint("fd:", fd))
	if _, err := s.Read(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); !errors.Is(err, syscall.EBADF) {
		t.Errorf("still open: %v", err)
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
