package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// commands returns a command with all that are below it.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		all = append(all, commands(sub)...)
	}
	return all
}

// Help fits a terminal of 80 columns, and speaks of apps: slots are what the ledger has.
func TestHelp(t *testing.T) {
	all := commands((&command{}).root())
	if len(all) < 35 {
		t.Fatalf("only %d commands", len(all))
	}
	for _, cmd := range all {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		var out bytes.Buffer
		if status := run(t.Context(), args, streams{strings.NewReader(""), &out, &out}); status != exitOK {
			t.Errorf("%s: status %d", args, status)
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s: a line is wider than 80 columns: %s", args, line)
			}
			if strings.TrimRight(line, " ") != line || strings.Contains(line, "slot") {
				t.Errorf("%s: %q", args, line)
			}
		}
	}
}

// verbs are those with which the summaries of commands begin.
var verbs = []string{"Add", "Allow", "Answer", "Bring", "Change", "Check", "Compare", "End", "Explain", "Find", "Give",
	"Go", "Import", "Judge", "Lead", "Let", "List", "Make", "Print", "Refuse", "Remove", "Restore", "Run", "Search",
	"Serve",
	"Show", "Start", "Suggest", "Take", "Tell", "Watch", "Wipe", "Write"}

func TestSummariesBeginWithVerbs(t *testing.T) {
	for _, cmd := range commands((&command{}).root()) {
		first, _, _ := strings.Cut(cmd.Short, " ")
		if !slices.Contains(verbs, strings.TrimSuffix(first, ",")) || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q", cmd.CommandPath(), cmd.Short)
		}
	}
}
