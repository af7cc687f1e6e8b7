package control_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pksa/agent/control"
)

const stranger = 65534

// squatter has a process of another user listen at path, whoever may write in the folder: the
// kernel notes who listens, not who made the file.
func squatter(t *testing.T, path string) net.Listener {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	listening := make(chan int)
	go func() {
		// Never unlocked: this thread is another user from here on, and ends with the goroutine.
		runtime.LockOSThread()
		listening <- listenAs(stranger, path)
	}()
	fd := <-listening
	if fd < 0 {
		t.Fatal("no squatter")
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// squat is a squatter that reads. What callers send comes out of the channel.
func squat(t *testing.T, path string) <-chan string {
	t.Helper()
	l := squatter(t, path)
	heard := make(chan string, 10)
	go func() {
		defer close(heard)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn)
			conn.Close()
			heard <- string(text)
		}
	}()
	return heard
}

func listenAs(user uintptr, path string) int {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil || syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}) != nil {
		return -1
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, user, user, user); errno != 0 {
		return -1
	}
	if syscall.Listen(fd, 8) != nil {
		return -1
	}
	return fd
}

// A command says nothing to a process of another user: what it has to say may open the keystore.
func TestStrangerListens(t *testing.T) {
	path := socketPath(t)
	heard := squat(t, path)
	err := control.Call(t.Context(), path, "keys.reload", map[string]string{"secret": "of the keystore"}, nil)
	if err == nil || errors.Is(err, control.ErrNoAgent) || !strings.Contains(err.Error(), "user 65534 listens there") {
		t.Errorf("call: %v", err)
	}
	if text := <-heard; text != "" {
		t.Errorf("the stranger heard %q", text)
	}
	// Nor can the stranger keep an agent from starting without being named.
	if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "user 65534 listens there") {
		t.Errorf("listen: %v", err)
	}
	<-heard

	// Root asks the agent of a service: the owner of the home folder may listen there.
	home := filepath.Dir(path)
	if err := os.Chown(home, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	if err := control.Call(t.Context(), path, "x", nil, nil); err == nil || !strings.Contains(err.Error(),
		"belongs to user 65534") {
		t.Errorf("no home is named: %v", err)
	}
	<-heard
	ctx, hangUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- control.Socket{Path: path, Home: home}.Call(ctx, "status", nil, nil) }()
	hangUp() // the stranger reads until its caller hangs up
	if err := <-answered; err == nil || strings.Contains(err.Error(), "user 65534") {
		t.Errorf("the owner of the home folder: %v", err)
	}
}

// In a folder that others can write nothing is said to anybody, and nobody listens, sticky or not.
func TestOpenFolder(t *testing.T) {
	for _, mode := range []fs.FileMode{0o777, fs.ModeSticky | 0o777, 0o722} {
		path := socketPath(t)
		dir := filepath.Dir(path)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		for _, inside := range []string{path, filepath.Join(dir, "below", "s")} {
			if inside != path && mode&fs.ModeSticky != 0 {
				continue // others cannot replace a folder of ours there
			}
			_ = os.Mkdir(filepath.Dir(inside), 0o700)
			if _, err := control.Listen(inside); err == nil || !strings.Contains(err.Error(),
				"others can write in it") {
				t.Errorf("%v: listen at %s: %v", mode, inside, err)
			}
			err := control.Call(t.Context(), inside, "x", nil, nil)
			if err == nil || errors.Is(err, control.ErrNoAgent) || !strings.Contains(err.Error(),
				"others can write in it") {
				t.Errorf("%v: call at %s: %v", mode, inside, err)
			}
		}
		if os.Geteuid() != 0 {
			continue
		}
		heard := squat(t, path)
		if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "user 65534 listens there") {
			t.Errorf("%v: who listens is not named: %v", mode, err)
		}
		if text := <-heard; text != "" {
			t.Errorf("the stranger heard %q", text)
		}
	}
}
