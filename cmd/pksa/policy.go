package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func (c *command) policyCommand() *cobra.Command {
	return groupCommand("policy", "Check, explain, test and reload the policy",
		`The policy says what the wallet answers by itself. What no rule allows is
denied. Only "reload" changes what is in force; the others read files and the
audit trail.`,
		c.policyCheck(), c.policyExplain(), c.policyTest(), c.policyReplay(), c.policySuggest(), c.policySchema(),
		c.policyReload())
}

func (c *command) policyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find errors and doubtful rules in a policy",
		Long: `Checks FILE, or the policy of the home folder. It needs no keys and no running
agent. If an agent is running, it also warns of apps and accounts that the agent
does not know. The exit status is 1 if the file has errors; warnings alone are
no failure.`,
		Args: atMostOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.checkPolicy(cmd.Context(), args[0])
			}
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			err = c.checkPolicy(cmd.Context(), cfg.Policy)
			if errors.Is(err, fs.ErrNotExist) {
				return c.policyLost(cfg, err)
			}
			return err
		},
	}
}

// checkResult is what `policy check --json` prints.
type checkResult struct {
	File     string        `json:"file"`
	SHA256   string        `json:"sha256,omitempty"`
	OK       bool          `json:"ok"`
	Problems []problemInfo `json:"problems"`
	// Compared says that the names of apps and accounts were compared with those of the wallet,
	// which only a running agent tells.
	Compared bool `json:"compared,omitempty"`
}

type problemInfo struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Text    string `json:"text"`
	Warning bool   `json:"warning"`
}

func (c *command) checkPolicy(ctx context.Context, path string) error {
	src, err := c.policyFile(path)
	if err != nil {
		return err
	}
	options, compared := c.checkOptions(ctx)
	compiled, problems := policy.Compile(path, src, options)
	result := checkResult{File: path, OK: compiled != nil, Problems: []problemInfo{}, Compared: compared}
	for _, p := range problems {
		result.Problems = append(result.Problems, problemInfo{p.Line, p.Column, p.Text, p.Warning})
	}
	if compiled != nil {
		result.SHA256 = compiled.Hash()
	}
	err = c.print(result, func(w io.Writer) {
		for _, p := range problems {
			fmt.Fprintln(w, p)
		}
		errs, warnings := len(problems.Errors()), len(problems.Warnings())
		switch {
		case errs > 0:
			fmt.Fprintf(w, "%s cannot be used: %s, %s.\n", path, count(errs, "error"), count(warnings, "warning"))
		default:
			fmt.Fprintf(w, "%s has no errors, %s, sha256 %s.\n", path, count(warnings, "warning"), short(result.SHA256))
			if cfg := c.settingsIfAny(); !compared && cfg != nil && is(cfg.Keystore) {
				fmt.Fprintln(w, "No agent is running, so apps and accounts were not compared with those of the "+
					"wallet, and\nrules that name no accounts were not looked at. Check again when it runs.")
			}
		}
	})
	if err != nil {
		return err
	}
	if !result.OK {
		return errSilent
	}
	return nil
}

// policyFile reads a policy. The one of the settings decides what is signed, so it is refused where
// the agent refuses it; any other file is only looked at.
func (c *command) policyFile(path string) ([]byte, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the policy: %w", err)
	}
	if cfg := c.settingsIfAny(); cfg != nil && samePath(cfg.Policy, path) {
		return agent.ReadPolicy(cfg)
	}
	return src, nil
}

// samePath reports whether two paths lead to one file.
func samePath(one, other string) bool {
	a, err1 := os.Stat(one)
	b, err2 := os.Stat(other)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// checkOptions returns what a policy can be compared with, without unlocking anything: whether a
// person can be asked, and which apps and accounts a running agent knows. It reports whether one
// told.
func (c *command) checkOptions(ctx context.Context) (env policy.Options, compared bool) {
	env.Now = time.Now()
	cfg := c.settingsIfAny()
	if cfg == nil {
		return env, false
	}
	env.NobodyToAsk = cfg.Ask == "none"
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var apps []agent.AppInfo
	var status agent.Status
	if socket(cfg).Call(ctx, agent.MethodAppList, struct{}{}, &apps) != nil ||
		socket(cfg).Call(ctx, agent.MethodStatus, struct{}{}, &status) != nil {
		return env, false
	}
	for _, app := range apps {
		env.Apps = append(env.Apps, app.Name)
	}
	for _, account := range status.Accounts {
		env.Accounts = append(env.Accounts, hive.AccountName(account.Name))
	}
	return env, true
}

func (c *command) policyReload() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Tell the running agent to read its policy file again",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var status agent.PolicyStatus
			if err := c.call(cmd.Context(), agent.MethodPolicyReload, struct{}{}, &status); err != nil {
				return err
			}
			return c.print(status, func(w io.Writer) {
				fmt.Fprintf(w, "In force since now: %s, sha256 %s.\n", status.File, short(status.SHA256))
				for _, name := range status.Fresh {
					fmt.Fprintf(w, "Limit %q begins at zero: it does not count what was done before.\n", name)
				}
				if n := len(status.Warnings); n > 0 {
					fmt.Fprintf(w, "%s; `pksa policy check` shows what.\n", count(n, "warning"))
				}
			})
		},
	}
}
