package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/cmd/pksa/internal/systemd"
)

// The exit statuses of the program.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // the command line makes no sense
	exitNothing = 3 // what was searched for is not there
	// What `pksa doctor` found.
	exitWarnings = 4
	exitErrors   = 5
	// Interrupted by a signal: see interruption.

	// exitYielded is for a copy of a wallet that has yielded to another copy. It is that of an
	// orderly end: systemd (Restart=on-failure) and containers (restart: on-failure) start a
	// process again after every other one, and this one must stay down until a person has looked.
	exitYielded = exitOK
)

// exitStatuses is all that commands end with, for people.
var exitStatuses = []struct {
	status  int
	meaning string
}{
	{exitOK, "it was done, or is as it should be; so ends a copy of the wallet, too, that has yielded to another one"},
	{exitFailure, "it could not be done, or is not as it should be"},
	{exitUsage, "the command line makes no sense; nothing was done"},
	{exitNothing, "\"pksa audit find\" found nothing"},
	{exitWarnings, "\"pksa doctor\" found something that should be mended"},
	{exitErrors, "\"pksa doctor\" found something that does not work"},
	{interruption{os.Interrupt}.status(), "Ctrl-C ended it"},
	{interruption{syscall.SIGTERM}.status(), "SIGTERM ended it; \"pksa run\" ends with 0 then, as with Ctrl-C"},
}

// checkingCommands are those that look at something, with what has to be well for status 0.
var checkingCommands = [][2]string{
	{"pksa status", "the wallet could sign; with --live: it answers"},
	{"pksa canary", "each relay delivers"},
	{"pksa notify test", "each server takes a message"},
	{"pksa demo", "all steps went as they should"},
	{"pksa keys check", "each key is one of its account"},
	{"pksa policy check", "there are no errors; with --strict: no warnings"},
	{"pksa policy test", "each case has the answer that it names"},
	{"pksa policy diff OLD NEW", "no difference was found; 2 if a file cannot be used"},
	{"pksa audit verify", "no record was changed or taken out"},
}

// errUsage marks a command line that makes no sense.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// errSilent is a failure that was reported already.
var errSilent = errors.New("reported")

// errStatus is an exit status of a command that has printed why.
type errStatus int

func (e errStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// finish reports an error and returns the exit status.
func (c *command) finish(ctx context.Context, cmd *cobra.Command, err error) int {
	var usage errUsage
	var yielded *agent.YieldError
	var signal interruption
	var nothing nothingFound
	var status errStatus
	switch {
	case err == nil:
		return exitOK
	case !c.serves && errors.As(context.Cause(ctx), &signal):
		c.report(signal, "") // the error is what came of it
		return signal.status()
	case errors.Is(err, errSilent):
		return exitFailure
	case errors.As(err, &nothing):
		c.report(err, "")
		return exitNothing
	case errors.As(err, &status):
		return int(status)
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
	text := c.inPlace(strings.TrimRight(err.Error(), "\n"))
	if c.asJSON {
		line, _ := json.Marshal(struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{text, c.inPlace(hint)})
		c.tell(systemd.Error, "%s\n", line)
		return
	}
	// Both with the same priority: who looks for errors in the journal wants to know what to do.
	c.tell(systemd.Error, "pksa: error: %s\n", text)
	if hint != "" {
		c.advise(hint)
	}
}

// advise prints what a person can do.
func (c *command) advise(hint string) { c.tell(systemd.Error, "pksa: hint: %s\n", c.inPlace(hint)) }

// inPlace adds the home folder of this command to the commands in a text: without --home they would
// be about another wallet.
func (c *command) inPlace(text string) string {
	if c.home == "" {
		return text
	}
	return commandInText.ReplaceAllString(text, "`"+strings.ReplaceAll(c.program(), "$", "$$")+" $1")
}

// forOthers returns what does the same in texts for whoever asks from elsewhere, in whose shell
// PKSA_HOME may not be set; nil if the home folder is the default one.
func (c *command) forOthers(home string) func(text string) string {
	if c.home == "" && os.Getenv("PKSA_HOME") == "" {
		return nil
	}
	return (&command{home: home}).inPlace
}

// commandInText matches the beginning of a command in a text, unless it names a home folder.
var commandInText = regexp.MustCompile("`pksa ([^-`])")

// program returns how this program was called, for commands that a person copies to the shell.
func (c *command) program() string {
	if c.home == "" {
		return "pksa"
	}
	return "pksa --home " + shellWord(c.home)
}

// shellWord returns a text as one word of a shell's command line, also of one in a hint.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// plainWord matches what no shell reads as more than itself.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// usageHint names the command that was meant, or the one that explains the usage.
func usageHint(cmd *cobra.Command, err error) string {
	var word, path string
	if _, scan := fmt.Sscanf(err.Error(), "unknown command %q for %q", &word, &path); scan == nil {
		// `pksa help keys imprt` is about another command than the one that runs.
		if about, _, unknown := cmd.Root().Find(strings.Fields(path)[1:]); unknown == nil {
			cmd = about
		}
		cmd.SuggestionsMinimumDistance = 2
		if meant := cmd.SuggestionsFor(word); len(meant) > 0 {
			return adviceDidYouMean.with(cmd.CommandPath(), meant[0])
		}
	}
	return adviceUsage.with(cmd.CommandPath())
}
