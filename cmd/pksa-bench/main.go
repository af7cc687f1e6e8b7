// Command pksa-bench measures the wallet on this machine: how many requests it answers, how long
// they take, and what they cost in processor time, memory and bytes written.
//
//	go build -o . ./cmd/pksa ./cmd/pksa-bench && ./pksa-bench
//
// What is measured is `pksa run` as its users run it, in a home folder that pksa's own commands
// make, on a real disk, with synced commits. Relay and node are processes of their own, the
// applications are in this one, and so the time of the wallet's process is that of the wallet
// alone. The loop is closed: each application sends its next request when it has the answer to the
// last. Answers are kept, and judged when the clock has stopped: signatures by the key that made
// them, votes by asking the chain what it has. A lost or wrong answer makes the exit status 1.
//
// The same run measures the steps that a request cannot do without (opening, one signature without
// its check, a proof of key, sealing, frames), so that what the wallet adds is a number that other
// machines can be compared by.
//
// Accounts, keys and chain are made up and worth nothing. Everything is removed at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	pksa     string // the program that is measured
	folder   string // in which home folders are made
	only     string
	baseline string
	each     time.Duration
	soak     time.Duration
	json     bool
}

// errFailed says that answers were lost or wrong; the report has said which.
var errFailed = errors.New("answers were lost or wrong")

// errStopped says that somebody stopped the program.
var errStopped = errors.New("stopped before the end")

func main() {
	if served, err := serveAsPart(os.Stdin, os.Stdout); served {
		if err != nil {
			fmt.Fprintln(os.Stderr, "pksa-bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "pksa-bench: error:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "pksa-bench: error:", err)
		os.Exit(1)
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// parse reads the command line.
func parse(args []string, help io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("pksa-bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main says what is wrong
	flags.StringVar(&o.pksa, "pksa", "", "`FILE` of the wallet's program\n"+
		"(default: pksa beside this program, else in PATH)")
	flags.StringVar(&o.folder, "dir", "", "`FOLDER`, on the disk to measure, for the home folders\n"+
		"(default: the temporary folder, or /var/tmp if that is in memory)")
	flags.StringVar(&o.only, "only", "*", "`CASES` to run, with commas and * for any text")
	flags.DurationVar(&o.each, "for", 5*time.Second, "`TIME` of each case")
	flags.DurationVar(&o.soak, "soak", 0, "`TIME` of full load at the end, with the memory\n"+
		"that the wallet holds (default: none)")
	flags.StringVar(&o.baseline, "baseline", "", "`FILE` that an earlier run with -json wrote, to compare with")
	flags.BoolVar(&o.json, "json", false, "print JSON for machines")
	flags.Usage = func() {
		fmt.Fprint(help, "pksa-bench measures pksa on this machine.\n\nFlags:\n")
		flags.SetOutput(help)
		flags.PrintDefaults()
		fmt.Fprint(help, "\nCases:\n")
		for _, c := range allCases(fullSize, time.Second) {
			fmt.Fprintf(help, "  %-19s %s\n", c.Name, c.meaning())
		}
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, usageError{err.Error()}
	}
	switch {
	case flags.NArg() > 0:
		return o, usageError{fmt.Sprintf("%q is no flag; see pksa-bench -help", flags.Arg(0))}
	case o.each <= 0 || o.soak < 0:
		return o, usageError{"a time must be above zero"}
	}
	return o, nil
}

// run measures what the command line asks for and prints the report.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("the wallet's processor time and memory are read from /proc, which Linux alone has")
	}
	cases, err := choose(allCases(fullSize, o.soak), o.only)
	if err != nil {
		return err
	}
	var before *report
	if o.baseline != "" {
		if before, err = readReport(o.baseline); err != nil {
			return err
		}
	}
	if o.pksa, err = findWallet(o.pksa); err != nil {
		return err
	}
	b := bench{options: o, progress: progress}
	r, err := b.measure(ctx, cases)
	if ctx.Err() != nil {
		return errStopped // whatever else went wrong came of it
	}
	if err != nil {
		return err
	}
	if before != nil {
		r.compare(before)
	}
	if o.json {
		err = r.writeJSON(out)
	} else {
		err = r.writeTable(out)
	}
	if err == nil && r.failed() {
		err = errFailed
	}
	return err
}

// findWallet returns the path of the program to measure.
func findWallet(given string) (string, error) {
	if given != "" {
		path, err := filepath.Abs(given)
		if err == nil {
			_, err = os.Stat(path)
		}
		return path, err
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "pksa")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("pksa")
	if err != nil {
		return "", usageError{"there is no pksa beside this program or in PATH: build it, and name it with -pksa FILE"}
	}
	return path, nil
}
