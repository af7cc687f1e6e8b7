package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Paths in commands: into the repository, from the file itself, to a program here, and into the
// system that has the packages.
const before = `(?:^|[\s"'=(<` + "`" + `])`

var (
	sourcePath = regexp.MustCompile(before +
		`((?:(?:\./)?(?:\.ci|\.github|cmd|examples)|\./(?:agent|keystore|protocol))/[\w./-]*\w)`)
	relativePath = regexp.MustCompile(before + `((?:\.\./)+[\w./-]*)`)
	herePath     = regexp.MustCompile(before + `\./(pksa[\w-]*)`)
	systemPath   = regexp.MustCompile(before + `(/usr/[\w./-]*pksa[\w./-]*\w|/usr/[\w./-]*pksa)`)
	goCommand    = regexp.MustCompile(`\bgo (?:run|build|test|install|-C) `)
	copied       = regexp.MustCompile(`(?m)^COPY ((?:[\w.-]+ )+)/`)
	buildFrom    = regexp.MustCompile(`(?m)^      context: (\S+)\n      dockerfile: (\S+)$`)
	emptyLine    = regexp.MustCompile(`(?m)^[ \t]*(?:#|//)?[ \t]*\n`)
	// Whoever reads one of these words knows that the release is not meant.
	ofSource = regexp.MustCompile(`(?i)\b(source|sources|clone|repository)\b`)
)

// check collects what leads nowhere in a folder of pages.
type check struct {
	folder, root string
	pages, links int
	wrong        []string
}

// checkPages returns an error that names all links and paths in commands that lead nowhere.
func checkPages(folder, root string) error {
	c := &check{folder: folder, root: root}
	if err := c.files(); err != nil {
		return err
	}
	if c.pages < 20 || c.links < 200 {
		c.fail(folder, "has only %d pages with %d links", c.pages, c.links)
	}
	slices.Sort(c.wrong)
	if len(c.wrong) > 0 {
		return errors.New("these lead nowhere:\n" + strings.Join(slices.Compact(c.wrong), "\n"))
	}
	return nil
}

// files checks all files of the folder.
func (c *check) files() error {
	return filepath.WalkDir(c.folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(c.folder, name)
		if err != nil {
			return err
		}
		c.file(filepath.ToSlash(relative), text)
		return nil
	})
}

func (c *check) fail(place, format string, args ...any) {
	c.wrong = append(c.wrong, place+": "+fmt.Sprintf(format, args...))
}

// is reports whether there is a file or folder at a place below the folder of pages.
func (c *check) is(place string) bool {
	if place == ".." || strings.HasPrefix(place, "../") {
		return false
	}
	_, err := os.Stat(filepath.Join(c.folder, filepath.FromSlash(place)))
	return err == nil
}

// file checks one file of any kind.
func (c *check) file(name string, text []byte) {
	switch {
	case strings.HasPrefix(name, "examples/docs/traps/"), path.Base(name) == "THIRD-PARTY-LICENCES",
		path.Ext(name) == ".json", bytes.IndexByte(text, 0) >= 0:
		return // data, programs and the texts of others
	case path.Ext(name) == ".md":
		c.pages++
		c.page(name, string(text))
	case name == "examples/container/Containerfile":
		for _, m := range copied.FindAllSubmatch(text, -1) {
			for _, file := range strings.Fields(string(m[1])) {
				if !c.is(file) {
					c.fail(name, "COPY %s", file)
				}
			}
		}
		c.head(name, string(text))
	default:
		for _, m := range buildFrom.FindAllSubmatch(text, -1) {
			context := path.Join(path.Dir(name), string(m[1]))
			if context != "." || !c.is(string(m[2])) {
				c.fail(name, "builds %s in %s", m[2], m[1])
			}
		}
		c.head(name, string(text))
	}
}

// head checks the commands in a file that is no page. One part of it, up to a line with nothing in
// it, or with the sign of a remark alone, has the words for the next, too.
func (c *check) head(name, text string) {
	before := ""
	for _, part := range emptyLine.Split(text, -1) {
		c.commands(name, part, before+" "+part)
		before = part
	}
}

// page checks the links of a page, and the commands that it has people copy.
func (c *check) page(name, text string) {
	text = blank(text, hidden)
	for _, l := range linksOf(text) {
		c.links++
		where, heading, _ := strings.Cut(l.target, "#")
		target := name
		if where != "" {
			target = path.Join(path.Dir(name), where)
		}
		if !c.is(target) {
			c.fail(name, "the link to %s", l.target)
		} else if heading != "" && !c.anchors(target)[heading] {
			c.fail(name, "the heading of %s", l.target)
		}
	}
	if name == "CHANGELOG.md" {
		return // it tells of what was
	}
	list := sections(text)
	for _, s := range list {
		c.commands(name, commandsOf(s.text), list[0].text+s.text)
	}
}

func (c *check) anchors(name string) map[string]bool {
	text, err := os.ReadFile(filepath.Join(c.folder, filepath.FromSlash(name)))
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, s := range sections(string(text)) {
		names[anchor(s.heading)] = true
	}
	return names
}

// commands checks the paths in a text. What only the source has may stand where the text around
// says so.
func (c *check) commands(name, text, around string) {
	source := ofSource.MatchString(around)
	for _, m := range sourcePath.FindAllStringSubmatch(text, -1) {
		if !c.is(m[1]) && !source {
			c.fail(name, "%s, where nothing speaks of the source", m[1])
		}
	}
	for _, m := range relativePath.FindAllStringSubmatch(text, -1) {
		if place := path.Join(path.Dir(name), m[1]); !c.is(place) && !source {
			c.fail(name, "%s, where nothing speaks of the source", m[1])
		}
	}
	if m := goCommand.FindString(text); m != "" && !source {
		c.fail(name, "%q, where nothing speaks of the source", m)
	}
	for _, m := range herePath.FindAllStringSubmatch(text, -1) {
		if !c.is(m[1]) && !c.is(m[1]+".exe") && !source {
			c.fail(name, "./%s", m[1])
		}
	}
	if c.root == "" {
		return
	}
	for _, m := range systemPath.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(c.root, m[1])); err != nil && !strings.HasPrefix(m[1], "/usr/local/") {
			c.fail(name, "%s", m[1])
		}
	}
}
