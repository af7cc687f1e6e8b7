package harden_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// rereadRow is a line of the table in operating.md: files that are read again while the wallet
// runs. They stand below the folder of the child; those of etc and run in /etc and /run of its
// mount namespace.
type rereadRow struct {
	name string // first cell of the table
	// files are the names of its files by what is done to them; none: it does not happen.
	files map[string][]string
}

// What takes the place of a file: another file of its name, another folder at the end of a link on
// the way to it, another folder in the place of its own.
const (
	renamed = "renamed"
	moved   = "moved"
	swapped = "swapped"
)

var columns = []string{renamed, moved, swapped}

// everywhere returns a row whose files can have all of it happen to them.
func everywhere(name string, files ...string) rereadRow {
	return rereadRow{name, map[string][]string{renamed: files, moved: files, swapped: files}}
}

var rereadRows = []rereadRow{
	everywhere("`/etc/resolv.conf`", "etc/resolv.conf"),
	{"`/etc/hosts`, `/etc/nsswitch.conf`", map[string][]string{
		renamed: {"etc/hosts", "etc/nsswitch.conf"}, moved: {"etc/hosts", "etc/nsswitch.conf"}}},
	everywhere("`policy`", "policies/current/policy.yaml"),
	everywhere("files of `unlock` and `notify`", "secrets/current/unlock", "tokens/current/token"),
	everywhere("`relay.certificate`, `relay.key`", "tls/current/relay.pem", "tls/current/relay.key"),
	everywhere("authorities of a database", "db/current/ca.pem"),
	everywhere("the program of `unlock`", "programs/current/unlock"),
	{"the home folder's", map[string][]string{renamed: {"home/config.yaml"}}},
}

// versioned are the folders whose link `current` is moved, or which are replaced.
var versioned = []string{"policies", "secrets", "tokens", "tls", "db", "programs"}

func replacedConfig(root string) *config.Config {
	cfg := config.Default(filepath.Join(root, "home"))
	at := func(name string) string { return filepath.Join(root, name) }
	cfg.Policy, cfg.Unlock = at("policies/current/policy.yaml"), "file:"+at("secrets/current/unlock")
	cfg.Notify = []config.Notifier{{Kind: "ntfy", URL: "https://ntfy.example", Topic: "t",
		Source: "file:" + at("tokens/current/token")}}
	cfg.RelayCertificate, cfg.RelayKey = at("tls/current/relay.pem"), at("tls/current/relay.key")
	cfg.DatabaseRoots = at("db/current/ca.pem")
	return cfg
}

// whatIsThere is what the child finds: the first words of files, or what their reading says, and
// what was warned of.
type whatIsThere map[string]string

// TestReplacedChild is the child; alone it does nothing.
func TestReplacedChild(t *testing.T) {
	root := os.Getenv(replacedVariable)
	if root == "" {
		t.Skip("the child of other tests")
	}
	cfg := replacedConfig(root)
	there := whatIsThere{}
	for _, l := range harden.Unfollowed(cfg) {
		there["warned"] += l.Path + ": " + l.Why + "\n"
	}
	program := filepath.Join(root, "programs/current/unlock")
	measures, err := harden.Confine(cfg, harden.Paths{Execute: []string{program}}) // as one of unlock
	if err != nil || !harden.Confined(measures) {
		fmt.Println("unconfined", measures, err)
		return
	}
	read := func(time, name string) {
		path := filepath.Join(root, name)
		if strings.HasPrefix(name, "etc/") || strings.HasPrefix(name, "run/") {
			path = "/" + name
		}
		text, err := os.ReadFile(path)
		there[time+name] = strings.TrimSpace(string(text))
		if err != nil {
			there[time+name] = harden.Named(path, err).Error()
		}
	}
	parent := bufio.NewReader(os.Stdin)
	for _, time := range []string{"before ", "after "} {
		for _, row := range rereadRows {
			for _, name := range row.files[renamed] {
				read(time, name)
			}
		}
		for _, name := range secretsOfOthers {
			read(time, name)
		}
		if time == "before " {
			fmt.Println("ready")
			parent.ReadString('\n')
		}
	}
	// Only now: what the resolver has read it keeps for five seconds.
	found, err := net.DefaultResolver.LookupHost(t.Context(), "relay.test")
	there["relay.test"] = fmt.Sprint(found, err)
	_, err = net.DefaultResolver.LookupHost(t.Context(), "nobody.test")
	there["nobody.test"] = fmt.Sprint(err)
	_, err = agent.ReadPolicy(cfg)
	there["ReadPolicy"] = fmt.Sprint(err)
	there["NamedSource"] = fmt.Sprint(harden.NamedSource(cfg.Unlock, fs.ErrPermission))
	there["NamedSource command:"] = fmt.Sprint(harden.NamedSource("command:"+program+" x", fs.ErrPermission))
	text, err := json.Marshal(there)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("report %s\n", text)
}

