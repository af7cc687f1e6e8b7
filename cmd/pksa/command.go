package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"pksa/agent/control"
	"pksa/cmd/pksa/internal/repeats"
	"pksa/cmd/pksa/internal/systemd"
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

	// journal says that standard error is the journal of systemd, where each line tells how
	// important it is.
	journal bool
	repeats *repeats.Handler // of the log, nil before there is one
	level   slog.LevelVar    // of the log
}

// run runs the whole program and returns the exit status.
func run(ctx context.Context, args []string, s streams) int {
	c := &command{streams: s, journal: systemd.IsJournal(s.err, os.Getenv("JOURNAL_STREAM"))}
	root := c.root()
	// Known before the flags are parsed: a wrong flag is reported as JSON, too.
	c.asJSON = slices.Contains(args, "--json")
	c.sources = namedSources(args)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	if c.repeats != nil {
		c.repeats.Flush()
	}
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

// tell prints a line or more to standard error, for the journal with a priority.
func (c *command) tell(p systemd.Priority, format string, args ...any) {
	text := wrapped(fmt.Sprintf(format, args...), columns(c.err))
	if c.journal {
		text = systemd.Prefix(p, text)
	}
	io.WriteString(c.err, text)
}

// print prints a result: as JSON, or by the function for people.
func (c *command) print(result any, people func(w io.Writer)) error {
	if c.asJSON {
		return control.Show(c.out, result)
	}
	return c.write(people, columns(c.out))
}

// say prints a result as print does. What people read of it are sentences: they fit a terminal
// wherever they go, as no program reads them line by line.
func (c *command) say(result any, people func(w io.Writer)) error {
	if c.asJSON {
		return control.Show(c.out, result)
	}
	return c.write(people, cmp.Or(columns(c.out), textWidth))
}

func (c *command) write(people func(w io.Writer), width int) error {
	var text strings.Builder
	people(&text)
	_, err := io.WriteString(c.out, wrapped(c.inPlace(text.String()), width))
	return err
}
