// Command pages puts the documentation beside the programs of a release, and checks it there:
//
//	pages make SOURCE KIND FOLDER   KIND is "package" or the archive's system, such as "linux"
//	pages check FOLDER [ROOT]       ROOT has the files of the packages that carry the FOLDER
//
// Files keep the places that they have in the repository, for the most part, so that links and
// paths in commands lead where they lead there. A link to what a release has not names the place
// in the source instead. The check knows nothing of how the pages were made.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "pages: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "make":
		return makePages(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "check":
		return checkPages(args[1], "")
	case len(args) == 3 && args[0] == "check":
		return checkPages(args[1], args[2])
	}
	return errors.New("usage: pages make SOURCE KIND FOLDER, or pages check FOLDER [ROOT]")
}
