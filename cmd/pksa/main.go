// Command pksa is a HiveAuth wallet without a screen: it answers requests of applications by
// policy.
//
// This package is how a person drives it: flags, prompts, output and exit statuses, one file for
// each command. What the program does is in package agent and below; package agent/service opens
// and runs it.
//
// Results go to standard output, everything else to standard error. Errors read `pksa: error: …`,
// with a line `pksa: hint: …` where a person can do something. With --json the result is one JSON
// value on standard output, and errors are JSON on standard error. Secrets are never taken from the
// command line, because others can read it. Exit status 0 means success, 1 a failure, 2 a command
// line that makes no sense, and 130 that Ctrl-C ended it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(runMain(streams{os.Stdin, os.Stdout, os.Stderr})) }

// runMain runs the program until it ends or a signal comes, and returns the exit status.
func runMain(s streams) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { cancel(interruption{<-signals}) }()
	return run(ctx, os.Args[1:], s)
}

// interruption is why a context ended: a signal came.
type interruption struct{ signal os.Signal }

// Error returns what a person calls it.
func (i interruption) Error() string {
	if i.signal == os.Interrupt {
		return "interrupted"
	}
	return "ended by a signal: " + i.signal.String()
}

// status returns the exit status, as shells have it: 128 and the number of the signal.
func (i interruption) status() int {
	if number, ok := i.signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return exitFailure
}
