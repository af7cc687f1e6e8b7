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
// line that makes no sense.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}
