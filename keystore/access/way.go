package access

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// file checks what was found at path, and the way to it.
func (v viewer) file(path string, info fs.FileInfo, kind Kind) error {
	if !hasOwners {
		return nil
	}
	if _, err := v.way(path); err != nil {
		return err
	}
	return v.content(factsOf(filepath.Clean(path), info), kind)
}

// maxLinks is how many links the kernel follows, too.
const maxLinks = 40

// way goes from the root folder to path as the kernel does, link by link, and checks each folder:
// if somebody else can rename or replace the next entry, path leads wherever that one likes. It
// returns the path without links.
func (v viewer) way(path string) (string, error) {
	if !hasOwners {
		return path, nil
	}
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = here + "/" + path // not joined: that would take "link/.." away before the link is followed
	}
	dir, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir) // dir has no links
			continue
		}
		if dir == "/proc" || strings.HasPrefix(dir, "/proc/") {
			// The kernel's own: what is behind it need not have a path.
			return filepath.Join(append([]string{dir, name}, rest...)...), nil
		}
		entry, info, err := v.step(dir, name)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			dir = entry
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		target, err := os.Readlink(entry)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			dir = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return dir, nil
}

// step checks a folder for one of its entries, and returns the entry.
func (v viewer) step(dir, name string) (string, fs.FileInfo, error) {
	entry := filepath.Join(dir, name)
	info, err := os.Lstat(entry)
	if err != nil {
		return "", nil, err
	}
	around, err := os.Lstat(dir)
	if err != nil {
		return "", nil, err
	}
	return entry, info, v.passage(factsOf(dir, around), factsOf(entry, info))
}
