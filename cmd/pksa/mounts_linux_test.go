package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is the real program as the user of a container, beside files that root has mounted for
// it.
type container struct {
	t      *testing.T
	binary string
	dir    string // of root, open to the user
	home   string // of the user
	groups string // an argument that says which further groups the user has; empty for none
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
	out, err := c.command(script, environ, args...).CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "operation not permitted") || strings.Contains(string(out),
		"mount:") {
		c.t.Skipf("this machine lets nobody mount: %v %s", err, out)
	}
	return string(out), err == nil
}

func (c *container) command(script string, environ []string, args ...string) *exec.Cmd {
	groups := cmp.Or(c.groups, "--clear-groups")
	words := append([]string{"--reuid=10001", "--regid=10001", groups, c.binary}, args...)
	cmd := exec.Command("sh", append([]string{"-c", "set -e\n" + script + "\nexec setpriv \"$@\"", "sh"}, words...)...)
	cmd.Env = append(environ, "PATH="+os.Getenv("PATH"), "PKSA_HOME="+c.home, "PKSA_HARDENING=off")
	if script != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	return cmd
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
	noRace(t)
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
	c.must(os.Chmod(secret, 0o600))
	out, _ = c.run(mount, []string{"PKSA_UNLOCK=file:" + secret, "PKSA_KEYSTORE=third.age"}, "init")
	c.wants("one that only root can read", out, "permission denied", "Compose: chown 10001")
	c.must(os.Chmod(secret, 0o444))
	t.Setenv("CREDENTIALS_DIRECTORY", c.dir)
	out, _ = c.run("", []string{"PKSA_UNLOCK=credential:unlock", "CREDENTIALS_DIRECTORY=" + c.dir,
		"PKSA_KEYSTORE=fourth.age"}, "init")
	c.wants("a credential", out, "mode 0444")
}

// A home on a volume that Kubernetes has gone over since the last start: owner and modes are what
// fsGroup makes of them. It opens and is closed to the group again, as long as nobody else is in
// it.
func TestVolumeGoneOver(t *testing.T) {
	noRace(t)
	c := newContainer(t)
	c.groups = "--groups=2000"
	if out, ok := c.run("", nil, "init"); !ok {
		t.Fatal(out)
	}
	goOver := func() {
		t.Helper()
		c.must(filepath.WalkDir(c.home, func(path string, entry os.DirEntry, err error) error {
			mode := os.FileMode(0o660)
			if entry.IsDir() {
				mode = os.ModeSetgid | 0o770
			}
			return errors.Join(err, os.Chown(path, -1, 2000), os.Chmod(path, mode))
		}))
	}
	open := func() (names []string) {
		t.Helper()
		c.must(filepath.WalkDir(c.home, func(path string, entry os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.Mode()&(os.ModeSetgid|0o077) != 0 {
				names = append(names, fmt.Sprint(info.Mode(), " ", path))
			}
			return err
		}))
		return names
	}

	goOver()
	group := filepath.Join(c.dir, "group")
	c.must(os.WriteFile(group, []byte("volume:x:2000:mallory\n"), 0o644))
	out, ok := c.run("mount --bind "+group+" /etc/group", nil, "keys", "list")
	if ok || len(open()) == 0 {
		t.Errorf("a group with another user was taken, or changed: %s", out)
	}
	c.wants("a group with another user", out, "group 2000 is not ours alone")

	if out, ok := c.run("", nil, "keys", "list"); !ok {
		t.Errorf("a home that the platform has gone over: %s", out)
	}
	if names := open(); len(names) > 0 {
		t.Errorf("not put back: %q", names)
	}

	// Without the bit that hands the group on, as chmod -R g+rwX on the host leaves a volume.
	goOver()
	c.must(os.Chmod(c.home, 0o775))
	if out, ok := c.run("", nil, "keys", "list"); !ok {
		t.Errorf("a home that was opened to our group: %s", out)
	}
	if info, err := os.Stat(c.home); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	c.must(os.Chmod(c.home, 0o700))
	if names := open(); len(names) > 0 {
		t.Errorf("not put back: %q", names)
	}

	// A volume whose root is root's: what is ours in it is closed.
	goOver()
	c.must(os.Chown(c.home, 0, 2000))
	c.must(os.Chmod(c.home, os.ModeSetgid|0o770)) // chown takes the bit away
	if out, ok := c.run("", nil, "keys", "list"); !ok {
		t.Errorf("with a root folder of root's: %s", out)
	}
	if names := open(); len(names) != 1 {
		t.Errorf("open are %q, want the folder alone", names)
	}

	// A volume of another user is refused, and nothing in it is touched.
	c.must(os.Chown(c.home, 4711, 4711))
	c.must(os.Chmod(c.home, 0o755))
	if out, ok = c.run("", nil, "keys", "list"); ok {
		t.Errorf("a volume of another user: %s", out)
	}
	c.wants("a volume of another user", out, "belongs to user 4711", "chown 10001 "+c.home)
}

