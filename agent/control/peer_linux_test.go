package control_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pksa/agent/control"
)

// Another user is refused by the kernel's word, although the socket and its folder are open to all.
func TestOtherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	path := socketPath(t)
	listener, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	served := false
	s := &control.Server{Logger: slog.New(slog.NewTextHandler(&log, nil)), Handlers: map[string]control.Handler{
		"ping": func(context.Context, []byte) (any, error) { served = true; return "pong", nil },
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx, listener) }()
	answer := make(chan string)
	go func() {
		// Never unlocked: this thread is another user from here on, and ends with the goroutine.
		runtime.LockOSThread()
		answer <- askAs(65534, path)
	}()
	if got := <-answer; got != "" {
		t.Errorf("another user got %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if served || !strings.Contains(log.String(), "caller has user id 65534") {
		t.Errorf("served %t, logged %s", served, &log)
	}
}

// askAs makes the thread another user's, calls, and returns the answer or what kept it from
// calling.
func askAs(user uintptr, path string) string {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, user, user, user); errno != 0 {
		return errno.Error()
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	// The server may have closed its end already: then writing fails, and there is no answer.
	_, _ = io.WriteString(conn, `{"method":"ping"}`)
	b, _ := io.ReadAll(conn)
	return string(b)
}
