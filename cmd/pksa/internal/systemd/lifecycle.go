package systemd

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// WatchdogState tells the service manager that the process still goes on.
const WatchdogState = "WATCHDOG=1"

// longestStatus is how many bytes of a status text are sent: `systemctl status` has one line for
// it.
const longestStatus = 200

// Watchdog returns how long the service manager waits between two signs of life, as WATCHDOG_USEC
// and WATCHDOG_PID say; zero if it waits for none, or for those of another process.
func Watchdog(usec, pid string) time.Duration {
	if pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(time.Duration(1<<63-1)/time.Microsecond) {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// StatusText returns the state that `systemctl status` shows as a line.
func StatusText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > longestStatus {
		text = strings.ToValidUTF8(text[:longestStatus], "") + "…"
	}
	return "STATUS=" + text
}

// KeepAlive sends the service manager a sign of life three times in each span of the given length,
// as long as live returns nil, until ctx ends. Without one the manager ends the process and starts
// it again.
func (n *Notifier) KeepAlive(ctx context.Context, span time.Duration, live func(context.Context) error) {
	if n.conn == nil || span <= 0 {
		return
	}
	tick := time.NewTicker(max(span/3, time.Millisecond))
	defer tick.Stop()
	for {
		if live(ctx) == nil {
			// What cannot be sent now is sent next time; if it never can, the manager acts on it.
			_ = n.Send(WatchdogState)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
