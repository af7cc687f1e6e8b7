package main

import (
	"regexp"
	"strings"
	"testing"

	"pksa/agent"
	"pksa/agent/provision"
)

// The file that the help of `pksa apply` shows is one.
func TestApplyHelpShowsAFile(t *testing.T) {
	help := new(command).applyCommand().Long
	text := regexp.MustCompile(`(?s)\n    version: 1\n.*?\n\n`).FindString(help)
	src := strings.ReplaceAll(text, "\n    ", "\n")
	w, problems := provision.Parse("help", []byte(src), provision.Options{App: agent.CheckAppName, Length: days})
	if len(problems) > 0 || len(w.Accounts) != 1 || len(w.Apps) != 2 || len(w.Sessions) != 1 {
		t.Errorf("%v: %d accounts, %d apps, %d sessions in\n%s", problems, len(w.Accounts), len(w.Apps),
			len(w.Sessions), src)
	}
}
