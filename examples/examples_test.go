// Package examples_test holds the examples to what they say: that they build, parse, and name
// settings that exist.
package examples_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"pksa/agent/config"
	"pksa/agent/policy"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// instructions gives what follows a word at the beginning of lines, with continued lines joined.
func instructions(file []byte, word string) (found []string) {
	for line := range strings.Lines(strings.ReplaceAll(string(file), "\\\n", " ")) {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			found = append(found, strings.TrimSpace(rest))
		}
	}
	return found
}

// The command of the Containerfile builds, and what it builds needs no other file to run.
func TestContainerfileBuildsStaticBinaries(t *testing.T) {
	if testing.Short() {
		t.Skip("builds without cgo, which may have to begin anew")
	}
	file := read(t, "container/Containerfile")
	out := t.TempDir()
	var build string
	for _, run := range instructions(file, "RUN") {
		if strings.HasPrefix(run, "go build ") {
			build = strings.ReplaceAll(run, "/out/", out+"/")
		}
	}
	if build == "" {
		t.Fatal("no RUN go build in the Containerfile")
	}
	for _, env := range instructions(file, "ENV") {
		if !strings.HasPrefix(env, "PKSA_") { // what the image is run with
			build = "export " + env + "\n" + build
		}
	}
	cmd := exec.Command("sh", "-ec", build)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "VERSION=1.2-test", "COMMIT="+strings.Repeat("c0", 20))
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, output)
	}
	for _, name := range []string{"pksa", "pksa-console", "bot-go"} {
		if !bytes.Contains(file, []byte("COPY --from=build /out/"+name+" /")) {
			t.Errorf("the Containerfile builds %s and does not copy it", name)
		}
		checkStatic(t, filepath.Join(out, name))
	}
	// A program that can run templates keeps all methods of all types, of which a template may name
	// any. That is a tenth of the image, for nothing.
	program, err := os.ReadFile(filepath.Join(out, "pksa"))
	if err != nil || bytes.Contains(program, []byte("text/template.(*state).walk")) {
		t.Errorf("pksa can run templates: %v", err)
	}
	// What the builder names is what the program says: an image has no history that could tell.
	output, err := exec.Command(filepath.Join(out, "pksa"), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(output), "pksa 1.2-test (") ||
		!strings.Contains(string(output), "\ncommit c0c0") {
		t.Errorf("pksa version: %v\n%s", err, output)
	}
}

func checkStatic(t *testing.T, path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		return
	}
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is linked dynamically (%s): it does not run in an empty image", filepath.Base(path),
				segment.Type)
		}
	}
}

// The final stages run as nobody in particular, from nothing.
func TestContainerfileStages(t *testing.T) {
	file := read(t, "container/Containerfile")
	from := instructions(file, "FROM")
	if !slices.Equal(from[1:], []string{"scratch AS bot", "scratch AS pksa-console", "scratch AS pksa"}) {
		t.Errorf("stages: %q", from)
	}
	// The console is another user than the wallet, whose socket is what it may reach.
	users := instructions(file, "USER")
	if !slices.Equal(users, []string{"10001:10001", "10002:10002", "10001:10001"}) {
		t.Errorf("users: %q", users)
	}
}

// compose is what of a compose file is looked at.
type compose struct {
	Name     string
	Services map[string]service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

type service struct {
	Build           build
	Image, Restart  string
	Environment     map[string]string
	Command         []string
	NetworkMode     string `yaml:"network_mode"`
	DependsOn       any    `yaml:"depends_on"`
	Secrets         []string
	Volumes, Tmpfs  []string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Ulimits         map[string]int
	Memory          string `yaml:"mem_limit"`
	Healthcheck     map[string]any
	StopGracePeriod string `yaml:"stop_grace_period"`
}

type build struct {
	Context, Dockerfile, Target string
	Args                        map[string]string
}

// composeFile returns a compose file, of which everything is known to the type.
func composeFile(t *testing.T, file string) (c compose) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(read(t, file)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) != 2 {
		t.Fatalf("services: %v", c.Services)
	}
	return c
}

