package harden_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// Hardening cannot be undone, so that it is done in a child process: this test binary again, which
// does what the variable says.
const childVariable = "HARDEN_CHILD"

const allowVotes = `version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
`

// childReport is what the child tells of itself. What it could lie about is looked at from outside.
type childReport struct {
	Measures []harden.Measure
	Foreseen []harden.Measure // before any was taken
	Dumpable int
	Failed   map[string]string // what was tried, and its error; "" if it went well
}

// hardenHome makes a home folder with keystore and ledger, a folder "policies" outside of it that
// the policy is linked into, and a file nobody needs.
func hardenHome(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"home", "policies", "policies/v1", "foreign", "run", "console", "tokens"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"policies/v1/policy.yaml": allowVotes, "foreign/file": "not for us",
		"tokens/token":    "a token of a test",
		"policies/unlock": "a passphrase in plain sight",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("v1/policy.yaml", filepath.Join(root, "policies/policy.yaml")); err != nil {
		t.Fatal(err)
	}
	return root
}

func hardenConfig(root string) *config.Config {
	cfg := config.Default(filepath.Join(root, "home"))
	cfg.Policy = filepath.Join(root, "policies/policy.yaml")
	cfg.Control = filepath.Join(root, "run/control.sock")
	cfg.ConsoleSocket = filepath.Join(root, "console/console.sock")
	cfg.Notify = []config.Notifier{{Kind: config.NotifyNtfy, Source: "file:" + filepath.Join(root, "tokens/token")}}
	cfg.Unlock = "command:" + filepath.Join(root, "unlock.sh") + " argument"
	return cfg
}

// TestHardenChild is the child; alone it does nothing.
func TestHardenChild(t *testing.T) {
	root := os.Getenv(childVariable)
	if root == "" {
		t.Skip("the child of other tests")
	}
	c := &child{t: t, root: root, cfg: hardenConfig(root), report: childReport{Failed: map[string]string{}}}
	c.run()
	text, err := json.Marshal(c.report)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("report %s\n", text)
	bufio.NewReader(os.Stdin).ReadString('\n') // the parent has looked
}

type child struct {
	t      *testing.T
	root   string
	cfg    *config.Config
	keys   *keystore.Store
	ledger *ledger.Ledger
	report childReport
}

func (c *child) path(name string) string { return filepath.Join(c.root, name) }

// try notes how something went.
func (c *child) try(what string, err error) {
	c.report.Failed[what] = ""
	if err != nil {
		c.report.Failed[what] = err.Error()
	}
}

// denied notes whether the kernel forbade something.
func (c *child) denied(what string, err error) {
	c.report.Failed[what] = ""
	if !errors.Is(err, fs.ErrPermission) {
		c.report.Failed[what] = fmt.Sprintf("not forbidden: %v", err)
	}
}

func (c *child) run() {
	c.report.Foreseen = harden.Foresee()
	shielded, err := harden.Shield(c.cfg.Hardening)
	if err != nil {
		c.t.Fatal(err)
	}
	c.open()
	ask, asked := oldThreads(8, c.path("foreign/file"))
	confined, err := harden.Confine(c.cfg, harden.Paths{Read: []string{c.path("extra")}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.report.Measures = append(shielded, confined...)
	c.report.Dumpable, _ = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	close(ask)
	for err := range asked {
		c.denied("a thread from before reads a foreign file", err)
	}
	c.stillWorks()
	c.forbidden()
}

// oldThreads are system threads that exist before the rules, and each read a file once ask is
// closed.
func oldThreads(n int, path string) (ask chan struct{}, asked chan error) {
	ask, asked = make(chan struct{}), make(chan error, n)
	var ready, done sync.WaitGroup
	for range n {
		ready.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-ask
			_, err := os.ReadFile(path)
			asked <- err
			runtime.UnlockOSThread() // or the thread would end with the goroutine
		})
	}
	ready.Wait()
	go func() { done.Wait(); close(asked) }()
	return ask, asked
}

