package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pksa/cmd/pksa/internal/systemd"
)

// managed is the program as a service of systemd: with a socket to tell, and the journal as its
// standard error.
type managed struct {
	t       *testing.T
	home    string
	environ []string
	socket  *net.UnixConn
	alive   bool   // it gave a sign of life
	status  string // the last one that it told
}

func newManaged(t *testing.T) *managed {
	t.Helper()
	dir, err := os.MkdirTemp("", "pksa-unit-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	m := &managed{t: t, home: filepath.Join(dir, "home"), socket: socket, environ: append(os.Environ(),
		"NOTIFY_SOCKET="+name, "WATCHDOG_USEC=60000000", "PKSA_RELAYS=ws://127.0.0.1:1",
		"PKSA_NODES=http://127.0.0.1:1")}
	if out, err := exec.Command("pksa", "--home", m.home, "init").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return m
}

// start starts the program with a journal, and returns its lines as they come.
func (m *managed) start(args ...string) (*exec.Cmd, <-chan string) {
	m.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	info, err := w.Stat()
	if err != nil {
		m.t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	cmd := exec.Command("pksa", append([]string{"--home", m.home}, args...)...)
	cmd.Env = append(m.environ, fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	w.Close()
	m.t.Cleanup(func() { cmd.Process.Kill() })
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return cmd, lines
}

// told returns what the program tells the service manager next, but for status and signs of life.
func (m *managed) told() string {
	m.t.Helper()
	for {
		text := m.hears()
		m.note(text)
		if text != systemd.WatchdogState && !strings.HasPrefix(text, "STATUS=") {
			return text
		}
	}
}

// note remembers status and signs of life.
func (m *managed) note(text string) {
	if strings.HasPrefix(text, "STATUS=") {
		m.status = text
	}
	m.alive = m.alive || text == systemd.WatchdogState
}

func (m *managed) hears() string {
	m.t.Helper()
	m.socket.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 400)
	n, err := m.socket.Read(buf)
	if err != nil {
		m.t.Fatalf("the service manager was told nothing: %v", err)
	}
	return string(buf[:n])
}

// collect returns all lines that have a priority, and complains about the others.
func (m *managed) collect(lines <-chan string) (all []string) {
	m.t.Helper()
	for line := range lines {
		if len(line) < 3 || line[0] != '<' || line[2] != '>' {
			m.t.Errorf("without priority: %q", line)
		}
		all = append(all, line)
	}
	return all
}

// A service is started when it is ready and says when it stops; its log has priorities.
func TestServiceManagerIsTold(t *testing.T) {
	m := newManaged(t)
	cmd, lines := m.start("run")
	if got := m.told(); got != systemd.Ready {
		t.Errorf("told %q", got)
	}
	// A reload begins and ends, whether the policy is taken or not.
	for _, text := range []string{"version: 2\n", "version: 2\nallow: nonsense\n"} {
		if err := os.WriteFile(filepath.Join(m.home, "policy.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("pksa", "--home", m.home, "policy", "reload").CombinedOutput()
		if broken := strings.Contains(text, "nonsense"); (err != nil) != broken {
			t.Errorf("%v: %s", err, out)
		}
		if got := m.told(); got != systemd.Reloading {
			t.Errorf("told %q", got)
		}
		if got := m.told(); got != systemd.Ready {
			t.Errorf("told %q", got)
		}
	}
	// Nodes and relays do not answer, of which it warns; more lines may follow.
	var all []string
	for line := range lines {
		all = append(all, line)
		if strings.Contains(line, "level=WARN") {
			break
		}
	}
	// The first sign of life comes with the start, beside all of this.
	for !m.alive {
		m.note(m.hears())
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if got := m.told(); got != systemd.Stopping {
		t.Errorf("told %q", got)
	}
	all = append(all, m.collect(lines)...)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, strings.Join(all, "\n"))
	}
	if !m.alive || !strings.HasPrefix(m.status, "STATUS=Not serving: ") {
		t.Errorf("a sign of life: %t, status %q", m.alive, m.status)
	}
	levels := map[string]string{"INFO": "<6>", "WARN": "<4>", "ERROR": "<3>"}
	for _, line := range all {
		for level, want := range levels {
			if strings.Contains(line, " level="+level+" ") && !strings.HasPrefix(line, want) {
				t.Errorf("%q, want %s", line, want)
			}
		}
	}
	if !slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, "<4>") }) {
		t.Errorf("no warning: %q", all)
	}
}

// With a broken policy the start fails before the service manager is told anything.
func TestBrokenPolicyIsNotReady(t *testing.T) {
	m := newManaged(t)
	if err := os.WriteFile(filepath.Join(m.home, "policy.yaml"), []byte("version: 1\nallow: nonsense\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	cmd, lines := m.start("run")
	all := m.collect(lines)
	if err := cmd.Wait(); err == nil {
		t.Error("it started")
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"<3>pksa: error: the policy cannot be used:", "<3>pksa: hint: mend it"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	m.socket.SetReadDeadline(time.Now())
	if n, err := m.socket.Read(make([]byte, 10)); err == nil {
		t.Errorf("the service manager was told %d bytes", n)
	}
}
