package harden_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/harden"
)

// replacedVariable is the folder of a child that shuts itself in, and whose files are replaced
// then.
const replacedVariable = "HARDEN_REPLACED"

// A user of the wallet's own, who has no name.
const replacedUser = 10002

// replacedFiles are files that the process reads again while it runs, below the folder. Those of
// etc stand in /etc of the child's mount namespace.
var replacedFiles = []string{"etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt",
	"policies/policy.yaml", "secrets/unlock", "tls/relay.pem", "tls/relay.key", "home/config.yaml"}

func replacedConfig(root string) *config.Config {
	cfg := config.Default(filepath.Join(root, "home"))
	cfg.Policy = filepath.Join(root, "policies/policy.yaml")
	cfg.Unlock = "file:" + filepath.Join(root, "secrets/unlock")
	cfg.RelayCertificate, cfg.RelayKey = filepath.Join(root, "tls/relay.pem"), filepath.Join(root, "tls/relay.key")
	return cfg
}

// whatIsThere is what the child finds: the first words of files, or what their reading says.
type whatIsThere map[string]string

// TestReplacedChild is the child; alone it does nothing.
func TestReplacedChild(t *testing.T) {
	root := os.Getenv(replacedVariable)
	if root == "" {
		t.Skip("the child of other tests")
	}
	cfg := replacedConfig(root)
	there := whatIsThere{"unfollowed": harden.Unfollowed()}
	measures, err := harden.Confine(cfg, harden.Paths{})
	if err != nil || !harden.Confined(measures) {
		fmt.Println("unconfined", measures, err)
		return
	}
	parent := bufio.NewReader(os.Stdin)
	for _, time := range []string{"before ", "after ", "moved "} {
		for _, name := range replacedFiles {
			path := filepath.Join(root, name)
			if strings.HasPrefix(name, "etc/") {
				path = "/" + name
			}
			text, err := os.ReadFile(path)
			there[time+name] = strings.TrimSpace(string(text))
			if err != nil {
				there[time+name] = harden.Named(path, err).Error()
			}
		}
		_, err := os.ReadFile("/etc/shadow")
		there[time+"shadow"] = fmt.Sprint(errors.Is(err, fs.ErrPermission))
		// A name server that is not there: what matters is which one is asked, or why none is.
		_, err = net.DefaultResolver.LookupHost(t.Context(), "relay.invalid")
		there[time+"lookup"] = fmt.Sprint(err)
		_, err = agent.ReadPolicy(cfg)
		there[time+"ReadPolicy"] = fmt.Sprint(err)
		fmt.Println("ready")
		parent.ReadString('\n')
	}
	text, err := json.Marshal(there)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("report %s\n", text)
}

