package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// licenceFile is a file that others must be given with the program.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// writeLicences writes the licences of Go's library and of all modules that the programs link. The
// arguments are folders of modules and programs.
func writeLicences(w io.Writer, args []string) error {
	places := map[string]string{} // of modules, by path and version
	linked := map[module]bool{}
	for _, arg := range args {
		if info, err := os.Stat(arg); err != nil {
			return err
		} else if info.IsDir() {
			if err := addPlaces(places, arg); err != nil {
				return err
			}
			continue
		}
		_, list, err := modules(arg)
		if err != nil {
			return err
		}
		for _, m := range list {
			linked[module{path: m.path, version: m.version}] = true
		}
	}
	fmt.Fprintln(w, "What these programs are made of beside pksa itself, and the licences under which that may be "+
		"used.")
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	err = writeLicence(w, "Go's standard library ("+runtime.Version()+")", strings.TrimSpace(string(root)))
	if err != nil {
		return err
	}
	list := make([]module, 0, len(linked))
	for m := range linked {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b module) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.version, b.version))
	})
	for _, m := range list {
		if err := writeLicence(w, m.path+" "+m.version, places[m.path+"@"+m.version]); err != nil {
			return err
		}
	}
	return nil
}

// addPlaces adds where the modules lie that a module's build may have.
func addPlaces(places map[string]string, folder string) error {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "./...")
	cmd.Dir = folder
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("listing the modules of %s: %w", folder, err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var one struct {
			Module *struct{ Path, Version, Dir string }
		}
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if one.Module != nil {
			places[one.Module.Path+"@"+one.Module.Version] = one.Module.Dir
		}
	}
}

// writeLicence writes the licences in the folder of a module. One without is an error: it must not
// be passed on.
func writeLicence(w io.Writer, name, folder string) error {
	if folder == "" {
		return fmt.Errorf("%s is in no cache of modules", name)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(w, "\n%s\n%s: %s\n%s\n\n%s\n", strings.Repeat("=", 78), name, e.Name(), strings.Repeat("-", 78),
			strings.TrimSpace(string(text)))
	}
	if !found {
		return fmt.Errorf("%s has no licence", name)
	}
	return nil
}
