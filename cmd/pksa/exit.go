package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
)

// The exit statuses of the program.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // the command line makes no sense

	// exitYielded is for a copy of a wallet that has yielded to another copy. It is that of an
	// orderly end: systemd (Restart=on-failure) and containers (restart: on-failure) start a
	// process again after every other one, and this one must stay down until a person has looked.
	exitYielded = exitOK
)

// errUsage marks a command line that makes no sense.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// hinted is an error with something to do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// hint adds to an error what a person can do about it.
func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// errSilent is a failure that was reported already.
var errSilent = errors.New("reported")

// finish reports an error and returns the exit status.
func (c *command) finish(cmd *cobra.Command, err error) int {
	var usage errUsage
	var yielded *agent.YieldError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSilent):
		return exitFailure
	case errors.As(err, &usage), isUnknownCommand(err):
		c.report(err, usageHint(cmd, err))
		return exitUsage
	}
	c.report(err, "")
	if errors.As(err, &yielded) {
		return exitYielded
	}
	return exitFailure
}

// isUnknownCommand reports whether a word is no command. Cobra has no type for that error.
func isUnknownCommand(err error) bool { return strings.HasPrefix(err.Error(), "unknown command") }

// report prints an error for people, or as JSON. A hint of the error itself goes before the given
// one.
func (c *command) report(err error, hint string) {
	var h hinted
	if errors.As(err, &h) {
		hint = h.hint
	}
	text := strings.TrimRight(err.Error(), "\n")
	if c.asJSON {
		json.NewEncoder(c.err).Encode(struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{text, hint})
		return
	}
	fmt.Fprintf(c.err, "pksa: error: %s\n", text)
	if hint != "" {
		fmt.Fprintf(c.err, "pksa: hint: %s\n", hint)
	}
}

// usageHint names the command that was meant, or the one that explains the usage.
func usageHint(cmd *cobra.Command, err error) string {
	var word string
	if _, scan := fmt.Sscanf(err.Error(), "unknown command %q", &word); scan == nil {
		cmd.SuggestionsMinimumDistance = 2
		if meant := cmd.SuggestionsFor(word); len(meant) > 0 {
			return fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), meant[0])
		}
	}
	return fmt.Sprintf("`%s --help` shows how to use it", cmd.CommandPath())
}
