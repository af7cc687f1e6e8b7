package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pksa/agent"
	"pksa/agent/control"
)

// At a terminal the state is shown in place, on no more lines than there are. Keys end it at once,
// and the terminal is then as it was.
func TestWatchAtATerminal(t *testing.T) {
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus: func(context.Context, []byte) (any, error) { return crowd(time.Now()), nil },
	})
	for name, key := range map[string]byte{"q": 'q', "Ctrl-C": 3} {
		m := newTerminal(t)
		if err := unix.IoctlSetWinsize(int(m.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
			t.Fatal(err)
		}
		ended := make(chan int, 1)
		go func() {
			ended <- run(t.Context(), []string{"status", "--watch", "--home", home}, streams{m.tty, m.tty, m.tty})
			fmt.Fprint(m.tty, "END")
		}()
		seen, buffer := "", make([]byte, 4096)
		until := func(mark string) {
			for !strings.Contains(seen, mark) {
				n, err := m.person.Read(buffer)
				if err != nil {
					t.Fatalf("%s: %v after %q", name, err, seen)
				}
				if seen += string(buffer[:n]); mark != "END" && strings.Contains(seen, "END") {
					t.Fatalf("%s: it has ended: %q", name, seen)
				}
			}
		}
		until(pageRest)
		if !strings.Contains(seen, pageOther) {
			t.Errorf("%s: no page of its own: %q", name, seen)
		}
		page := seen[strings.Index(seen, pageTop)+len(pageTop) : strings.Index(seen, pageRest)]
		lines := strings.Split(strings.ReplaceAll(page, lineRest, ""), "\r\n")
		if len(lines) != 24 || !strings.HasSuffix(lines[0], "q quits") || !strings.HasPrefix(lines[23], "… ") {
			t.Errorf("%s: %d lines: %q", name, len(lines), lines)
		}
		if m.echoes(t) {
			t.Errorf("%s: keys are echoed", name)
		}
		// The next page ends with other lines, under the same first one.
		seen = ""
		if _, err := m.person.Write([]byte(" ")); err != nil {
			t.Fatal(err)
		}
		until(" above, --all (arrows, space, b)")
		next := strings.Split(strings.ReplaceAll(seen[strings.LastIndex(seen, pageTop)+len(pageTop):], lineRest, ""),
			"\r\n")
		if !strings.HasPrefix(next[0], "pksa  ") || slices.Contains(lines[1:23], next[22]) || len(next) != 24 {
			t.Errorf("%s: the next page is %q", name, next)
		}
		seen = ""
		if _, err := m.person.Write([]byte{key}); err != nil {
			t.Fatal(err)
		}
		until("END")
		if status := <-ended; status != exitOK {
			t.Errorf("%s: status %d", name, status)
		}
		if !strings.HasSuffix(seen, pageFirst+"END") || !m.echoes(t) {
			t.Errorf("%s: the terminal is not as it was: %q", name, seen[max(0, len(seen)-40):])
		}
	}
}
