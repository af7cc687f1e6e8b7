package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a release of each kind carries of this repository leads somewhere, on its own.
func TestPagesLeadSomewhere(t *testing.T) {
	for kind, built := range map[string][]string{
		"linux":   {"pksa", "pksa-qr", "pksa-console", "bot-go", "THIRD-PARTY-LICENCES"},
		"darwin":  {"pksa", "pksa-qr", "pksa-console"},
		"windows": {"pksa.exe", "pksa-qr.exe"},
		ofPackage: nil, // they are in the folders of the system
	} {
		t.Run(kind, func(t *testing.T) {
			folder := t.TempDir()
			if err := makePages("../../..", kind, folder); err != nil {
				t.Fatal(err)
			}
			for _, file := range built {
				write(t, folder, file, "\x00")
			}
			if kind != ofPackage { // which compresses its manual
				writeManual(t, filepath.Join(folder, "man"))
			}
			if err := checkPages(folder, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// writeManual writes the pages that the program itself makes.
func writeManual(t *testing.T, folder string) {
	t.Helper()
	out, err := exec.Command("go", "-C", "../../..", "run", "./cmd/pksa", "man", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// The check finds each kind of thing that leads nowhere, and what leads somewhere it leaves alone.
func TestWhatLeadsNowhere(t *testing.T) {
	there := map[string]string{
		"README.md":       "# A\n\n[b](docs/b.md#of-b) and [c](docs)\n\n## Of a\n",
		"docs/b.md":       "# B\n\n## Of `b`!\n",
		"examples/a.yaml": "# pksa policy check examples/a.yaml\n",
		"pksa":            "\x00 ./cmd/nothing",
	}
	for name, c := range map[string]struct{ file, text, wrong string }{
		"a link":                    {"a.md", "[x](docs/x.md)", "a.md: the link to docs/x.md"},
		"a link over two lines":     {"a.md", "[x\ny](docs/x.md)", "a.md: the link to docs/x.md"},
		"a link of code":            {"a.md", "[`x`](docs/x.md)", "a.md: the link to docs/x.md"},
		"a link out of the release": {"a.md", "[x](../a.md)", "a.md: the link to ../a.md"},
		"a heading":                 {"a.md", "[x](docs/b.md#of-a)", "a.md: the heading of docs/b.md#of-a"},
		"a heading here":            {"a.md", "[x](#of-b)", "a.md: the heading of #of-b"},
		"a heading after code":      {"a.md", "[x](docs/b.md#of-b)", ""},
		"a link in code":            {"a.md", "`a[x](y)` and\n```\n[x](y)\n```\n", ""},
		"after code over two lines": {"a.md", "`a\nb` [x](y) `c`", "a.md: the link to y"},
		"another site":              {"a.md", "[x](https://x.example/y)", ""},
		"a path in a command": {"a.md", "```\npksa policy check examples/b.yaml\n```\n",
			"a.md: examples/b.yaml"},
		"a path in a line of code": {"a.md", "type\n\n    pksa policy check examples/b.yaml\n",
			"a.md: examples/b.yaml"},
		"a path in words of code":      {"a.md", "see `examples/b.yaml`", "a.md: examples/b.yaml"},
		"a path that is there":         {"a.md", "see `examples/a.yaml`", ""},
		"the name of a package":        {"a.md", "see `agent/client`", ""},
		"a script":                     {"a.md", "run `.ci/run`", "a.md: .ci/run"},
		"a script of the source":       {"a.md", "run `.ci/run` of the source", ""},
		"the source elsewhere":         {"a.md", "# A\n\n## B\nthe source\n\n## C\nrun `.ci/run`", "a.md: .ci/run"},
		"the source above":             {"a.md", "# A\n\nthe source\n\n## C\nrun `.ci/run`", ""},
		"a build":                      {"a.md", "```\ngo build ./cmd/pksa\n```\n", "a.md: ./cmd/pksa"},
		"a build in a clone":           {"a.md", "in a clone\n```\ngo build ./cmd/pksa\n```\n", ""},
		"only go":                      {"a.md", "```\ngo test .\n```\n", `a.md: "go test "`},
		"a program":                    {"a.md", "```\n./pksa-x init\n```\n", "a.md: ./pksa-x"},
		"a program that is there":      {"a.md", "```\n./pksa init\n```\n", ""},
		"in a remark that nobody sees": {"a.md", "<!-- `go test .` [x](y) -->", ""},
		"a head":                       {"examples/a.service", "#   install examples/a.service /etc\n", ""},
		"the head of another": {"examples/b.service", "#   install examples/a.service /etc\n",
			"examples/b.service: examples/a.service"},
		"the source far above": {"examples/b.yaml", "# the source\n#\n# a\n#\n#   .ci/run\n",
			"examples/b.yaml: .ci/run"},
		"the source just above":       {"examples/b.yaml", "# the source\n#\n#   .ci/run\n", ""},
		"a path from the file":        {"examples/b.yaml", "# see ../docs/x.md\n", "examples/b.yaml: ../docs/x.md"},
		"a path from the file, there": {"examples/b.yaml", "# see ../docs/b.md\n", ""},
		"what an image is made of": {"examples/container/Containerfile", "COPY pksa pksa-qr /out/\n",
			"examples/container/Containerfile: COPY pksa-qr"},
		"from what it is built": {"examples/container/compose.yaml",
			"    build:\n      context: ../..\n      dockerfile: examples/container/File\n",
			"examples/container/compose.yaml: builds examples/container/File in ../.."},
		"a file of the system":        {"a.md", "see `/usr/bin/pksa-x`", "a.md: /usr/bin/pksa-x"},
		"a file of the system, there": {"a.md", "see `/usr/bin/pksa`", ""},
	} {
		t.Run(name, func(t *testing.T) {
			folder, root := t.TempDir(), t.TempDir()
			for file, text := range there {
				write(t, folder, file, text)
			}
			write(t, root, "usr/bin/pksa", "")
			write(t, folder, c.file, c.text)
			found := &check{folder: folder, root: root}
			if err := found.files(); err != nil {
				t.Fatal(err)
			}
			if c.wrong == "" && len(found.wrong) > 0 || c.wrong != "" &&
				(len(found.wrong) == 0 || !strings.HasPrefix(found.wrong[0], c.wrong)) {
				t.Errorf("found %q, want %q", found.wrong, c.wrong)
			}
		})
	}
}

// A check that finds next to no pages has been shown the wrong folder.
func TestEmptyFolder(t *testing.T) {
	if err := checkPages(t.TempDir(), ""); err == nil {
		t.Error("a folder without pages was found good")
	}
}

// Links change with the places of files, and name the source where the release has no such file.
func TestLinksMove(t *testing.T) {
	source := t.TempDir()
	for name, text := range map[string]string{
		"README.md": "[a](examples/docs/a.md#b) [b](agent/b.go) [c](.github/CHANGELOG.md) " +
			"[d](examples/docs) `[e](f)`",
		"LICENSE":              "free",
		".ci/run":              "",
		".github/CHANGELOG.md": "[a](../examples/docs/a.md)",
		"agent/b.go":           "",
		"examples/docs/a.md": "[run](../../.ci/run) [.ci/run](../../.ci/run) " +
			"[licence](../../LICENSE) [s](https://s.example)",
		"examples/docs/traps.md": "[one](../../" + trapFiles + "/one.yaml)",
		"examples/a_test.go":     "",
		"examples/interop/run":   "",
		"examples/systemd/pksa.service": "# A. Type as root:\n#\n#   go build -o /usr/local/bin/pksa " +
			"./cmd/pksa\n#\n# The packages do the same. B\nExecStart=/usr/local/bin/pksa run\n",
		"examples/systemd/pksa-admin":      "#!/bin/sh\n",
		"examples/container/compose.yaml":  "a\n",
		trapFiles + "/one.yaml":            "1\n",
		trapFiles + "/one.right.yaml":      "2\n",
		trapFiles + "/two.yaml":            "3\n",
		"examples/bot-js/node_modules/a/b": "",
		"examples/policies/tip_bot.yaml":   "4\n",
		"examples/policies/tip_bot_x.gold": "5\n",
		"examples/policies/.ignored":       "6\n",
	} {
		write(t, source, name, text)
	}
	folder := t.TempDir()
	if err := makePages(source, ofPackage, folder); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err := filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			text, _ := os.ReadFile(name)
			relative, _ := filepath.Rel(folder, name)
			got[filepath.ToSlash(relative)] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"README.md": "[a](examples/docs/a.md#b) b (`agent/b.go` of the source) " +
			"[c](CHANGELOG.md) [d](examples/docs) `[e](f)`",
		"copyright":    "free",
		"CHANGELOG.md": "[a](examples/docs/a.md)",
		"examples/docs/a.md": "`.ci/run` of the source `.ci/run` of the source " +
			"[licence](../../copyright) [s](https://s.example)",
		"examples/docs/traps.md":             "[one](traps/one.yaml)",
		"examples/docs/traps/one.yaml":       "1\n",
		"examples/docs/traps/one.right.yaml": "2\n",
		"examples/systemd/pksa.service":      "# A. Its package has set it up. B\nExecStart=/usr/bin/pksa run\n",
		"examples/systemd/pksa-admin":        "#!/bin/sh\n",
		"examples/policies/tip_bot.yaml":     "4\n",
		"examples/policies/tip_bot_x.gold":   "5\n",
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %q, want %q", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is carried", name)
		}
	}
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	name = filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
