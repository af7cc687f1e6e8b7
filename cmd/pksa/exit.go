package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
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

func hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// errSilent is a failure that was reported already.
var errSilent = errors.New("reported")

// report prints an error for people, or as JSON.
func (c *command) report(err error, fallback string) {
	hint := fallback
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

// usageHint names the command that was meant, or where it is explained.
func usageHint(cmd *cobra.Command, err error) string {
	var word string
	if _, scan := fmt.Sscanf(err.Error(), "unknown command %q", &word); scan == nil {
		cmd.SuggestionsMinimumDistance = 2
		if meant := cmd.SuggestionsFor(word); len(meant) > 0 {
			return fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), meant[0])
		}
	}
	return fmt.Sprintf("`%s --help` says how it is used", cmd.CommandPath())
}
