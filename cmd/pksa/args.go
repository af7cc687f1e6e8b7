package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// noArguments refuses all arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return errUsage{fmt.Errorf("`%s` takes no arguments", cmd.CommandPath())}
}

// noSecrets refuses all arguments of a command to which somebody may give a secret.
func noSecrets(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` takes no %s on the command line, where others can read it; it asks for it",
			cmd.CommandPath(), what)}
	}
}

// one refuses no argument, and more than one.
func one(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` needs %s", cmd.CommandPath(), name)}
	}
}

// atMostOne refuses more than one argument.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` takes one %s at most", cmd.CommandPath(), name)}
	}
}

// days reads a length of time. Other than time.ParseDuration it knows days.
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
