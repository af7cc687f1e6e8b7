package examples_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// linked is a package that the program with the keys links.
type linked struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Module     *struct {
		Path string
		Main bool
	}
}

// linkedPackages returns those of the program with the keys, without the standard library.
func linkedPackages(t *testing.T) (list []linked) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Module", "./cmd/pksa")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linked
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil {
			list = append(list, p)
		}
	}
}

// required returns the modules that a go.mod demands: direct ones, and all.
func required(t *testing.T, file string) (direct, all []string) {
	t.Helper()
	demand := regexp.MustCompile(`(?m)^(?:require)?\s+([a-z0-9.-]+\.[a-z]+/\S+) v\S+( // indirect)?$`)
	for _, m := range demand.FindAllStringSubmatch(string(read(t, file)), -1) {
		all = append(all, m[1])
		if m[2] == "" {
			direct = append(direct, m[1])
		}
	}
	return direct, all
}

// The page has a row for each module that go.mod demands itself: what for, how many thousand lines
// of it are in the program with the keys, and who links it.
func TestModulesHaveReasons(t *testing.T) {
	lines := map[string]int{}
	for _, p := range linkedPackages(t) {
		for _, name := range p.GoFiles {
			if !p.Module.Main {
				lines[p.Module.Path] += bytes.Count(read(t, filepath.Join(p.Dir, name)), []byte("\n"))
			}
		}
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]{20,}) \\| ([0-9.]+) \\| (.+) \\|$")
	rows := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(string(read(t, "docs/modules.md")), -1) {
		rows[m[1]] = m
	}
	direct, _ := required(t, "../go.mod")
	for _, name := range direct {
		m := rows[name]
		if m == nil {
			t.Errorf("%s has no row; %d lines of it are linked", name, lines[name])
			continue
		}
		delete(rows, name)
		if tests := m[4] == "tests"; tests != (lines[name] == 0) {
			t.Errorf("%s: linked by %q, and %d lines of it are in the program", name, m[4], lines[name])
		}
		// A new version may grow a little; a row that has grown by a fifth is worth a look. Other
		// systems compile other files.
		says, err := strconv.ParseFloat(m[3], 64)
		if has := float64(lines[name]) / 1000; err != nil || runtime.GOOS == "linux" && runtime.GOARCH == "amd64" &&
			(has > 1.2*says+0.1 || has < 0.8*says-0.1) {
			t.Errorf("%s: %s thousand lines, and it has %.1f", name, m[3], has)
		}
	}
	for name := range rows {
		t.Errorf("%s has a row and is no direct dependency", name)
	}
}

// The program with the keys links nothing of what only its tools need, no other program's package,
// such as the console's, and no adversary.
func TestProgramLinksNoTools(t *testing.T) {
	_, ours := required(t, "../go.mod")
	foreign := map[string]bool{}
	for _, file := range []string{"../.ci/tools/go.mod", "../cmd/pksa-qr/go.mod"} {
		_, all := required(t, file)
		for _, name := range all {
			foreign[name] = true
		}
	}
	for _, name := range ours {
		delete(foreign, name)
	}
	if len(foreign) < 20 || !foreign["github.com/makiuchi-d/gozxing"] || !foreign["k8s.io/api"] {
		t.Errorf("only %d modules of tools are known", len(foreign))
	}
	packages := linkedPackages(t)
	if len(packages) < 50 {
		t.Errorf("only %d packages", len(packages))
	}
	for _, p := range packages {
		base := path.Base(p.ImportPath)
		other := strings.HasPrefix(p.ImportPath, "pksa/cmd/") && !strings.HasPrefix(p.ImportPath+"/", "pksa/cmd/pksa/")
		if foreign[p.Module.Path] || other || strings.HasSuffix(base, "test") || base == "testing" {
			t.Errorf("it links %s", p.ImportPath)
		}
	}
}
