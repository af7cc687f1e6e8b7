package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"pksa/cmd/pksa/internal/manual"
)

func (c *command) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the manual pages into a folder",
		Long: `Writes the manual of this program, a page for each command and each topic, into
the folders man1 and man7 of FOLDER. For all users of this machine:

    sudo pksa man /usr/local/share/man
    man pksa-keys-import

Packages bring the pages along.`,
		Args: one("the FOLDER, such as /usr/local/share/man"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pages := manPages(cmd.Root())
			files := make([]string, len(pages))
			for i, p := range pages {
				files[i] = filepath.Join(args[0], filepath.FromSlash(p.File()))
				if err := writePage(files[i], p.Text); err != nil {
					return err
				}
			}
			return c.print(map[string]any{"files": files}, func(w io.Writer) {
				fmt.Fprintf(w, "%d pages are in %s; %s shows the first one.\n", len(files), args[0],
					"man "+shellWord(files[0]))
			})
		},
	}
}

// writePage writes a page that everybody may read.
func writePage(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// manPages returns the manual of this version of the program.
func manPages(root *cobra.Command) []manual.Page {
	pages := make([]manual.Topic, len(topics))
	for i, t := range topics {
		pages[i] = manual.Topic{Name: t.name, Summary: t.summary, Text: t.text()}
	}
	var v versionInfo
	info, _ := debug.ReadBuildInfo() // without it the version is unknown
	v.setBuild(info)
	date, _, _ := strings.Cut(v.Time, "T")
	return manual.Source{Program: root.Name(), Version: v.Version, Date: date}.Pages(root, pages)
}
