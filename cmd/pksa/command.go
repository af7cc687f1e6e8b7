package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is what every verb has in common: streams, home, settings.
type command struct {
	streams
	home   string
	asJSON bool
}

// run is the whole program: it gives the exit status.
func run(ctx context.Context, args []string, s streams) int {
	c := &command{streams: s}
	root := c.root()
	c.asJSON = slices.Contains(args, "--json") // known before a flag that is wrong is met
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	var usage errUsage
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		c.report(err, usageHint(cmd, err))
		return 2
	}
	c.report(err, "")
	return 1
}

// print gives a result: as JSON, or by the function for people.
func (c *command) print(result any, people func(w io.Writer)) error {
	if c.asJSON {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(result)
	}
	w := bufio.NewWriter(c.out)
	people(w)
	return w.Flush()
}
