package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/policy"
	"pksa/agent/refund"
	"pksa/cmd/pksa/internal/logtail"
)

// Ctrl-C ends the reading of a secret that somebody else was to write into a descriptor.
func TestInterruptEndsDescriptor(t *testing.T) {
	t.Setenv("PKSA_LOG_LEVEL", "error")
	home := filepath.Join(t.TempDir(), "home")
	runs(t, home, "init")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	m, said := newTerminal(t), new(logtail.Buffer)
	cmd := m.command(t, said, home, "keys", "import", "alice", "--role", "posting", "--offline", "--from", "fd:3")
	cmd.ExtraFiles = []*os.File{read}
	if _, err := write.WriteString("a part of it"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // an error: it has ended
	// Once it has taken the part it waits for the rest.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for waiting := 1; waiting > 0; {
		select {
		case <-t.Context().Done():
			t.Fatalf("it reads nothing: %s", said.Last(20))
		case <-tick.C:
		}
		if waiting, err = unix.IoctlGetInt(int(read.Fd()), unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.person.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status is looked at below
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("status %d: %s", status, said.Last(20))
	}
	if text := said.Last(20); strings.Contains(text, "a part") || !strings.Contains(text, "interrupted") {
		t.Errorf("it says %q", text)
	}
}

// At a terminal giving a charge back asks first, and shows what it is.
func TestLimitReleaseAsks(t *testing.T) {
	charge := refund.Charge{Number: 12, App: "tipbot", Account: "alice", TxID: strings.Repeat("ab", 20),
		State: "not on the chain", Charges: []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: "1.1"}}}
	released := 0
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodLimitList: func(context.Context, []byte) (any, error) { return []refund.Charge{charge}, nil },
		agent.MethodLimitRelease: func(context.Context, []byte) (any, error) {
			released++
			return charge, nil
		},
	})
	for _, c := range []struct {
		typed, flag string
		asks        bool
		status, sum int
	}{
		{"n\n", "", true, exitFailure, 0}, {"\n", "", true, exitFailure, 0}, {"yes\n", "", true, exitOK, 1},
		{"n\n", "--yes", false, exitOK, 2},
	} {
		m := newTerminal(t)
		if _, err := m.person.WriteString(c.typed); err != nil {
			t.Fatal(err)
		}
		var out, said bytes.Buffer
		args := strings.Fields("limit release 12 " + c.flag)
		status := run(t.Context(), append(args, "--home", home), streams{m.tty, &out, &said})
		const question = `Request 12: give back 1.1 HBD of "tips", which tipbot was charged? [y/N] `
		if status != c.status || released != c.sum || strings.Contains(said.String(), question) != c.asks {
			t.Errorf("%q %s: status %d, %d given back: %s", c.typed, c.flag, status, released, said.String())
		}
	}
}

// Who waits at a terminal for a verification by the running agent sees how far that is.
func TestProgressOfTheAgent(t *testing.T) {
	m := newTerminal(t)
	read := make(chan struct{}) // the person has read how far it is
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodAuditVerify: func(ctx context.Context, _ []byte) (any, error) {
			select {
			case <-read:
			case <-ctx.Done():
			}
			return audit.Verified{From: 1, To: 4000}, nil
		},
		agent.MethodVerifying: func(context.Context, []byte) (any, error) {
			return audit.HowFar{Done: 1000, All: 4000}, nil
		},
	})
	go func() {
		var shown []byte
		for part := make([]byte, 100); !bytes.Contains(shown, []byte("checking: 1000 of 4000 records, ")); {
			n, err := m.person.Read(part)
			if shown = append(shown, part[:n]...); err != nil {
				return
			}
		}
		close(read)
		_, _ = io.Copy(io.Discard, m.person)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	status := run(ctx, []string{"audit", "verify", "--home", home}, streams{strings.NewReader(""), &out, m.tty})
	if status != 0 {
		t.Errorf("status %d, nothing was shown: %s", status, out.String())
	}
	m.tty.Close()
}

// At a terminal of 80 columns no line is wider, whatever is said, and no command is broken.
func TestTerminalOf80Columns(t *testing.T) {
	room := policy.Room{Limit: policy.RuleRef{Name: "a-limit-with-a-long-name"}, Unit: "HBD", Window: 24 * time.Hour,
		Used: "1.6", Most: "2", NotOnChain: "1.1"}
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus: func(context.Context, []byte) (any, error) {
			return agent.Status{Policy: agent.PolicyStatus{Room: []policy.Room{room}},
				WillNotStart: []string{strings.Repeat("some words of a reason ", 12)}}, nil
		},
	})
	for _, args := range [][]string{{"status"}, {"limit", "release", "none", "--json"}, {"app", "rotate", "no body"}} {
		m := newTerminal(t)
		if err := unix.IoctlSetWinsize(int(m.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		seen := make(chan struct{})
		go func() {
			_, _ = io.Copy(&shown, m.person) // ends with an error once the other end is closed
			close(seen)
		}()
		run(t.Context(), append(args, "--home", home), streams{strings.NewReader(""), m.tty, m.tty})
		m.tty.Close()
		<-seen
		lines := strings.Split(strings.ReplaceAll(shown.String(), "\r\n", "\n"), "\n")
		if len(lines) < 2 {
			t.Errorf("%q shows nothing", args)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > 80 && !oneCommand(line) &&
				!strings.HasPrefix(line, "{") {
				t.Errorf("%q: %d columns: %q", args, n, line)
			}
		}
	}
}
