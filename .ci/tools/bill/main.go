// Command bill writes what a program is made of, as the program itself says (`go version -m`):
//
//	bill sbom PROGRAM SECONDS           a bill of materials in the format of CycloneDX
//	bill licences FOLDER... PROGRAM...  the licences of all modules in the programs
//
// FOLDER is the module of a program; the texts of the licences come from the cache of modules.
// SECONDS is the time of the bill, since 1970. The same input gives the same bytes.
package main

import (
	"bufio"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	err := run(out, os.Args[1:])
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bill: %v\n", err)
		os.Exit(1)
	}
}

func run(out *bufio.Writer, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "sbom":
		seconds, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}
		return writeSBOM(out, args[1], time.Unix(seconds, 0).UTC())
	case len(args) > 2 && args[0] == "licences":
		return writeLicences(out, args[1:])
	}
	return errors.New("usage: bill sbom PROGRAM SECONDS, or bill licences FOLDER... PROGRAM...")
}

// module is a module that a program links.
type module struct{ path, version, sum string }

// modules returns those of a program, without its own, in the order of their paths.
func modules(program string) (*buildinfo.BuildInfo, []module, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, nil, err
	}
	var list []module
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			return nil, nil, fmt.Errorf("%s: %s is replaced: nobody could get the same", filepath.Base(program),
				dep.Path)
		}
		list = append(list, module{dep.Path, dep.Version, dep.Sum})
	}
	return info, list, nil
}
