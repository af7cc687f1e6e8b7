package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"pksa/agent/policy"
	"pksa/keystore/durable"
)

// formattedFile is what `policy fmt --json` prints of a file.
type formattedFile struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"` // or would be, with --check
	Text    string `json:"text,omitempty"`
}

func (c *command) policyFmt() *cobra.Command {
	var look bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE]...",
		Short: "Write policies and their tests in the usual form",
		Long: `Writes each FILE, or the policy of the home folder, in the usual form: two
columns for each level, one blank behind commas and colons, none inside of
brackets, one empty line at most. Each value and each comment stays on its line,
so a comment that silences a warning still does. What the file says does not
change: it is read again before it is put in the place of the old one. What is
in force changes with ` + "`pksa policy reload`" + ` only, and by its sha256 alone.

FILE - is standard input, of which the result is printed. With --check nothing
is written, and the exit status is 1 if a file is in another form.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				cfg, err := c.settings()
				if err != nil {
					return err
				}
				args = []string{cfg.Policy}
			}
			files := []formattedFile{}
			for _, path := range args {
				file, err := c.format(path, look)
				if err != nil {
					if len(files) > 0 { // what was done before is told
						err = cmp.Or(c.printFormatted(files, look), err)
					}
					return err
				}
				files = append(files, file)
			}
			if err := c.printFormatted(files, look); err != nil {
				return err
			}
			if look && slices.ContainsFunc(files, func(f formattedFile) bool { return f.Changed }) {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&look, "check", false, "write nothing, and fail if a file is in another form")
	return cmd
}

// format brings one file into the usual form.
func (c *command) format(path string, look bool) (formattedFile, error) {
	out := formattedFile{File: path}
	src, err := c.readForFormat(path)
	if err != nil {
		return out, err
	}
	text, err := policy.Format(path, src)
	if err != nil {
		return out, fmt.Errorf("%s stays as it is: %w", path, err)
	}
	out.Changed = !bytes.Equal(src, text)
	switch {
	case path == "-":
		out.Text = string(text)
	case out.Changed && !look:
		return out, replaceKeeping(path, text)
	}
	return out, nil
}

func (c *command) readForFormat(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(c.in)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	return src, nil
}

// replaceKeeping puts a text in the place of a file, with the mode and the owner that it has.
func replaceKeeping(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	before, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := durable.Replace(path, text); err != nil {
		return err
	}
	if err := keepOwner(path, before); err != nil {
		return fmt.Errorf("%s is written, and belongs to another user now: %w", path, err)
	}
	return os.Chmod(path, before.Mode()&fs.ModePerm)
}

func (c *command) printFormatted(files []formattedFile, look bool) error {
	return c.print(files, func(w io.Writer) {
		for _, f := range files {
			switch {
			case f.File == "-" && !look:
				fmt.Fprint(w, f.Text)
			case f.Changed && look:
				fmt.Fprintf(w, "%s is in another form than the usual one.\n", f.File)
			case f.Changed:
				fmt.Fprintf(w, "%s is in the usual form now, and says the same.\n", f.File)
			default:
				fmt.Fprintf(w, "%s is in the usual form.\n", f.File)
			}
		}
	})
}
