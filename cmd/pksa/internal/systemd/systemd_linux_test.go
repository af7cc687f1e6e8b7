package systemd

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// States arrive at sockets with a path and at abstract ones.
func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{filepath.Join(dir, "socket"), fmt.Sprintf("@pksa-notify-%d", os.Getpid())} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		n, err := Dial(name)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		for _, state := range []string{Ready, Stopping} {
			if err := n.Send(state); err != nil {
				t.Fatal(err)
			}
			if size, err := l.Read(buf); err != nil || string(buf[:size]) != state {
				t.Errorf("%s: %q, %v", name, buf[:size], err)
			}
		}
		n.Close()
		l.Close()
	}
}

// A reload may begin or end after the stop has begun: of that the manager is told nothing, and what
// it may still hear it hears.
func TestNothingAfterStopping(t *testing.T) {
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: fmt.Sprintf("@pksa-stopping-%d", os.Getpid()),
		Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n, err := Dial(l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, state := range []string{Ready, Reloading, Stopping, Ready, Reloading, Ready, WatchdogState,
		StatusText("ends")} {
		if err := n.Send(state); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 100)
	for _, want := range []string{Ready, Reloading, Stopping, WatchdogState, "STATUS=ends"} {
		if size, err := l.Read(buf); err != nil || string(buf[:size]) != want {
			t.Errorf("%q, %v, want %q", buf[:size], err, want)
		}
	}
}

// Without a socket nothing is said, and a bad one is an error with a notifier that can be used.
func TestNobodyToNotify(t *testing.T) {
	for socket, wanted := range map[string]bool{"": true, "vsock:2:1": false, "/none.here/socket": false} {
		n, err := Dial(socket)
		if (err == nil) != wanted {
			t.Errorf("%q: %v", socket, err)
		}
		if err := n.Send(Ready); err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Each line of the log has the priority of its level, with attributes and groups.
func TestHandler(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(Handler(&out, func(w io.Writer) slog.Handler {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})
	})).With("a", 1).WithGroup("g")
	log.Debug("one")
	log.Info("two", "b", 2)
	log.Warn("three")
	log.Error("four\nlines")
	want := []string{"<7>", "<6>", "<4>", "<3>"}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]+"time=") || !strings.Contains(line, " a=1") {
			t.Errorf("%q, want %s", line, want[i])
		}
	}
	if !strings.HasSuffix(lines[1], "g.b=2") {
		t.Errorf("%q", lines[1])
	}
	if got := Prefix(Error, "a\nb\n"); got != "<3>a\n<3>b\n" {
		t.Errorf("%q", got)
	}
}

// Only the stream that the variable names is the journal.
func TestIsJournal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	info, err := w.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	named := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for _, tt := range []struct {
		w      io.Writer
		stream string
		want   bool
	}{
		{w, named, true}, {w, "", false}, {w, "1:2", false}, {new(bytes.Buffer), named, false},
		{os.Stdin, named, false},
	} {
		if got := IsJournal(tt.w, tt.stream); got != tt.want {
			t.Errorf("%T, %q: %t", tt.w, tt.stream, got)
		}
	}
}