// replaced runs the child in a mount namespace of its own, as the user with this number, and
// replaces its files while it waits. With linked, resolv.conf is a link to a file in a folder of
// others, who replace it there, as systemd-resolved does.
func replaced(t *testing.T, user int, linked bool) whatIsThere {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount, and become another user")
	}
	root := t.TempDir()
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	write := func(name, text string) {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path+".new", []byte(text), 0o600))
		must(t, os.Chown(path+".new", user, user))
		must(t, os.Rename(path+".new", path))
	}
	all := func(text string) {
		for _, name := range replacedFiles {
			content := text + "\n"
			if name == "etc/resolv.conf" { // which names nobody
				content = "# " + text + "\nnameserver 127.0.0.1\noptions attempts:1 timeout:1\n"
				if linked {
					name = "resolve/stub.conf"
				}
			}
			write(name, content)
		}
	}
	all("old")
	if linked {
		must(t, os.Symlink(filepath.Join(root, "resolve/stub.conf"), filepath.Join(root, "etc/resolv.conf")))
	}
	write("etc/shadow", "secrets of others\n")
	must(t, os.Chown(filepath.Join(root, "etc/shadow"), 0, 0))
	must(t, os.Chown(filepath.Join(root, "home"), user, user))
	copyOfTest := filepath.Join(root, "test")
	text, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(copyOfTest, text, 0o755))

	become := ""
	if user != 0 {
		become = fmt.Sprintf("setpriv --reuid=%[1]d --regid=%[1]d --clear-groups", user)
	}
	script := `set -e; mount --bind "$1/etc" /etc; exec ` + become +
		` "$1/test" -test.run='^TestReplacedChild$' -test.v`
	cmd := exec.Command("sh", "-c", script, "sh", root)
	cmd.Env = append(os.Environ(), replacedVariable+"="+root, "TMPDIR="+filepath.Join(root, "home"),
		"SSL_CERT_FILE=", "HOME="+filepath.Join(root, "nobody"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Skipf("this machine lets nobody mount: %v", err)
	}
	defer cmd.Wait()
	defer in.Close()
	rounds := []func(){
		func() { all("new") },
		func() { // somebody puts another folder in the place of one
			must(t, os.Rename(filepath.Join(root, "policies"), filepath.Join(root, "policies.old")))
			write("policies/policy.yaml", "other\n")
		},
		func() {},
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "ready":
			rounds[0]()
			rounds = rounds[1:]
			fmt.Fprintln(in, "done")
		case "unconfined":
			t.Skip(rest)
		case "report":
			var there whatIsThere
			must(t, json.Unmarshal([]byte(rest), &there))
			return there
		}
	}
	in.Close()
	_ = cmd.Wait() // before what it said is read
	if strings.Contains(said.String(), "mount:") {
		t.Skipf("this machine lets nobody mount: %s", said.String())
	}
	t.Fatalf("the child told nothing: %s", said.String())
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Files that are replaced while the wallet runs are read as they are then. What root loses of /etc
// is said before, and in errors.
func TestReplacedFiles(t *testing.T) {
	for _, user := range []int{0, replacedUser} {
		for _, linked := range []bool{false, true} {
			testReplaced(t, user, linked)
		}
	}
}

func testReplaced(t *testing.T, user int, linked bool) {
	t.Run(fmt.Sprintf("user %d, linked %t", user, linked), func(t *testing.T) {
		there := replaced(t, user, linked)
		resolver := user == 0 && !linked // is what root loses
		for _, name := range replacedFiles {
			if got := there["before "+name]; !strings.Contains(got, "old") {
				t.Errorf("before: %s: %s", name, got)
			}
			lost := resolver && name == "etc/resolv.conf" || user == 0 && name == "etc/hosts"
			got := there["after "+name]
			if lost != strings.Contains(got, "the sandbox keeps this process from /"+name) ||
				!lost && !strings.Contains(got, "new") {
				t.Errorf("after: %s: %s", name, got)
			}
		}
		for _, time := range []string{"before ", "after ", "moved "} {
			if there[time+"shadow"] != "true" {
				t.Errorf("%s: the file of others' passwords can be read", time)
			}
			lost := resolver && time != "before "
			got := there[time+"lookup"]
			named := strings.Contains(got, "the sandbox keeps this process from /etc/resolv.conf")
			if named != lost || strings.Contains(got, "::1") {
				t.Errorf("%s: looking up a name: %s", time, got)
			}
		}
		if want := map[bool]string{true: "/etc/resolv.conf"}[resolver]; there["unfollowed"] != want {
			t.Errorf("told of %q, want %q", there["unfollowed"], want)
		}
		// Another folder in the place of the policy's is another one to the sandbox.
		if got := there["moved ReadPolicy"]; !strings.Contains(got, "the sandbox keeps this process from ") ||
			!strings.Contains(got, "restart the wallet") {
			t.Errorf("the policy in another folder: %s", got)
		}
	})
}

// What modes forbid is not the sandbox's.
func TestNamedOnlyForTheSandbox(t *testing.T) {
	err := fmt.Errorf("reading: %w", fs.ErrPermission)
	if got := harden.Named(filepath.Join(t.TempDir(), "file"), err); got != err || harden.Keeps(t.TempDir()) {
		t.Errorf("%v", got)
	}
}
