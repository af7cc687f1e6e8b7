package main

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"

	"pksa/agent/control"
)

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is what all commands share: the streams, and the flags of every command.
type command struct {
	streams
	home   string
	asJSON bool
	warned bool // of the settings
	serves bool // until a signal comes, which is no interruption then

	sources []string // variables that hold secrets, as the command line says
}

// run runs the whole program and returns the exit status.
func run(ctx context.Context, args []string, s streams) int {
	c := &command{streams: s}
	root := c.root()
	// Known before the flags are parsed: a wrong flag is reported as JSON, too.
	c.asJSON = slices.Contains(args, "--json")
	c.sources = namedSources(args)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	return c.finish(ctx, cmd, err)
}

// namedSources returns the variables that a command line names as sources of secrets, as in --from
// env:NAME. Whatever their names are, they are no misspelt settings.
func namedSources(args []string) (names []string) {
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "--") {
			arg = value
		}
		if name, ok := strings.CutPrefix(arg, "env:"); ok {
			names = append(names, name)
		}
	}
	return names
}

// print prints a result: as JSON, or by the function for people.
func (c *command) print(result any, people func(w io.Writer)) error {
	if c.asJSON {
		return control.Show(c.out, result)
	}
	w := bufio.NewWriter(c.out)
	people(w)
	return w.Flush()
}
