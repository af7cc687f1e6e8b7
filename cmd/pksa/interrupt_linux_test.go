package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pksa/cmd/pksa/internal/logtail"
)

// terminal is a terminal with a person at it.
type terminal struct {
	person *os.File // what the person types and sees
	tty    *os.File // what a program has as its terminal
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return &terminal{person, tty}
}

// echoes reports whether the terminal shows what is typed.
func (m *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(m.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// start runs the program at the terminal.
func (m *terminal) start(t *testing.T, said io.Writer, home string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := m.command(t, said, home, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // an error: it has ended
	return cmd
}

// command is the program at the terminal, not started yet.
func (m *terminal) command(t *testing.T, said io.Writer, home string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: program, Args: append([]string{"pksa", "--home", home}, args...), Stdin: m.tty,
		Stdout: said, Stderr: said, Dir: filepath.Dir(home),
		Env:         append(os.Environ(), "PKSA_NODES=http://127.0.0.1:1", "PKSA_RELAYS=ws://127.0.0.1:1"),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}}
}

// interrupt types Ctrl-C when the program has asked.
func (m *terminal) interrupt(t *testing.T, said *logtail.Buffer, prompt string, ended <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.HasSuffix(said.String(), prompt) {
		select {
		case <-ended:
			t.Fatalf("it has ended without a question: %s", said.Last(20))
		case <-t.Context().Done():
			t.Fatalf("it asks nothing: %s", said.Last(20))
		case <-tick.C:
		}
	}
	if _, err := m.person.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
}

// runs runs the program where nobody is asked.
func runs(t *testing.T, home string, args ...string) {
	t.Helper()
	out := new(bytes.Buffer)
	status := run(t.Context(), append([]string{"--home", home}, args...), streams{strings.NewReader(""), out, out})
	if status != exitOK {
		t.Fatalf("%q: %s", args, out)
	}
}

// Ctrl-C ends everything that waits for a person: at once, with the status that shells have for it,
// and with a terminal that shows again what is typed.
func TestInterruptEndsPrompts(t *testing.T) {
	t.Setenv("PKSA_LOG_LEVEL", "error")
	folder := t.TempDir()
	home, locked, fresh := filepath.Join(folder, "home"), filepath.Join(folder, "locked"), filepath.Join(folder, "new")
	runs(t, home, "init")
	if err := os.WriteFile(filepath.Join(folder, "key"), []byte(testKey("alice", "posting").WIF()), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, home, "keys", "import", "alice", "--role", "posting", "--offline", "--from", "file:"+folder+"/key")
	runs(t, home, "app", "add", "mybot")
	runs(t, home, "session", "add", "alice", "--app", "mybot")
	t.Setenv("PASSPHRASE", "correct horse battery")
	runs(t, locked, "init", "--unlock", "env:PASSPHRASE")
	for _, c := range []struct {
		home, line, prompt string
	}{
		{home, "keys import alice --role posting --from prompt", "posting key of alice: "},
		{home, "keys import alice --role posting --password --from prompt", "master password of alice: "},
		{home, "keys rotate alice posting --from prompt", "posting key of alice: "},
		{home, "keys passwd --new prompt", "new passphrase of the keystore: "},
		{home, "app add other --secret prompt", "secret of the application: "},
		{home, "app rotate mybot --secret prompt", "secret of the application: "},
		{home, "session add alice --app mybot --key prompt", "auth_key: "},
		{home, "session revoke --app mybot", "[y/N] "},
		{home, "pair --app mybot", "pairing link: "},
		{fresh, "init --unlock prompt", "new passphrase of the keystore: "},
		{locked, "keys list", "passphrase of the keystore: "},
		{locked, "app list", "passphrase of the keystore: "},
		{locked, "audit tail", "passphrase of the keystore: "},
		{locked, "ledger accept", "passphrase of the keystore: "},
		{locked, "run", "passphrase of the keystore: "},
		{locked, "init --set-aside", "[y/N] "},
	} {
		t.Run(c.line, func(t *testing.T) {
			if c.home == locked {
				t.Setenv("PKSA_UNLOCK", "prompt")
			}
			m, said := newTerminal(t), new(logtail.Buffer)
			cmd := m.start(t, said, c.home, strings.Fields(c.line)...)
			ended := make(chan struct{})
			go func() {
				_ = cmd.Wait() // the status is looked at below
				close(ended)
			}()
			m.interrupt(t, said, c.prompt, ended)
			<-ended
			if status := cmd.ProcessState.ExitCode(); status != 130 {
				t.Errorf("status %d: %s", status, said.Last(20))
			}
			if !m.echoes(t) {
				t.Error("the terminal shows no more what is typed")
			}
			if text := said.Last(20); !strings.HasSuffix(text, "pksa: error: interrupted") {
				t.Errorf("it says %q", text)
			}
		})
	}
	if is(fresh) {
		t.Error("an interrupted init has left something")
	}
}