func (c *child) open() {
	unlock, _, err := keystore.CreateIdentity(c.path("home/identity.txt"))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.keys, err = keystore.Create(c.cfg.Keystore, unlock); err != nil {
		c.t.Fatal(err)
	}
	if err := ledger.Create(c.cfg.Ledger, c.ledgerOptions()); err != nil {
		c.t.Fatal(err)
	}
	if c.ledger, err = ledger.Open(c.cfg.Ledger, c.ledgerOptions()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) ledgerOptions() ledger.Options {
	return ledger.Options{ID: c.keys.LedgerID(), AEAD: c.keys.LedgerSealer(), Sealer: c.keys.LedgerSealerOf,
		MAC: c.keys.LedgerMAC, Logger: slog.New(slog.DiscardHandler)}
}

// stillWorks does what a running agent does with files.
func (c *child) stillWorks() {
	key := hive.PrivateKeyFromPassword("alice", hive.Posting, "password")
	c.try("import: the keystore is replaced", c.keys.Import("alice", hive.Posting, []byte(key.WIF())))
	secret, err := os.ReadFile(c.path("home/identity.txt"))
	c.try("identity file", err)
	unlock, err := keystore.NewUnlock(keystore.NewSecret(secret))
	c.try("identity", err)
	c.try("keystore reread", c.keys.Reload(unlock))
	_, err = c.ledger.AddSlot(context.Background(), "app", secretOfSlot, nil)
	c.try("ledger write", err)
	c.try("ledger close", c.ledger.Close())
	c.ledger, err = ledger.Open(c.cfg.Ledger, c.ledgerOptions())
	c.try("ledger opened again", err)
	c.try("ledger closed again", c.ledger.Close())
	c.try("folder made", os.MkdirAll(c.path("home/audit"), 0o700))
	c.try("segment written", os.WriteFile(c.path("home/audit/000001.new"), nil, 0o600))
	c.try("segment renamed", os.Rename(c.path("home/audit/000001.new"), c.path("home/audit/000001")))
	c.try("segment removed", os.Remove(c.path("home/audit/000001")))

	_, _, err = agent.LoadPolicy(c.cfg, c.keys, nil)
	c.try("policy", err)
	c.ask("replace the policy")
	_, _, err = agent.LoadPolicy(c.cfg, c.keys, nil)
	c.try("policy that was replaced", err)
	_, err = os.ReadFile(c.path("tokens/token"))
	c.try("token of a notifier", err)
	c.try("the same, replaced", second(os.ReadFile(c.path("tokens/other"))))
	c.denied("a token is written", os.WriteFile(c.path("tokens/token"), nil, 0o600))
	_, err = os.ReadFile(c.path("extra/file"))
	c.try("extra file", err)

	c.listens()
	c.resolves()
	out, err := exec.Command(c.path("unlock.sh"), "x").Output()
	if err == nil && string(out) != "run\n" {
		err = fmt.Errorf("it said %q", out)
	}
	c.try("unlock command", err)
}

// ask lets the parent do something outside.
func (c *child) ask(what string) {
	fmt.Println("please " + what)
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// listens opens the control socket as after a crash, with the old file in the way, and serves a
// call.
func (c *child) listens() {
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.cfg.Control, Net: "unix"})
	c.try("socket", err)
	stale.SetUnlinkOnClose(false)
	stale.Close()
	narrow, err := control.ListenConsole(c.cfg.ConsoleSocket)
	c.try("socket of a console", err)
	if err == nil {
		narrow.Close()
	}
	l, err := control.Listen(c.cfg.Control)
	c.try("socket opened anew", err)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	s := &control.Server{Logger: slog.New(slog.DiscardHandler), Handlers: map[string]control.Handler{
		"ping": func(context.Context, []byte) (any, error) { return "pong", nil },
	}}
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, l) }()
	var answer string
	c.try("control call", control.Call(ctx, c.cfg.Control, "ping", nil, &answer))
	stop()
	c.try("socket closed", <-ended)
	if _, err := os.Lstat(c.cfg.Control); !errors.Is(err, fs.ErrNotExist) {
		c.try("socket file removed", fmt.Errorf("it is there: %v", err))
	}
}

