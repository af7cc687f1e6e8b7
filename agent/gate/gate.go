// Package gate runs the tests that stand beside a policy, before a running wallet takes it.
//
// Tests only refuse: what they let pass is judged by the policy, and a policy that is refused
// leaves the old one in force. So it is not looked at who may change a file of tests. But it is
// read beside the keys, so its size is bounded, and with it the memory, and so is its time.
package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

const (
	// MostTime is how long tests may take.
	MostTime = 10 * time.Second
	// MostMemory is what tests may take in memory, in bytes. It is kept by MostFile, as a test of
	// this package shows.
	MostMemory = 64 << 20
	// MostFile is how large a file of tests may be, in bytes.
	MostFile = 96 << 10
	// mostShown is how many of the cases that fail are named.
	mostShown = 5
)

// FailedError names why a policy is not taken.
type FailedError struct {
	File string // of the tests
	Text string // whole sentences, on several lines perhaps
}

// Error implements error.
func (e *FailedError) Error() string { return e.Text }

// endings are those of YAML files. A policy and its tests may have either.
var endings = [...]string{".yaml", ".yml"}

// TestsOf returns the names that files with the tests of a policy may have: NAME_test.yaml and
// NAME_test.yml for NAME.yaml and NAME.yml, the one that ends as the policy first. All that exist
// are its tests.
func TestsOf(policyFile string) []string {
	name, ending := cutEnding(policyFile)
	if ending == endings[1] {
		// The last is what a policy with this ending had to have before it was known.
		return []string{name + "_test.yml", name + "_test.yaml", policyFile + "_test.yaml"}
	}
	return []string{name + "_test.yaml", name + "_test.yml"}
}

// PolicyOf returns the name of the policy that a file of tests is about if it names none: the first
// that exists of those that [TestsOf] has it for. It returns false if no policy's tests have this
// name.
func PolicyOf(tests string) (policyFile string, ok bool) {
	name, ending := cutEnding(tests)
	name, ok = strings.CutSuffix(name, "_test")
	if !ok || ending == "" {
		return "", false
	}
	other := endings[0]
	if ending == other {
		other = endings[1]
	}
	for _, policyFile := range []string{name + ending, name + other, name} {
		if _, err := os.Stat(policyFile); err == nil {
			return policyFile, true
		}
	}
	return name + ending, true
}

// cutEnding returns a name without its ending, and the ending, empty if it has none of endings.
func cutEnding(file string) (name, ending string) {
	for _, ending := range endings {
		if name, ok := strings.CutSuffix(file, ending); ok {
			return name, ending
		}
	}
	return file, ""
}

// Run runs the tests beside the file of a policy. The error is a [*FailedError] if they fail,
// cannot be read, or take more than they may, or that of the context if it ends. Without tests, and
// where they are those of another policy, it is nil. It may be called concurrently; each call takes
// up to [MostMemory].
func Run(ctx context.Context, policyFile string, p *policy.Policy, n *hive.Network) error {
	own, stop := context.WithTimeout(ctx, MostTime)
	defer stop()
	return run(ctx, own, policyFile, p, n)
}

// run runs the tests until own ends. That is the end of their time, unless ctx has ended.
func run(ctx, own context.Context, policyFile string, p *policy.Policy, n *hive.Network) error {
	for _, file := range TestsOf(policyFile) {
		if err := runFile(ctx, own, file, policyFile, p, n); err != nil {
			return err
		}
	}
	return nil
}

func runFile(ctx, own context.Context, file, policyFile string, p *policy.Policy, n *hive.Network) error {
	src, err := read(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &FailedError{file, fmt.Sprintf("the tests of the policy cannot be read: %v", err)}
	}
	tests, problems := policy.ReadCases(file, src, n)
	if tests == nil {
		return &FailedError{file, "the tests of the policy cannot be read:\n" +
			strings.TrimSpace(cut(problems.Errors(), 2*mostShown).String())}
	}
	of, _ := PolicyOf(file)
	if tests.Policy != "" {
		of = filepath.Join(filepath.Dir(file), tests.Policy)
	}
	if filepath.Clean(of) != filepath.Clean(policyFile) {
		return nil
	}
	failed, count, err := p.FailedCases(own, tests, mostShown)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &FailedError{file, fmt.Sprintf("the tests of the policy take more than %s (%s)", MostTime, file)}
	case count == 0:
		return nil
	}
	return &FailedError{file, failedText(file, failed, count, len(tests.Cases))}
}

// read returns the content of a file of tests, of which there is not too much.
func read(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	// A pipe would keep whoever opens it.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, MostFile+1))
	if err == nil && len(src) > MostFile {
		err = fmt.Errorf("%s has more than %d KiB, so that running it could take more than %d MiB", file,
			MostFile>>10, MostMemory>>20)
	}
	return src, err
}

func cut(problems policy.Problems, most int) policy.Problems {
	return problems[:min(len(problems), most)]
}

func failedText(file string, failed []policy.CaseResult, count, all int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the %d tests of the policy fail:", count, all)
	for i := range failed {
		one := &failed[i]
		line := one.Line
		if one.StepLine > 0 {
			line = one.StepLine
		}
		fmt.Fprintf(&b, "\n%s:%d: %q: %s", file, line, one.Name, strings.Join(one.Wrong, "; "))
	}
	if more := count - len(failed); more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	return b.String()
}