// secretsOfOthers are what root must not read, whose modes stop nobody but an ordinary user.
var secretsOfOthers = []string{"etc/shadow", "run/NetworkManager/system-connections/wlan",
	"run/credentials/other.service/key", "policies/releases/other/key"}

// change is what is done to the files of a child.
type change struct {
	user   int
	login  bool     // the user has a folder for the time of a login
	how    string   // one of columns
	only   []string // files that are replaced; nil: all
	server string   // address of a name server; empty: nobody answers
	to     string   // folder that the link of resolv.conf is moved to; empty: NetworkManager's
}

// replaced runs the child in a mount namespace of its own and makes the change while it waits.
func replaced(t *testing.T, c change) whatIsThere {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount, and become another user")
	}
	root := t.TempDir()
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	at := func(name string) string { return filepath.Join(root, name) }
	write := func(name, text string) {
		must(t, os.MkdirAll(filepath.Dir(at(name)), 0o755))
		must(t, os.WriteFile(at(name)+".new", []byte(text), 0o600))
		if strings.HasPrefix(text, "#!") {
			must(t, os.Chmod(at(name)+".new", 0o700))
		}
		must(t, os.Chown(at(name)+".new", c.user, c.user))
		must(t, os.Rename(at(name)+".new", at(name)))
	}
	link := func(target, name string) {
		must(t, os.MkdirAll(filepath.Dir(at(name)), 0o755))
		must(t, os.Symlink(target, at(name)+".new"))
		must(t, os.Rename(at(name)+".new", at(name)))
	}
	server := cmp.Or(c.server, "127.0.0.1")
	text := func(name, word string) string {
		switch name {
		case "etc/resolv.conf":
			return "# " + word + "\nnameserver " + server + "\noptions attempts:1 timeout:1\n"
		case "etc/hosts":
			return "127.0.0." + map[string]string{"old": "2", "new": "3"}[word] + " relay.test # " + word + "\n"
		case "etc/nsswitch.conf":
			return "hosts: files dns # " + word + "\n"
		}
		if strings.HasPrefix(name, "programs/") {
			return "#!/bin/sh\necho " + word + "\n"
		}
		return word + "\n"
	}
	// all writes all files in a folder in the place of current, and static in that of etc.
	all := func(word, current, static, resolver string) {
		for _, row := range rereadRows {
			for _, name := range row.files[renamed] {
				if c.only != nil && word == "new" && !slices.Contains(c.only, name) {
					continue
				}
				place := strings.Replace(name, "/current/", "/"+current+"/", 1)
				switch {
				case name == "etc/resolv.conf":
					place = resolver
				case strings.HasPrefix(name, "etc/"):
					place = static + strings.TrimPrefix(name, "etc")
				}
				write(place, text(name, word))
			}
		}
	}
	var then func()
	const resolved = "run/systemd/resolve/stub-resolv.conf"
	switch c.how {
	case renamed:
		all("old", "current", "etc", "etc/resolv.conf")
		then = func() { all("new", "current", "etc", "etc/resolv.conf") }
	case moved:
		all("old", "releases/1", "etc/static.1", resolved)
		link("/"+resolved, "etc/resolv.conf")
		link("static.1", "etc/static")
		link("static/hosts", "etc/hosts")
		link("static/nsswitch.conf", "etc/nsswitch.conf")
		for _, folder := range versioned {
			link("releases/1", folder+"/current")
		}
		then = func() {
			to := cmp.Or(c.to, "run/NetworkManager") + "/resolv.conf"
			all("new", "releases/2", "etc/static.2", to)
			link("/"+to, "etc/resolv.conf")
			link("static.2", "etc/static")
			for _, folder := range versioned {
				link("releases/2", folder+"/current")
			}
		}
	case swapped:
		all("old", "current", "etc", resolved)
		link("/"+resolved, "etc/resolv.conf")
		then = func() {
			for _, folder := range versioned {
				must(t, os.Rename(at(folder+"/current"), at(folder+"/before")))
			}
			must(t, os.Rename(at("run/systemd/resolve"), at("run/systemd/before")))
			all("new", "current", "etc", resolved)
		}
	}
	if c.login {
		must(t, os.MkdirAll(at(fmt.Sprintf("run/user/%d", c.user)), 0o755))
	}
	for _, name := range secretsOfOthers {
		write(name, "secrets of others\n")
		must(t, os.Chown(at(name), 0, 0))
	}
	if c.login && c.how == moved { // a service that is installed later
		must(t, os.RemoveAll(at("run/NetworkManager")))
	}
	must(t, os.Chown(at("home"), c.user, c.user))
	binary, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(at("test"), binary, 0o755))

	become := ""
	if c.user != 0 {
		become = fmt.Sprintf("setpriv --reuid=%[1]d --regid=%[1]d --clear-groups", c.user)
	}
	must(t, os.MkdirAll(filepath.Join(at("run"), filepath.Base(c.to)), 0o755))
	script := `set -e; mount --bind "$1/etc" /etc; mount --bind "$1/run" /run; exec ` + become +
		` "$1/test" -test.run='^TestReplacedChild$' -test.v`
	cmd := exec.Command("sh", "-c", script, "sh", root)
	cmd.Env = append(os.Environ(), replacedVariable+"="+root, "TMPDIR="+at("home"), "SSL_CERT_FILE=",
		"HOME="+at("nobody"))
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
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "ready":
			then()
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

