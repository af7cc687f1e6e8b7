package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// noSecrets refuses all arguments of a command that somebody may give a secret to.
func noSecrets(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` takes no %s on the command line, where others can read it: it asks for it",
			cmd.CommandPath(), what)}
	}
}

// exactly refuses another number of arguments, in our words.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		want := "no arguments"
		if n > 0 {
			want = names
		}
		return errUsage{fmt.Errorf("`%s` wants %s", cmd.CommandPath(), want)}
	}
}

// atMostOne refuses more than one argument, in our words.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` wants one %s at most", cmd.CommandPath(), name)}
	}
}

// days reads a length of time that may be given in days, which time.ParseDuration does not know.
func days(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		var count int
		if _, err := fmt.Sscanf(n, "%d", &count); err == nil && fmt.Sprint(count) == n && count > 0 && count <= 366 {
			return time.Duration(count) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errUsage{fmt.Errorf("%q is no length of time; write 12h or 30d", text)}
	}
	return d, nil
}
