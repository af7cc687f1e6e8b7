package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const ofPackage = "package"

// trapFiles are the examples to which the page of traps leads, among the data of tests.
const trapFiles = "agent/policy/testdata/warn"

// release is the documentation of one release: what it carries, and of which kind it is.
type release struct {
	kind    string
	carried map[string]string // places in the repository, to those in the release
}

// makePages copies what a release of a kind carries from the repository in source into a folder.
func makePages(source, kind, folder string) error {
	r := release{kind, map[string]string{}}
	traps, err := os.ReadFile(filepath.Join(source, "examples/docs/traps.md"))
	if err != nil {
		return err
	}
	err = filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if relative == ".git" || entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		place := filepath.ToSlash(relative)
		if path.Dir(place) == trapFiles {
			first, _, _ := strings.Cut(path.Base(place), ".")
			if !bytes.Contains(traps, []byte("/"+first+".yaml)")) {
				return nil
			}
		}
		if to := r.place(place); to != "" {
			r.carried[place] = to
		}
		return nil
	})
	if err != nil {
		return err
	}
	for from, to := range r.carried {
		if err := r.write(source, from, folder, to); err != nil {
			return err
		}
	}
	return nil
}

// place returns where a file or folder of the repository is in the release, or "".
func (r release) place(name string) string {
	switch name {
	case "README.md", "examples":
		return name
	case "LICENSE":
		if r.kind == ofPackage {
			return "copyright"
		}
		return name
	case ".github/CHANGELOG.md", ".github/SECURITY.md":
		return path.Base(name)
	}
	if path.Dir(name) == trapFiles {
		return path.Join("examples/docs/traps", path.Base(name))
	}
	top, rest, _ := strings.Cut(name, "/")
	if top != "examples" || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(path.Base(name), ".") {
		return ""
	}
	switch folder, _, _ := strings.Cut(rest, "/"); folder {
	case "interop":
		return "" // it is a part of the tests
	case "container", "kubernetes":
		if r.kind != "linux" {
			return "" // images are made of programs for Linux, which lie beside these in an archive
		}
	case "systemd":
		if r.kind != "linux" && r.kind != ofPackage {
			return ""
		}
	}
	return name
}

// write copies one file, and has its links and commands lead where they can.
func (r release) write(source, from, folder, to string) error {
	text, err := os.ReadFile(filepath.Join(source, filepath.FromSlash(from)))
	if err != nil {
		return err
	}
	if path.Ext(from) == ".md" {
		text = []byte(r.links(string(text), from, to))
	}
	text = []byte(r.commands(string(text)))
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(text, []byte("#!")) {
		mode = 0o755
	}
	target := filepath.Join(folder, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, text, mode)
}

// links has those of a page lead to the new place, or name the old one in words.
func (r release) links(text, from, to string) string {
	var out strings.Builder
	at := 0
	for _, l := range linksOf(text) {
		where, anchor, _ := strings.Cut(l.target, "#")
		if where == "" {
			continue
		}
		out.WriteString(text[at:l.start])
		out.WriteString(r.link(l.text, path.Join(path.Dir(from), where), anchor, path.Dir(to)))
		at = l.end
	}
	return out.String() + text[at:]
}

// link returns a link in a page of a folder to what the repository has at a place.
func (r release) link(text, old, anchor, folder string) string {
	if target := r.target(old); target != "" {
		if relative, err := filepath.Rel(folder, target); err == nil {
			if anchor != "" {
				anchor = "#" + anchor
			}
			return fmt.Sprintf("[%s](%s%s)", text, filepath.ToSlash(relative), anchor)
		}
	}
	shown := fmt.Sprintf("`%s` of the source", old)
	if name := strings.Trim(text, "`"); name == old || name == path.Base(old) {
		return shown
	}
	return fmt.Sprintf("%s (%s)", text, shown)
}

// target returns where a link to a file or folder of the repository leads in the release, or "".
func (r release) target(name string) string {
	if to := r.carried[name]; to != "" {
		return to
	}
	for from := range r.carried {
		if strings.HasPrefix(from, name+"/") {
			return r.place(name)
		}
	}
	return ""
}

// rewritten are commands for whoever has the source, and those for whoever has a release.
var rewritten = []struct {
	old *regexp.Regexp
	new string
	in  string // one kind, or "" for all
}{
	{regexp.MustCompile(`go build -o (/\S+)/(pksa[a-z-]*) \./cmd/\S+`), "install $2 $1/", ""},
	{regexp.MustCompile(`(?m)^#   export VERSION=.*\n`), "", ""},
	{regexp.MustCompile(`--build-arg VERSION="\$\(\.ci/release version\)"\s+\\\s*\n` +
		`#\s+--build-arg COMMIT="[^"]*" `), "", ""},
	{regexp.MustCompile(`(?m)^        args: \{VERSION: .*\n`), "", ""},
	{regexp.MustCompile(`from the root of the repository`), "in the folder of the release", ""},
	// The programs are here: the image of the first stage has only the certificates to give.
	{regexp.MustCompile(`(?s)\nWORKDIR /src\n.*?\n(RUN mkdir)`),
		"\nCOPY LICENSE THIRD-PARTY-LICENCES pksa pksa-qr pksa-console bot-go /out/\n$1", ""},
	{regexp.MustCompile(`\./(pksa )`), "$1", ofPackage},
	{regexp.MustCompile(` Type as root:\n#\n(?:#   .*\n)+#\n# The packages?[^.]* same\.`),
		" Its package has set it up.", ofPackage},
	{regexp.MustCompile(`/usr/local/`), "/usr/", ofPackage},
}

// commands has those of a text be for whoever has the release, and no source.
func (r release) commands(text string) string {
	for _, c := range rewritten {
		if c.in == "" || c.in == r.kind {
			text = c.old.ReplaceAllString(text, c.new)
		}
	}
	return text
}