// resolves does what needs the files of the system.
func (c *child) resolves() {
	for _, path := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if _, err := os.Stat(path); err == nil {
			_, err := os.ReadFile(path)
			c.try(path, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	c.try("TCP listener", err)
	if hosts, _ := os.ReadFile("/etc/hosts"); bytes.Contains(hosts, []byte("localhost")) {
		conn, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port))
		c.try("TCP by name", err)
		if err == nil {
			conn.Close()
		}
	}
	l.Close()
	if _, err := os.Stat("/usr/share/zoneinfo/Europe/Vienna"); err == nil {
		_, err := time.LoadLocation("Europe/Vienna")
		c.try("time zone", err)
	}
	if files, _ := filepath.Glob("/etc/ssl/certs/*.pem"); len(files) > 0 {
		_, err := os.ReadFile(files[0])
		c.try("authorities", err)
	}
}

// forbidden tries what no agent does.
func (c *child) forbidden() {
	_, err := os.ReadFile(c.path("foreign/file"))
	c.denied("foreign file read", err)
	_, err = os.ReadDir(c.path("foreign"))
	c.denied("foreign folder read", err)
	c.denied("foreign file written", os.WriteFile(c.path("foreign/new"), nil, 0o600))
	c.denied("foreign file removed", os.Remove(c.path("foreign/file")))
	c.denied("policy overwritten", os.WriteFile(c.path("policies/v1/policy.yaml"), nil, 0o600))
	c.denied("file beside the socket read", second(os.ReadFile(c.path("run/beside"))))
	if os.Geteuid() == 0 {
		c.denied("users read", second(os.ReadFile("/etc/passwd")))
		if _, err := os.Stat("/etc/shadow"); err == nil {
			c.denied("hashes of passwords read", second(os.ReadFile("/etc/shadow")))
		}
	}
	c.denied("foreign program run", exec.Command(os.Args[0], "-test.run=^$").Run())
	copied := c.path("home/program")
	if err := os.WriteFile(copied, []byte("#!/bin/sh\n"), 0o700); err != nil {
		c.try("program written", err)
	}
	c.denied("program of the home folder run", exec.Command(copied).Run())
	cmd := exec.Command(c.path("unlock.sh"), c.path("foreign/file"))
	if out, _ := cmd.Output(); bytes.Contains(out, []byte("not for us")) {
		c.try("commands inherit", errors.New("the unlock command read a foreign file"))
	}
}

func second[T any](_ T, err error) error { return err }

const secretOfSlot = ledger.Secret("the secret of the slot, in plain sight")

// hardened runs the child and gives its report, with the process as it stands then.
func hardened(t *testing.T) (childReport, int) {
	t.Helper()
	root := hardenHome(t)
	mustWrite(t, filepath.Join(root, "unlock.sh"),
		"#!/bin/sh\nread line < \"$1\" 2>/dev/null && echo \"$line\"\necho run\n")
	mustWrite(t, filepath.Join(root, "run/beside"), "")
	if err := os.Mkdir(filepath.Join(root, "extra"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(root, "extra/file"), "")
	cmd := exec.Command(os.Args[0], "-test.run=^TestHardenChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+root, "TMPDIR="+filepath.Join(root, "home"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child ended with %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	var report childReport
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "please":
			replacePolicy(t, root)
			fmt.Fprintln(in, "done")
		case "report":
			if err := json.Unmarshal([]byte(rest), &report); err != nil {
				t.Fatal(err)
			}
			return report, cmd.Process.Pid
		default:
			t.Log(lines.Text())
		}
	}
	t.Fatal("the child told nothing")
	return report, 0
}

func mustWrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// replacePolicy does as Kubernetes does: a new folder, then the link set to it by rename.
func replacePolicy(t *testing.T, root string) {
	mustWrite(t, filepath.Join(root, "tokens/other"), "another token of a test")
	dir := filepath.Join(root, "policies")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "v2"), 0o700),
		os.WriteFile(filepath.Join(dir, "v2/policy.yaml"), []byte(allowVotes), 0o600),
		os.Symlink("v2/policy.yaml", filepath.Join(dir, "new")),
		os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "policy.yaml")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