// noNames starts a name server on loopback that knows no name, and returns its address.
func noNames(t *testing.T) string {
	t.Helper()
	const address = "127.83.0.1"
	server, err := net.ListenPacket("udp", address+":53") // resolv.conf knows no other port
	if err != nil {
		t.Skipf("no name server can listen here: %v", err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			packet[2], packet[3] = packet[2]|0x80, 0x83 // an answer: recursion, no such name
			packet[11] = 0                              // no more than the question
			end := 12
			for end < n && packet[end] != 0 {
				end += 1 + int(packet[end])
			}
			_, _ = server.WriteTo(packet[:min(n, end+5)], from)
		}
	}()
	return address
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// named reports whether an error names the sandbox as the cause, and says what to do.
func named(text string) bool {
	return strings.Contains(text, "the sandbox keeps this process from ") &&
		strings.Contains(text, "restart the wallet")
}

// fateOf returns what became of a row's files: found anew, or lost until a restart. It complains of
// what is neither.
func fateOf(t *testing.T, there whatIsThere, files []string) (fate string) {
	t.Helper()
	for _, name := range files {
		if got := there["before "+name]; !strings.Contains(got, "old") {
			t.Errorf("before: %s: %s", name, got)
		}
		one, got := "found", there["after "+name]
		switch {
		case named(got):
			one = "restart"
		case !strings.Contains(got, "new"):
			t.Errorf("after: %s: %s", name, got)
		}
		if fate != "" && fate != one {
			t.Errorf("%q: %s and %s", files, fate, one)
		}
		fate = one
	}
	return fate
}

// noSecrets complains if the child could read a secret that is none of the wallet's.
func noSecrets(t *testing.T, there whatIsThere) {
	t.Helper()
	for _, time := range []string{"before ", "after "} {
		for _, name := range secretsOfOthers {
			if got := there[time+name]; got == "" || strings.Contains(got, "secrets of others") {
				t.Errorf("%s%s can be read: %q", time, name, got)
			}
		}
	}
}

// TestReplacedFiles does all that the table in operating.md has of files that are read again, and
// compares. What is lost is named in the error; what people do to files and links was warned of.
func TestReplacedFiles(t *testing.T) {
	cells := map[string]map[string]string{} // by row and column
	for _, row := range rereadRows {
		cells[row.name] = map[string]string{}
	}
	for _, how := range columns {
		fates := map[int]map[string]string{}
		for _, user := range []int{0, replacedUser} {
			there := replaced(t, change{user: user, how: how})
			fates[user] = map[string]string{}
			for _, row := range rereadRows {
				fates[user][row.name] = fateOf(t, there, row.files[how])
			}
			noSecrets(t, there)
			for what, path := range map[string]string{"`/etc/resolv.conf`": "/etc/resolv.conf: ",
				"`policy`": "/policies/current: "} {
				warned := strings.Contains(there["warned"], path)
				if lost := fates[user][what] == "restart"; lost && !warned && how != swapped {
					t.Errorf("user %d, %s: of %s nobody was warned: %q", user, how, what, there["warned"])
				}
			}
			if user != 0 && there["warned"] != "" {
				t.Errorf("%s: an ordinary user is warned of %s", how, there["warned"])
			}
			if lost := fates[user]["`policy`"] == "restart"; lost != named(there["ReadPolicy"]) {
				t.Errorf("user %d, %s: the policy is lost: %t; %s", user, how, lost, there["ReadPolicy"])
			}
			lost := fates[user]["files of `unlock` and `notify`"] == "restart"
			if lost != named(there["NamedSource"]) {
				t.Errorf("user %d, %s: the secret is lost: %t; %s", user, how, lost, there["NamedSource"])
			}
			lost = fates[user]["the program of `unlock`"] == "restart"
			if said := there["NamedSource command:"]; lost != named(said) {
				t.Errorf("user %d, %s: the program is lost: %t; %s", user, how, lost, said)
			}
			lost = fates[user]["`/etc/resolv.conf`"] == "restart"
			if strings.Contains(there["nobody.test"], "keeps this process from /etc/resolv.conf") != lost {
				t.Errorf("user %d, %s: names are lost: %t; %s", user, how, lost, there["nobody.test"])
			}
			if found := strings.Contains(there["relay.test"], "127.0.0."); !found && !named(there["relay.test"]) {
				t.Errorf("user %d, %s: a name in /etc/hosts: %s", user, how, there["relay.test"])
			}
		}
		for _, row := range rereadRows {
			root, other := fates[0][row.name], fates[replacedUser][row.name]
			cell := other
			switch {
			case other == "":
				cell = "—"
			case root != other:
				cell = "root: " + root
			}
			cells[row.name][how] = cell
		}
	}
	page, err := os.ReadFile("../../examples/docs/operating.md")
	must(t, err)
	for _, row := range rereadRows {
		c := cells[row.name]
		want := fmt.Sprintf("| %s | %s | %s |", c[renamed], c[moved], c[swapped])
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "| "+row.name+" |") {
				if !strings.HasSuffix(strings.TrimSpace(line), want) {
					t.Errorf("operating.md has another line: %swant at its end: %s", line, want)
				}
				want = ""
			}
		}
		if want != "" {
			t.Errorf("operating.md has no line | %s | … %s", row.name, want)
		}
	}
}

