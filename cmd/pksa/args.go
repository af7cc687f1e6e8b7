package main

import (
	"fmt"
	"strconv"
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

// two refuses any other number of arguments than two.
func two(names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` needs %s", cmd.CommandPath(), names)}
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

// exactlyOne wants one argument.
func exactlyOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return errUsage{fmt.Errorf("`%s` wants one %s", cmd.CommandPath(), name)}
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
	_, notNumber := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && notNumber == nil:
		return 0, errUsage{fmt.Errorf("%q has no unit; write %ss, %sm, %sh or %sd", text, text, text, text, text)}
	case err != nil || d <= 0:
		return 0, errUsage{fmt.Errorf("%q is no length of time; write 12h or 30d", text)}
	}
	return d, nil
}

// lengthFlag is a flag that takes a length of time, in the form that days reads.
type lengthFlag time.Duration

func (l *lengthFlag) Set(text string) error {
	d, err := days(text)
	if err == nil {
		*l = lengthFlag(d)
	}
	return err
}

func (l *lengthFlag) String() string { return span(time.Duration(*l)) }

// Type returns how help calls the value.
func (l *lengthFlag) Type() string { return "duration" }
