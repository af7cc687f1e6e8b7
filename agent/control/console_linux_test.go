package control_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pksa/agent/control"
)

// asUser runs f on a thread that is another user's from then on.
func asUser(t *testing.T, user uint32, path string) string {
	t.Helper()
	answer := make(chan string)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		answer <- askAs(uintptr(user), path)
	}()
	return <-answer
}

// The socket of a console serves the one user beside its own, and nobody else, although everybody
// may connect.
func TestConsoleIsServed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	path := socketPath(t)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := control.ListenConsole(path)
	if err != nil {
		t.Fatal(err)
	}
	console := uint32(4242)
	s := &control.Server{Logger: slog.New(slog.DiscardHandler), Console: &console, Handlers: map[string]control.Handler{
		"ping": func(ctx context.Context, _ []byte) (any, error) {
			user, _ := control.Caller(ctx)
			return fmt.Sprint("pong ", user), nil
		},
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx, listener) }()
	for user, want := range map[uint32]string{console: `{"result":"pong 4242"}`, 65534: "", 0: `{"result":"pong 0"}`} {
		if got := strings.TrimSpace(asUser(t, user, path)); got != want {
			t.Errorf("user %d got %q, not %q", user, got, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A console makes eight calls at once, and not one more.
func TestConsoleIsBounded(t *testing.T) {
	const most = 8
	path := socketPath(t)
	listener, err := control.ListenConsole(path)
	if err != nil {
		t.Fatal(err)
	}
	self := uint32(os.Geteuid())
	begun, release := make(chan struct{}), make(chan struct{})
	s := &control.Server{Logger: slog.New(slog.DiscardHandler), Console: &self, Handlers: map[string]control.Handler{
		"wait": func(context.Context, []byte) (any, error) { begun <- struct{}{}; <-release; return "waited", nil },
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx, listener) }()
	results := make(chan error, most)
	for range most {
		go func() { results <- control.Call(t.Context(), path, "wait", nil, nil) }()
		<-begun
	}
	if err := control.Call(t.Context(), path, "wait", nil, nil); err == nil ||
		!strings.Contains(err.Error(), "8 other calls") {
		t.Errorf("one call more: %v", err)
	}
	close(release)
	for range most {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A console asks the wallet of another user, whom it names, and no third one.
func TestAgentOfAnotherUser(t *testing.T) {
	path := socketPath(t)
	listener := squatter(t, path)
	heard := make(chan int, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 64)
			n, _ := conn.Read(b)
			_, _ = io.WriteString(conn, `{"result":{}}`)
			conn.Close()
			heard <- n
		}
	}()
	for user, want := range map[uint32]bool{stranger: true, 4242: false} {
		err := control.Socket{Path: path, Agent: &user}.Call(t.Context(), "ping", struct{}{}, nil)
		refused := err != nil && strings.Contains(err.Error(), "user 65534 listens there")
		if want != (err == nil) || !want && !refused {
			t.Errorf("user %d: %v", user, err)
		}
		if said := <-heard; (said > 0) != want {
			t.Errorf("user %d: heard %d bytes", user, said)
		}
	}
}