// shutIn wants a service that is built here and may do little.
func (s service) shutIn(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join("container", s.Build.Context, s.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if !s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.SecurityOpt) != 1 {
		t.Errorf("%s is not shut in", s.Image)
	}
}

func TestComposeHoldsTogether(t *testing.T) {
	c := composeFile(t, "container/compose.yaml")
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: secret %s is not defined", name, secret)
			}
		}
		for _, word := range append(s.Command, s.Environment["PKSA_UNLOCK"]) {
			if secret, ok := strings.CutPrefix(strings.TrimPrefix(word, "file:"), "/run/secrets/"); ok &&
				!strings.Contains(strings.Join(s.Secrets, " "), secret) {
				t.Errorf("%s: does not get secret %s", name, secret)
			}
		}
		s.shutIn(t)
	}
	checkSettings(t, c.Services["pksa"].Environment)
	for _, arg := range []string{"VERSION", "COMMIT"} {
		if c.Services["pksa"].Build.Args[arg] != "${"+arg+":-}" {
			t.Errorf("the build is not told its %s", arg)
		}
	}
}

// The file for a console adds to the wallet its settings and a folder for the socket; the console
// gets that folder, read-only, and nothing else of the wallet's.
func TestComposeWithConsole(t *testing.T) {
	c := composeFile(t, "container/compose.console.yaml")
	wallet, console := c.Services["pksa"], c.Services["console"]
	settings := composeFile(t, "container/compose.yaml").Services["pksa"].Environment
	maps.Copy(settings, wallet.Environment)
	checkSettings(t, settings)
	console.shutIn(t)
	if !slices.Equal(wallet.Volumes, []string{"console:/run/pksa"}) || !slices.Equal(console.Volumes,
		[]string{"console:/run/pksa:ro"}) || len(console.Secrets)+len(console.Environment) > 0 ||
		filepath.Dir(wallet.Environment["PKSA_CONSOLE_SOCKET"]) != "/run/pksa" {
		t.Errorf("%+v\n%+v", wallet, console)
	}
}

// checkSettings wants settings that a wallet starts with.
func checkSettings(t *testing.T, values map[string]string) {
	t.Helper()
	if len(values) == 0 {
		t.Fatal("no settings")
	}
	var environ []string
	for name, value := range values {
		environ = append(environ, name+"="+value)
	}
	home := t.TempDir()
	if _, err := config.Load(home, filepath.Join(home, "config.yaml"), environ); err != nil {
		t.Error(err)
	}
}

func TestUnit(t *testing.T) {
	settings := map[string]string{}
	section := ""
	line := regexp.MustCompile(`^[A-Z][A-Za-z]+=`)
	sections := map[string]int{}
	for text := range strings.Lines(string(read(t, "systemd/pksa.service"))) {
		text = strings.TrimSuffix(text, "\n")
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
			section = text
		case section == "" || !line.MatchString(text) || strings.HasSuffix(text, "\\"):
			t.Errorf("not understood: %q", text)
		default:
			sections[section]++
			if assignments, ok := strings.CutPrefix(text, "Environment="); ok {
				for _, assignment := range strings.Fields(assignments) {
					name, value, _ := strings.Cut(assignment, "=")
					settings[name] = value
				}
			}
		}
	}
	if len(sections) != 3 || sections["[Unit]"] == 0 || sections["[Service]"] < 20 || sections["[Install]"] == 0 {
		t.Errorf("sections: %v", sections)
	}
	checkSettings(t, settings)
}

