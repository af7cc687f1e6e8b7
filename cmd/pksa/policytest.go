package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent/gate"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

func (c *command) policyTest() *cobra.Command {
	var how testWay
	cmd := &cobra.Command{
		Use:   "test [FILE]...",
		Short: "Run the test cases of a policy",
		Long: `Judges the cases of NAME_test.yaml by the policy NAME.yaml beside it (.yml,
too), and prints as "go test" does. FILE is a policy, a file of cases, or a
folder of such files; without FILE it is the policy of the home folder. It needs
no keys and no running agent. The exit status is 1 if a case fails; then it
explains why.

    cases:
      - name: a tip
        request: sign
        account: alice
        app: tipbot
        key_type: active
        operations:
          - transfer: {from: alice, to: bob, amount: 1.000 HBD, memo: tip 7}
        counters: [{limit: tips per day, used: 8.000 HBD}]
        steps:
          - {expect: allow, rule: tips}
          - {expect: allow, room: [{limit: tips per day, left: 0.000 HBD}]}
          - {after: 2h, expect: deny, code: limit}
          - {after: 22h, expect: allow}

A case without steps has what it expects beside the request. All keys of a case
stand in examples/docs/policy.md.

Covered is a rule that had a part in an answer, a limit that refused, and each
test of them that said yes in one case and no in another. -v lists what is not,
and of each case the code and the rules of its answer.
--min makes too little of it a failure.

The tests beside the policy of a running wallet have to pass before a reload
takes the policy.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := c.testFiles(args)
			if err != nil {
				return err
			}
			return c.runTests(cmd.Context(), files, how)
		},
	}
	cmd.Flags().BoolVarP(&how.verbose, "verbose", "v", false,
		"name the cases that pass and why, and what is not covered")
	cmd.Flags().Var(&how.least, "min", "fail if less `percent` of a policy is covered, such as 100%")
	cmd.Flags().StringVar(&how.junit, "junit", "", "also write the results as JUnit XML into `file`")
	return cmd
}

// testWay is how tests are run and shown.
type testWay struct {
	verbose bool
	least   percent
	junit   string
}

// percent is a flag: 0 to 100, with or without its sign.
type percent int

// String implements pflag.Value.
func (p *percent) String() string { return fmt.Sprintf("%d%%", int(*p)) }

// Type implements pflag.Value.
func (*percent) Type() string { return "percent" }

// Set implements pflag.Value.
func (p *percent) Set(text string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil || n < 0 || n > 100 {
		return errors.New("write a whole percentage from 0% to 100%")
	}
	*p = percent(n)
	return nil
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
		_, cases := gate.PolicyOf(arg)
		may := gate.TestsOf(arg)
		tests := slices.DeleteFunc(slices.Clone(may), func(file string) bool { return !is(file) })
		switch {
		case err != nil && len(tests) == 0:
			return nil, fmt.Errorf("the policy or its cases: %w", err)
		case err == nil && info.IsDir():
			found, _ := filepath.Glob(filepath.Join(arg, "*_test.y*ml"))
			found = slices.DeleteFunc(found, func(file string) bool { _, ok := gate.PolicyOf(file); return !ok })
			if len(found) == 0 {
				return nil, hint(fmt.Errorf("%s has no tests", arg), adviceNoCases)
			}
			files = append(files, found...)
		case cases:
			files = append(files, arg)
		case len(tests) == 0:
			files = append(files, may[0])
		default:
			files = append(files, tests...)
		}
	}
	// A pattern of the shell names a policy and its cases.
	var once []string
	for _, file := range files {
		if !slices.Contains(once, file) {
			once = append(once, file)
		}
	}
	return once, nil
}

// tested is what became of one file of cases.
type tested struct {
	File   string              `json:"file"`
	Policy string              `json:"policy"`
	OK     bool                `json:"ok"`
	Error  string              `json:"error,omitempty"`
	Cases  []policy.CaseResult `json:"cases"`
	Unmet  []policy.RuleRef    `json:"unmet,omitempty"` // rules and limits that no case meets
	// Coverage is what the cases prove; absent if they could not be judged.
	Coverage *policy.Coverage `json:"coverage,omitempty"`
	// Least is the percentage of --min, if less is covered.
	Least int `json:"least,omitempty"`
}

func (c *command) runTests(ctx context.Context, files []string, how testWay) error {
	n := hive.Mainnet
	if cfg := c.settingsIfAny(); cfg != nil {
		if own, err := service.Network(cfg); err == nil {
			n = own
		}
	}
	results := []tested{} // a list in JSON, too
	ok := true
	for _, file := range files {
		one, err := await(ctx, func() tested { return testPolicy(file, n) })
		if err != nil {
			return err
		}
		if one.Coverage != nil && one.Coverage.Percent() < int(how.least) {
			one.OK, one.Least = false, int(how.least)
		}
		results = append(results, one)
		ok = ok && one.OK
	}
	if how.junit != "" {
		if err := os.WriteFile(how.junit, junit(results), 0o666); err != nil {
			return fmt.Errorf("the JUnit file: %w", err)
		}
	}
	err := c.print(results, func(w io.Writer) {
		for _, one := range results {
			one.writeTo(w, how.verbose)
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
	out.Policy, _ = gate.PolicyOf(file)
	if tests.Policy != "" {
		out.Policy = filepath.Join(filepath.Dir(file), tests.Policy)
	}
	p, err := compilePolicy(out.Policy)
	if err != nil {
		out.Error = strings.TrimRight(err.Error(), "\n")
		return out
	}
	done := p.RunCases(tests)
	if out.OK = len(done.Cases) > 0; !out.OK {
		out.Error = file + ": there are no cases"
		return out
	}
	out.Cases, out.Unmet, out.Coverage = done.Cases, done.Unmet, &done.Coverage
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
			fmt.Fprintf(w, "--- FAIL: %s (%s:%d)%s\n", one.Name, filepath.Base(t.File), one.Line, stepText(one))
			for _, wrong := range one.Wrong {
				fmt.Fprintf(w, "    %s\n", wrong)
			}
			text := "\n" + strings.TrimRight(one.Report.Text(), "\n")
			fmt.Fprintf(w, "%s\n\n", strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\n    | "), "| \n", "|\n"))
		case one.Doubt != "":
			fmt.Fprintf(w, "--- DOUBT: %s (%s:%d)%s\n    %s\n", one.Name, filepath.Base(t.File), one.Line,
				stepText(one), one.Doubt)
		case verbose:
			fmt.Fprintf(w, "--- PASS: %s (%s)\n", one.Name, answerText(&one.Report))
		}
	}
	if verbose || t.Least > 0 {
		for _, one := range t.Coverage.Missing {
			fmt.Fprintf(w, "not covered: %q (%s:%d): %s\n", one.Name, filepath.Base(t.Policy), one.Line, one.What)
		}
	}
	switch {
	case failed > 0:
		fmt.Fprintf(w, "FAIL\t%s\t%d of %s failed\n", t.File, failed, count(len(t.Cases), "case"))
	case t.Least > 0:
		fmt.Fprintf(w, "FAIL\t%s\t%s\n", t.File, t.coverageText())
	default:
		fmt.Fprintf(w, "ok  \t%s\t%s\n", t.File, t.coverageText())
	}
}

// answerText returns an answer with its code and the rules or limits that gave it: a case may pass
// for another reason than the one that it is there for.
func answerText(r *policy.Report) string {
	text := r.Verdict.String()
	if r.Code != "" {
		text += ", " + string(r.Code)
	}
	for i, rule := range r.Rules {
		text += []string{" by ", ", "}[min(i, 1)] + strconv.Quote(rule.Name)
	}
	if r.ForOthers() {
		text += ": no rule is for this app"
	}
	return text
}

// stepText returns which step of a case went wrong, empty if the case has none.
func stepText(r *policy.CaseResult) string {
	if r.Step == 0 {
		return ""
	}
	return fmt.Sprintf(", step %d on line %d", r.Step, r.StepLine)
}

func (t *tested) coverageText() string {
	text := fmt.Sprintf("%s, %d%% covered", count(len(t.Cases), "case"), t.Coverage.Percent())
	if t.Least > 0 {
		text += fmt.Sprintf(" of at least %d%%", t.Least)
	}
	switch n := len(t.Unmet); n {
	case 0:
		return text
	case 1:
		return text + ", 1 rule or limit not met"
	default:
		return text + fmt.Sprintf(", %d rules or limits not met", n)
	}
}