// A server that does not know a name is not believed where the sandbox keeps the process from
// /etc/hosts, which may have it.
func TestReplacedHosts(t *testing.T) {
	hosts, server := []string{"etc/hosts"}, noNames(t)
	there := replaced(t, change{how: renamed, only: hosts, server: server})
	for _, name := range []string{"relay.test", "nobody.test"} {
		if got := there[name]; !strings.Contains(got, "the sandbox keeps this process from /etc/hosts,") {
			t.Errorf("%s: %s", name, got)
		}
	}
	there = replaced(t, change{user: replacedUser, how: renamed, only: hosts, server: server})
	if got := there["relay.test"]; !strings.Contains(got, "127.0.0.3") {
		t.Errorf("an ordinary user: %s", got)
	}
	if got := there["nobody.test"]; !strings.Contains(got, "no such host") || named(got) {
		t.Errorf("a name that nobody has: %s", got)
	}
}

// Root follows a link of resolv.conf into a folder that holds nothing else, if it was there.
func TestReplacedLinkOfRoot(t *testing.T) {
	for _, folder := range []string{"run/resolvconf", "run/connman", "run/netconfig"} {
		there := replaced(t, change{how: moved, to: folder})
		if fate := fateOf(t, there, []string{"etc/resolv.conf"}); fate != "found" {
			t.Errorf("%s: the names are lost: %s", folder, there["after etc/resolv.conf"])
		}
		noSecrets(t, there)
	}
}

// Who is logged in has secrets below /run, so folders that are made there later are not open. That
// was warned of, and the error names it.
func TestReplacedWhileLoggedIn(t *testing.T) {
	there := replaced(t, change{user: replacedUser, login: true, how: moved})
	if fate := fateOf(t, there, []string{"etc/resolv.conf"}); fate != "restart" {
		t.Errorf("the names are %s", fate)
	}
	if got := there["warned"]; !strings.Contains(got, "/etc/resolv.conf: ") ||
		!strings.Contains(got, "/run/NetworkManager, which is not there yet") {
		t.Errorf("warned of %q", got)
	}
	if got := there["nobody.test"]; !strings.Contains(got, "the sandbox keeps this process from /etc/resolv.conf") {
		t.Errorf("looking up a name: %s", got)
	}
	noSecrets(t, there)
}

// What modes forbid is not the sandbox's.
func TestNamedOnlyForTheSandbox(t *testing.T) {
	err := fmt.Errorf("reading: %w", fs.ErrPermission)
	if got := harden.Named(filepath.Join(t.TempDir(), "file"), err); got != err || harden.Keeps(t.TempDir()) {
		t.Errorf("%v", got)
	}
}