// The unit says what an operator relies on: a start and a reload that fail with a broken policy, a
// clock, and a copy that has yielded and stays down.
func TestUnitHolds(t *testing.T) {
	unit := string(read(t, "systemd/pksa.service"))
	for _, line := range []string{"Type=notify", "ExecReload=/usr/local/bin/pksa reload", "Restart=on-failure",
		"RestartPreventExitStatus=0",
		"WatchdogSec=60", "Wants=network-online.target time-sync.target", "PrivateMounts=yes",
		"DevicePolicy=closed", "LimitMEMLOCK=infinity"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("lacks %s", line)
		}
	}
}

// If systemd is here, it reads the units, also with what a console adds to the wallet's, and finds
// them shut in.
func TestUnitsAreShutIn(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	// It complains about programs that are not there.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile(`/usr/local/bin/pksa(-console)?`)
	for _, names := range [][]string{{"pksa.service"}, {"pksa-console.service"},
		{"pksa.service", "pksa-console.conf"}} {
		var unit []byte
		for _, name := range names {
			unit = append(unit, read(t, "systemd/"+name)...)
		}
		file := filepath.Join(t.TempDir(), names[0])
		if err := os.WriteFile(file, programs.ReplaceAllLiteral(unit, []byte(program)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify: %v\n%s", names, err, out)
		}
		// In tenths: the network and sockets are what is left.
		security := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=12", file)
		if out, err := security.CombinedOutput(); err != nil {
			t.Errorf("%s: systemd-analyze security: %v\n%s", names, err, out)
		}
	}
}

// The wallet confines itself with Landlock, and needs no more than what services need: nothing that
// a line forbids is allowed again by a line after it.
func TestUnitAllowsSystemCalls(t *testing.T) {
	forbids := 0
	allowed := map[string]int{}
	for i, line := range strings.Split(string(read(t, "systemd/pksa.service")), "\n") {
		filter, ok := strings.CutPrefix(line, "SystemCallFilter=")
		switch {
		case strings.HasPrefix(filter, "~"):
			forbids = i
		case ok:
			for _, name := range strings.Fields(filter) {
				allowed[name] = i
			}
		}
	}
	if allowed["@system-service"] == 0 || forbids == 0 {
		t.Error("the unit does not filter system calls")
	}
	for name, line := range allowed {
		if line > forbids {
			t.Errorf("%s is allowed again", name)
		}
	}
	if allowed["landlock_restrict_self"] == 0 {
		t.Error("Landlock is forbidden")
	}
}

func TestPoliciesCompile(t *testing.T) {
	files, err := filepath.Glob("*/policy.yaml")
	deeper, deeperErr := filepath.Glob("*/policy/policy.yaml")
	if files = append(files, deeper...); err != nil || deeperErr != nil || len(files) < 2 {
		t.Fatalf("policies %v: %v, %v", files, err, deeperErr)
	}
	for _, file := range files {
		compiled, problems := policy.Compile(file, read(t, file), policy.Options{})
		if compiled == nil || len(problems.Warnings()) > 0 {
			t.Errorf("%v", problems)
		}
	}
}

// Versions are exact, and the lock names no host: any registry serves.
func TestNpmPackagesArePinned(t *testing.T) {
	manifests, err := filepath.Glob("*/package.json")
	if err != nil || len(manifests) < 2 {
		t.Fatalf("manifests %v: %v", manifests, err)
	}
	exact := regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	for _, file := range manifests {
		var manifest struct{ Dependencies map[string]string }
		if err := json.Unmarshal(read(t, file), &manifest); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(manifest.Dependencies) == 0 {
			t.Errorf("%s: no dependencies", file)
		}
		for name, version := range manifest.Dependencies {
			if !exact.MatchString(version) {
				t.Errorf("%s: %s is not pinned: %q", file, name, version)
			}
		}
	}
	lock := read(t, "interop/package-lock.json")
	if bytes.Contains(lock, []byte(`"resolved"`)) || bytes.Contains(lock, []byte("registry.")) {
		t.Error("package-lock.json names a registry: install with --omit-lockfile-registry-resolved")
	}
}
