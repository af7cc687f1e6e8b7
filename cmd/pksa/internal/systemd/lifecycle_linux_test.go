package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How long the service manager waits is taken from its variables, if they speak of this process.
func TestWatchdog(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"30000000", "", 30 * time.Second},
		{"30000000", self, 30 * time.Second},
		{"30000000", self + "1", 0}, // a parent's
		{"0", self, 0},
		{"-1", self, 0},
		{"soon", self, 0},
		{"9223372036854775807", self, 0},
	} {
		if got := Watchdog(tt.usec, tt.pid); got != tt.want {
			t.Errorf("%q of %q: %s, want %s", tt.usec, tt.pid, got, tt.want)
		}
	}
}

// A status is one line of bounded length, whatever the text is.
func TestStatusText(t *testing.T) {
	for text, want := range map[string]string{
		"Serving 1 account":            "STATUS=Serving 1 account",
		"two\nlines\tWATCHDOG=1\r":     "STATUS=two lines WATCHDOG=1 ",
		strings.Repeat("é", 101):       "STATUS=" + strings.Repeat("é", 100) + "…",
		strings.Repeat("é", 100):       "STATUS=" + strings.Repeat("é", 100),
		strings.Repeat("x", 199) + "é": "STATUS=" + strings.Repeat("x", 199) + "…",
	} {
		if got := StatusText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Signs of life come as long as what is asked lives, and stop when it hangs.
func TestKeepAlive(t *testing.T) {
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: fmt.Sprintf("@pksa-alive-%d", os.Getpid()),
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
	ctx, stop := context.WithCancel(t.Context())
	asked := 0
	n.KeepAlive(ctx, 3*time.Millisecond, func(context.Context) error {
		asked++
		switch {
		case asked == 5:
			stop()
		case asked%2 == 0:
			return errors.New("it hangs")
		}
		return nil
	})
	l.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 100)
	for range 3 { // the first, the third and the fifth time
		if size, err := l.Read(buf); err != nil || string(buf[:size]) != WatchdogState {
			t.Fatalf("%q, %v", buf[:size], err)
		}
	}
	l.SetReadDeadline(time.Now())
	if size, err := l.Read(buf); err == nil {
		t.Errorf("one sign too many: %q", buf[:size])
	}
	(&Notifier{}).KeepAlive(t.Context(), time.Hour, nil) // nobody waits
	n.KeepAlive(t.Context(), 0, nil)
}
