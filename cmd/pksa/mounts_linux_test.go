package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// container is the real program as the user of a container, beside files that root has mounted for
// it.
type container struct {
	t      *testing.T
	binary string
	dir    string // of root, open to the user
	home   string // of the user
}

const containerUser = 10001

func newContainer(t *testing.T) *container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user and mount")
	}
	c := &container{t: t, dir: t.TempDir()}
	c.binary = copyOfProgram(t, c.dir)
	for dir := c.dir; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		c.must(os.Chmod(dir, 0o755))
	}
	c.home = filepath.Join(c.dir, "home")
	c.must(os.Mkdir(c.home, 0o700))
	c.must(os.Chown(c.home, containerUser, containerUser))
	return c
}

// copyOfProgram copies this test's own binary, which is the program where its name is pksa.
func copyOfProgram(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "pksa")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *container) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// run runs the program as the user, and returns what it printed and whether it succeeded. Before
// that, root runs a script in a mount namespace of its own.
func (c *container) run(script string, environ []string, args ...string) (string, bool) {
	c.t.Helper()
	words := append([]string{"--reuid=10001", "--regid=10001", "--clear-groups", c.binary}, args...)
	cmd := exec.Command("sh", append([]string{"-c", "set -e\n" + script + "\nexec setpriv \"$@\"", "sh"}, words...)...)
	cmd.Env = append(environ, "PATH="+os.Getenv("PATH"), "PKSA_HOME="+c.home, "PKSA_HARDENING=off")
	if script != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") || strings.Contains(string(out),
		"mount:") {
		c.t.Skipf("this machine lets nobody mount: %v %s", err, out)
	}
	return string(out), err == nil
}

// wants checks what the program said.
func (c *container) wants(name, out string, parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			c.t.Errorf("%s: %q is missing in\n%s", name, part, out)
		}
	}
}

// Secrets as Kubernetes and Podman mount them: they belong to root, and the user reads them through
// its own group. What everybody can read is refused, with what to type where it is mounted.
func TestMountedSecret(t *testing.T) {
	c := newContainer(t)
	secret := filepath.Join(c.dir, "unlock")
	c.must(os.WriteFile(secret, []byte("a long passphrase for a test\n"), 0o600))
	c.must(os.Chown(secret, 0, containerUser))
	for i, mode := range []os.FileMode{0o440, 0o640} {
		c.must(os.Chmod(secret, mode))
		env := []string{"PKSA_UNLOCK=file:" + secret}
		if out, ok := c.run("", append(env, fmt.Sprintf("PKSA_KEYSTORE=keystore%d.age", i),
			fmt.Sprintf("PKSA_LEDGER=ledger%d.db", i)), "init"); !ok {
			t.Errorf("mode %o: %s", mode, out)
		}
	}
	c.must(os.Chmod(secret, 0o444))
	mount := fmt.Sprintf("mount --bind %[1]s %[1]s; mount -o remount,ro,bind %[1]s", secret)
	out, ok := c.run(mount, []string{"PKSA_UNLOCK=file:" + secret, "PKSA_KEYSTORE=third.age"}, "init")
	if ok {
		t.Errorf("a secret that everybody can read was taken: %s", out)
	}
	c.wants("on a read-only mount", out, "mode 0444", "--secret NAME,uid=10001,mode=0400",
		`secrets: [{source: NAME, uid: "10001", mode: 0400}]`)
	if strings.Contains(out, "chmod 600") {
		t.Errorf("advice that nobody can follow there: %s", out)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", c.dir)
	out, _ = c.run("", []string{"PKSA_UNLOCK=credential:unlock", "CREDENTIALS_DIRECTORY=" + c.dir,
		"PKSA_KEYSTORE=fourth.age"}, "init")
	c.wants("a credential", out, "mode 0444")
}

// A policy as Kubernetes and compose mount it: by links, in a folder that everybody may write, or
// of a user whom the container does not have. Mounted read-only it is taken, else it is refused.
func TestMountedPolicy(t *testing.T) {
	c := newContainer(t)
	volume := filepath.Join(c.dir, "volume")
	day := filepath.Join(volume, "..2026_11_26")
	c.must(os.MkdirAll(day, 0o755))
	c.must(os.WriteFile(filepath.Join(day, "policy.yaml"), []byte("version: 1\n"), 0o644))
	c.must(os.Symlink("..2026_11_26", filepath.Join(volume, "..data")))
	c.must(os.Symlink("..data/policy.yaml", filepath.Join(volume, "policy.yaml")))
	c.must(os.Chmod(volume, 0o777))
	c.must(os.Chown(volume, 0, containerUser))
	env := []string{"PKSA_POLICY=" + filepath.Join(volume, "policy.yaml")}
	out, ok := c.run("", env, "policy", "check")
	if ok {
		t.Errorf("taken from a folder that everybody may write: %s", out)
	}
	c.wants("writable volume", out, "mode 0777", "as root, chmod o-w "+volume)
	mount := fmt.Sprintf("mount --bind %[1]s %[1]s; mount -o remount,ro,bind %[1]s", volume)
	if out, ok := c.run(mount, env, "policy", "check"); !ok {
		t.Errorf("a volume of Kubernetes: %s", out)
	}

	policy := filepath.Join(c.dir, "policy.yaml")
	c.must(os.WriteFile(policy, []byte("version: 1\n"), 0o644))
	c.must(os.Chown(policy, 1000, 1000))
	env = []string{"PKSA_POLICY=" + policy}
	if out, ok = c.run("", env, "policy", "check"); ok {
		t.Errorf("taken from another user: %s", out)
	}
	c.wants("policy of another", out, "belongs to user 1000", "as root, chown 10001 "+policy, "or mount it read-only")
	mount = fmt.Sprintf("mount --bind %[1]s %[1]s; mount -o remount,ro,bind %[1]s", policy)
	if out, ok := c.run(mount, env, "policy", "check"); !ok {
		t.Errorf("a file that compose mounts read-only: %s", out)
	}
}