// A volume that nobody has given to the wallet's user: in a container the advice is what the
// platform calls it. A wallet in a volume whose folder is root's is still its own: a secret that
// cannot be read is not the wallet's.
func TestVolumeOfRoot(t *testing.T) {
	noRace(t)
	c := newContainer(t)
	inPod := []string{"TEST_CONTAINER=1"}
	c.must(os.Chown(c.home, 0, 0))
	c.must(os.Chmod(c.home, 0o755))
	out, ok := c.run("", inPod, "init")
	if ok {
		t.Errorf("made in a folder of root's: %s", out)
	}
	advice := []string{"fsGroup: 10001", ":U at the end", "chown 10001 of its folder"}
	c.wants("a new volume", out, append(advice, "the folder "+c.home+" belongs to user root")...)
	if out, ok = c.run("", nil, "init"); ok || strings.Contains(out, "fsGroup") {
		t.Errorf("elsewhere than in a container: %s", out)
	}
	c.wants("elsewhere", out, "the folder "+c.home+" belongs to user root", "run it as the user whom the folder")

	c.must(os.Chown(c.home, 0, 2000))
	c.must(os.Chmod(c.home, os.ModeSetgid|0o775))
	if out, ok = c.run("", inPod, "init"); ok {
		t.Errorf("made in a folder of a group that is not ours: %s", out)
	}
	c.wants("a volume of another group", out, append(advice, "group 2000 is not ours alone")...)

	c.groups = "--groups=2000"
	if out, ok := c.run("", inPod, "init"); !ok {
		t.Errorf("in a folder of our group: %s", out)
	}
	secret := filepath.Join(c.dir, "unlock")
	c.must(os.WriteFile(secret, nil, 0o400))
	out, _ = c.run("", append(inPod, "PKSA_UNLOCK=file:"+secret), "keys", "list")
	c.wants("a secret of root's", out, "open "+secret+": permission denied")
	for _, wrong := range []string{"belongs to user", "sudo", "fsGroup"} {
		if strings.Contains(out, wrong) {
			t.Errorf("a secret of root's: %s", out)
		}
	}
}

// A policy as Kubernetes and compose mount it: by links, in a folder that everybody may write, or
// of a user whom the container does not have. Mounted read-only it is taken, else it is refused.
func TestMountedPolicy(t *testing.T) {
	noRace(t)
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

// Root asks the running agent of a service as before, but does not open its keystore, and runs no
// program that its settings name.
func TestRootAndServiceWallet(t *testing.T) {
	c := newContainer(t)
	if out, ok := c.run("", nil, "init"); !ok {
		t.Fatal(out)
	}
	c.home = shortHome(t, c.home)
	offline := []string{"PKSA_RELAYS=ws://127.0.0.1:1", "PKSA_NODES=http://127.0.0.1:1"}
	wallet := c.command("", offline, "run")
	c.must(wallet.Start())
	defer func() {
		c.must(wallet.Process.Signal(os.Interrupt))
		c.must(wallet.Wait())
	}()
	asRoot := func(args ...string) (string, error) {
		cmd := exec.Command(c.binary, append(args, "--home", c.home)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		out, err := asRoot("app", "list")
		if err == nil {
			c.wants("the service's agent", out, "No apps yet")
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the agent does not answer root: %s", out)
		}
	}
	ran := filepath.Join(c.dir, "ran")
	settings := filepath.Join(c.home, "config.yaml")
	c.must(os.WriteFile(settings, []byte("unlock: command:touch "+ran+"\n"), 0o600))
	out, err := asRoot("keys", "list")
	if err == nil {
		t.Errorf("root opened the keystore of a service: %s", out)
	}
	c.wants("root", out, "root does not open another's keystore", "sudo -u ")
	if _, err := os.Stat(ran); err == nil {
		t.Error("root ran a program that the service's settings name")
	}
	// Settings of somebody else in that folder are not the service's word.
	c.must(os.Chown(settings, 4711, 4711))
	out, err = asRoot("app", "list")
	if err == nil {
		t.Errorf("settings of a third user were taken: %s", out)
	}
	c.wants("settings of a third user", out, "belongs to user 4711")
}

// shortHome moves a home folder to where the path of its socket is short enough.
func shortHome(t *testing.T, home string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "h")
	if err := os.Rename(home, short); err != nil {
		t.Fatal(err)
	}
	return short
}