// An ordinary user whose memory may not be locked is foreseen, as it is found when it is tried.
func TestForesee(t *testing.T) {
	runtime.LockOSThread() // capabilities are those of the thread
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before [2]unix.CapUserData
	var limit unix.Rlimit
	if err := errors.Join(unix.Capget(&header, &before[0]), unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit)); err != nil {
		t.Fatal(err)
	}
	without, low := before, unix.Rlimit{Cur: min(limit.Cur, 8<<20), Max: limit.Max}
	without[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	err := errors.Join(unix.Capset(&header, &without[0]), unix.Setrlimit(unix.RLIMIT_MEMLOCK, &low))
	found := harden.Foresee()
	err = errors.Join(err, unix.Capset(&header, &before[0]), unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("RLIMIT_MEMLOCK is %d KiB", low.Cur>>10)
	if !slices.ContainsFunc(found, func(m harden.Measure) bool {
		return m.Name == "memory-lock" && !m.Done && strings.Contains(m.Detail, want)
	}) {
		t.Errorf("%+v, want %s", found, want)
	}
}

// Each measure is looked at from outside, as far as the kernel shows it there.
func TestHardened(t *testing.T) {
	report, pid := hardened(t)
	var names []string
	done := map[string]bool{}
	for _, m := range report.Measures {
		names = append(names, m.Name)
		done[m.Name] = m.Done
		t.Logf("%s: %t, %s", m.Name, m.Done, m.Detail)
	}
	if !slices.Equal(names, config.Measures) {
		t.Errorf("measures %v, the setting knows %v", names, config.Measures)
	}
	for _, m := range report.Foreseen {
		if !slices.Contains(report.Measures, m) {
			t.Errorf("foreseen and not so: %+v", m)
		}
	}

	t.Run("core-dumps", func(t *testing.T) {
		if limit := field(t, pid, "limits", `Max core file size +(\S+ +\S+)`); strings.Join(strings.Fields(limit),
			" ") != "0 0" || !done["core-dumps"] {
			t.Errorf("limit %q", limit)
		}
	})
	t.Run("tracing", func(t *testing.T) {
		if report.Dumpable != 0 || !done["tracing"] {
			t.Errorf("dumpable is %d", report.Dumpable)
		}
		if os.Geteuid() == 0 {
			t.Skip("root may trace what is not dumpable: not seen from outside")
		}
		if _, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid)); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("its memory can be opened: %v", err)
		}
	})
	t.Run("memory-lock", func(t *testing.T) {
		if locked := field(t, pid, "status", `VmLck:\s+(\d+) kB`); done["memory-lock"] == (locked == "0") {
			t.Errorf("measure says %t, %s kB are locked", done["memory-lock"], locked)
		}
		if !done["memory-lock"] {
			t.Skip("not permitted here")
		}
	})
	t.Run("privileges", func(t *testing.T) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil || len(tasks) < 8 {
			t.Fatalf("threads: %v, %v", tasks, err)
		}
		for _, task := range tasks {
			if got := match(t, filepath.Join(task, "status"), `NoNewPrivs:\s+(\d)`); got != "1" {
				t.Errorf("%s: NoNewPrivs %s", task, got)
			}
		}
	})
	t.Run("landlock", func(t *testing.T) {
		if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 3 {
			t.Skipf("this kernel has Landlock version %d (%v), the test wants 3", abi, err)
		}
		if !done["landlock"] || len(report.Failed) < 30 {
			t.Errorf("done %t, %d things tried", done["landlock"], len(report.Failed))
		}
		for what, failed := range report.Failed {
			if failed != "" {
				t.Errorf("%s: %s", what, failed)
			}
		}
	})
}

func field(t *testing.T, pid int, file, pattern string) string {
	t.Helper()
	return match(t, fmt.Sprintf("/proc/%d/%s", pid, file), pattern)
}

func match(t *testing.T, path, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no %s", path, pattern)
	}
	return string(m[1])
}
