package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

func (c *command) policyTest() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test [FILE]...",
		Short: "Run the test cases of a policy",
		Long: `Judges the cases of NAME_test.yaml by the policy NAME.yaml beside it, and prints
as "go test" does. FILE is a policy, a file of cases, or a folder of such files;
without FILE it is the policy of the home folder. It needs no keys and no
running agent. The exit status is 1 if a case fails; then it explains why.

    cases:
      - name: a tip
        request: sign
        account: alice
        app: tipbot
        key_type: active
        operations:
          - transfer: {from: alice, to: bob, amount: 1.000 HBD, memo: tip 7}
        counters: [{limit: tips per day, used: 9.000 HBD}]
        expect: allow
        rule: tips

All keys of a case stand in examples/docs/policy.md.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := c.testFiles(args)
			if err != nil {
				return err
			}
			return c.runTests(files, verbose)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the cases that pass, too")
	return cmd
}

// testFiles finds the files of cases that the arguments mean.
func (c *command) testFiles(args []string) ([]string, error) {
	if len(args) == 0 {
		cfg, err := c.settings()
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(cfg.Policy); errors.Is(err, fs.ErrNotExist) {
			return nil, c.policyLost(cfg, err)
		}
		args = []string{cfg.Policy}
	}
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil && !is(strings.TrimSuffix(arg, ".yaml")+"_test.yaml"):
			return nil, fmt.Errorf("the policy or its cases: %w", err)
		case err == nil && info.IsDir():
			found, _ := filepath.Glob(filepath.Join(arg, "*_test.yaml"))
			if len(found) == 0 {
				return nil, hint(fmt.Errorf("%s has no tests", arg), adviceNoCases)
			}
			files = append(files, found...)
		case strings.HasSuffix(arg, "_test.yaml"):
			files = append(files, arg)
		default:
			files = append(files, strings.TrimSuffix(arg, ".yaml")+"_test.yaml")
		}
	}
	return files, nil
}

// tested is what became of one file of cases.
type tested struct {
	File   string              `json:"file"`
	Policy string              `json:"policy"`
	OK     bool                `json:"ok"`
	Error  string              `json:"error,omitempty"`
	Cases  []policy.CaseResult `json:"cases"`
	Unmet  []policy.RuleRef    `json:"unmet,omitempty"` // rules and limits that no case meets
}

func (c *command) runTests(files []string, verbose bool) error {
	n := hive.Mainnet
	if cfg := c.settingsIfAny(); cfg != nil {
		if own, err := service.Network(cfg); err == nil {
			n = own
		}
	}
	results := []tested{} // a list in JSON, too
	ok := true
	for _, file := range files {
		one := testPolicy(file, n)
		results = append(results, one)
		ok = ok && one.OK
	}
	err := c.print(results, func(w io.Writer) {
		for _, one := range results {
			one.writeTo(w, verbose)
		}
	})
	if err == nil && !ok {
		err = errSilent
	}
	return err
}

// testPolicy judges one file of cases.
func testPolicy(file string, n *hive.Network) tested {
	out := tested{File: file, Cases: []policy.CaseResult{}}
	src, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		out.Error = "there are no cases: write them into this file; `pksa policy test --help` shows one"
		return out
	}
	if err != nil {
		out.Error = err.Error()
		return out
	}
	tests, problems := policy.ReadCases(file, src, n)
	if tests == nil {
		out.Error = strings.TrimRight(problems.String(), "\n")
		return out
	}
	out.Policy = strings.TrimSuffix(file, "_test.yaml") + ".yaml"
	if tests.Policy != "" {
		out.Policy = filepath.Join(filepath.Dir(file), tests.Policy)
	}
	p, err := compilePolicy(out.Policy)
	if err != nil {
		out.Error = strings.TrimRight(err.Error(), "\n")
		return out
	}
	out.Cases, out.Unmet = p.RunCases(tests)
	out.OK = len(out.Cases) > 0
	if !out.OK {
		out.Error = file + ": there are no cases"
	}
	for _, one := range out.Cases {
		out.OK = out.OK && one.Passed
	}
	return out
}

// writeTo prints as `go test` does.
func (t *tested) writeTo(w io.Writer, verbose bool) {
	if t.Error != "" {
		fmt.Fprintf(w, "%s\nFAIL\t%s\n", t.Error, t.File)
		return
	}
	failed := 0
	for i := range t.Cases {
		one := &t.Cases[i]
		switch {
		case !one.Passed:
			failed++
			fmt.Fprintf(w, "--- FAIL: %s (%s:%d)\n", one.Name, filepath.Base(t.File), one.Line)
			for _, wrong := range one.Wrong {
				fmt.Fprintf(w, "    %s\n", wrong)
			}
			text := "\n" + strings.TrimRight(one.Report.Text(), "\n")
			fmt.Fprintf(w, "%s\n\n", strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\n    | "), "| \n", "|\n"))
		case verbose:
			fmt.Fprintf(w, "--- PASS: %s (%s)\n", one.Name, one.Report.Verdict)
		}
	}
	if verbose {
		for _, ref := range t.Unmet {
			fmt.Fprintf(w, "no case meets %q (%s:%d)\n", ref.Name, filepath.Base(t.Policy), ref.Line)
		}
	}
	switch {
	case failed > 0:
		fmt.Fprintf(w, "FAIL\t%s\t%d of %s failed\n", t.File, failed, count(len(t.Cases), "case"))
	default:
		fmt.Fprintf(w, "ok  \t%s\t%s%s\n", t.File, count(len(t.Cases), "case"), t.unmetText())
	}
}

func (t *tested) unmetText() string {
	if len(t.Unmet) == 0 {
		return ""
	}
	return fmt.Sprintf(", which do not meet %s", count(len(t.Unmet), "rule or limit"))
}
