// Package systemd is what the program says to a service manager that started it: that it is ready,
// that it stops, and how important each line of its log is.
//
// Start with [Dial] and [IsJournal]. Nothing here needs systemd: without its variables, Dial
// returns a [Notifier] that says nothing, and IsJournal returns false.
package systemd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// The states of sd_notify(3) that the program has.
const (
	Ready     = "READY=1"
	Reloading = "RELOADING=1" // until Ready is sent again
	Stopping  = "STOPPING=1"
)

// Notifier is the connection to the service manager. It may be used concurrently.
type Notifier struct {
	conn net.Conn

	mu      sync.Mutex // held while something is sent, so that nothing overtakes Stopping
	stopped bool       // guarded by mu: Stopping was sent
}

// Dial connects to the socket that NOTIFY_SOCKET names: a path, or "@name" for the abstract one. An
// empty name returns a notifier that says nothing. It is called before the process shuts itself in:
// from then on the path of the socket is closed to it.
func Dial(socket string) (*Notifier, error) {
	if socket == "" {
		return &Notifier{}, nil
	}
	if socket[0] != '/' && socket[0] != '@' {
		return &Notifier{}, fmt.Errorf("NOTIFY_SOCKET %q is no path and no @name: the service manager is told nothing",
			socket)
	}
	// Package net puts a zero byte in the place of the @.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return &Notifier{}, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &Notifier{conn: conn}, nil
}

// Send sends one state. After Stopping, neither Ready nor Reloading is sent: a reload that ends
// while the process stops would make it a running service again.
func (n *Notifier) Send(state string) error {
	if n.conn == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped && (state == Ready || state == Reloading) {
		return nil
	}
	n.stopped = n.stopped || state == Stopping
	// A manager that reads nothing must not stop what the process does.
	_ = n.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := n.conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("telling the service manager %s: %w", state, err)
	}
	return nil
}

// Close closes the connection.
func (n *Notifier) Close() error {
	if n.conn == nil {
		return nil
	}
	return n.conn.Close()
}

// Priority is how important a line is to the journal, as in sd-daemon(3).
type Priority int

// The priorities that the program uses.
const (
	Error   Priority = 3
	Warning Priority = 4
	Info    Priority = 6
	Debug   Priority = 7
)

// Prefix returns the text with its priority before each line. The journal takes it away and shows
// the line with `journalctl -p`.
func Prefix(p Priority, text string) string {
	prefix := fmt.Sprintf("<%d>", p)
	body, end := strings.CutSuffix(text, "\n")
	text = prefix + strings.ReplaceAll(body, "\n", "\n"+prefix)
	if end {
		text += "\n"
	}
	return text
}

// Handler returns a handler of log records that writes to w what the made handlers write, each line
// with the priority of its level. make makes a handler for a writer, always with the same options.
func Handler(w io.Writer, make func(io.Writer) slog.Handler) slog.Handler {
	h := leveled{}
	for i, p := range priorities {
		h[i] = make(prefixed{w, p})
	}
	return h
}

// priorities are those of records, the most important first.
var priorities = [...]Priority{Error, Warning, Info, Debug}

// leveled holds one handler for each of the priorities.
type leveled [len(priorities)]slog.Handler

func at(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 0
	case level >= slog.LevelWarn:
		return 1
	case level >= slog.LevelInfo:
		return 2
	}
	return 3
}

func (h leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return h[at(level)].Enabled(ctx, level)
}

func (h leveled) Handle(ctx context.Context, r slog.Record) error {
	return h[at(r.Level)].Handle(ctx, r)
}

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i := range h {
		h[i] = h[i].WithAttrs(attrs)
	}
	return h
}

func (h leveled) WithGroup(name string) slog.Handler {
	for i := range h {
		h[i] = h[i].WithGroup(name)
	}
	return h
}

// prefixed writes lines with a priority. slog's handlers write each record with one call.
type prefixed struct {
	w io.Writer
	p Priority
}

// Write writes all of p in one call, so that lines of several goroutines do not mix.
func (w prefixed) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.w, Prefix(w.p, string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
