package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/config"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func (c *command) policyCommand() *cobra.Command {
	return groupCommand("policy", "Check, explain, test and reload the policy",
		`The policy says what the wallet answers by itself. What no rule allows is
denied. Only "reload" changes what is in force; the others read files and the
audit trail, and "fmt" writes files anew that say the same.`,
		c.policyCheck(), c.policyExplain(), c.policyTest(), c.policyDiff(), c.policyReplay(), c.policyObserved(),
		c.policySuggest(), c.policyFmt(), c.policySchema(), c.policyReload(), c.policyAccept())
}

func (c *command) policyCheck() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find errors and doubtful rules in a policy",
		Long: `Checks FILE, or the policy of the home folder. It needs no keys and no running
agent. If an agent is running, it also warns of apps and accounts that the agent
does not know. The exit status is 1 if the file has errors, and with --strict
also if it has warnings.

A comment on the line of a warning silences that one warning:

    # pksa: meant so: REASON

What is silenced is listed with its reason. A second comment behind the first
silences a second warning of the line. What is about the wallet or the day is
silenced by "# pksa: meant so today: REASON". In a file of "version: 2", what
would be a warning in "version: 1" is an error, unless it is silenced, or is
about the wallet or the clock and not about the file.`,
		Args: atMostOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.checkPolicy(cmd.Context(), args[0], strict)
			}
			cfg, err := c.settings()
			if err != nil {
				return err
			}
			err = c.checkPolicy(cmd.Context(), cfg.Policy, strict)
			if errors.Is(err, fs.ErrNotExist) {
				return c.policyLost(cfg, err)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail if there are warnings, too")
	return cmd
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
	// Silenced are the warnings that the file says to be meant so. They are no problems.
	Silenced []silencedInfo `json:"silenced,omitempty"`
	// Spare are reasons that silence nothing today: of what the wallet has, or of the day.
	Spare []silencedInfo `json:"spare,omitempty"`
	// Observed are the rules and limits that change no answer.
	Observed []policy.RuleRef `json:"observed,omitempty"`
}

type problemInfo struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Text    string `json:"text"`
	Warning bool   `json:"warning"`
}

type silencedInfo struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
	Reason string `json:"reason"`
}

// checkPolicy prints what is wrong with a policy. Where strict is set, warnings are a failure.
func (c *command) checkPolicy(ctx context.Context, path string, strict bool) error {
	src, err := c.policyFile(path)
	if err != nil {
		return err
	}
	options, compared := c.checkOptions(ctx)
	var compiled *policy.Policy
	problems, err := await(ctx, func() (problems policy.Problems) {
		compiled, problems = policy.Compile(path, src, options)
		return problems
	})
	if err != nil {
		return err
	}
	warnings, silenced := problems.Warnings(), problems.Silenced()
	result := checkResult{File: path, OK: compiled != nil && !(strict && len(warnings) > 0), Problems: []problemInfo{},
		Compared: compared, Silenced: reasons(silenced), Spare: reasons(problems.Spare())}
	for _, p := range slices.Concat(problems.Errors(), warnings) {
		result.Problems = append(result.Problems, problemInfo{p.Line, p.Column, p.Text, p.Warning})
	}
	if compiled != nil {
		result.SHA256, result.Observed = compiled.Hash(), compiled.Observed()
	}
	err = c.print(result, func(w io.Writer) {
		for _, p := range problems {
			fmt.Fprintln(w, p)
		}
		counted := count(len(warnings), "warning")
		if n := len(silenced); n > 0 {
			counted += fmt.Sprintf(" and %d silenced as meant so", n)
		}
		switch {
		case compiled == nil:
			fmt.Fprintf(w, "%s cannot be used: %s, %s.\n", path, count(len(problems.Errors()), "error"), counted)
			writeTraps(w, problems.Errors())
		default:
			fmt.Fprintf(w, "%s has no errors, %s, sha256 %s.\n", path, counted, short(result.SHA256))
			for _, ref := range result.Observed {
				fmt.Fprintf(w, "Observed only, so it changes no answer: %q (%s:%d).\n", ref.Name, path, ref.Line)
			}
			if !result.OK {
				writeStrict(w, warnings)
			}
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

// writeTraps writes how a line is kept that is an error since it is probably not meant.
func writeTraps(w io.Writer, errors policy.Problems) {
	n := 0
	for _, p := range errors {
		if p.Trap {
			n++
		}
	}
	if n == 0 {
		return
	}
	which := "It"
	if len(errors) > 1 {
		which = fmt.Sprintf("%d of the errors", n)
	}
	fmt.Fprintf(w, "%s can be meant so. Then say why, on the line:\n# pksa: meant so: REASON\n", which)
}

// writeStrict writes how warnings are silenced, in the form that is for them.
func writeStrict(w io.Writer, warnings policy.Problems) {
	file, around := 0, 0
	for _, p := range warnings {
		if p.Around {
			around++
		} else {
			file++
		}
	}
	fmt.Fprintln(w, "With --strict warnings fail. Mend the lines, or say on each why it is meant so:")
	if file > 0 {
		fmt.Fprintln(w, "# pksa: meant so: REASON")
	}
	if around > 0 {
		fmt.Fprintln(w, "# pksa: meant so today: REASON    (of what the wallet has, or of the day)")
	}
}

// reasons returns the comments that say why something is meant so.
func reasons(problems policy.Problems) (infos []silencedInfo) {
	for _, p := range problems {
		infos = append(infos, silencedInfo{p.Line, p.Column, p.Text, p.Meant})
	}
	return infos
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
	env.NobodyToAsk = nobodyToAsk(cfg)
	env.NobodyToTell = len(cfg.Notify) == 0 && is(cfg.Keystore)
	env.NobodyToTellAll, env.OnlyPasskeys = !cfg.TellsAll() && is(cfg.Keystore), cfg.Ask == config.AskPasskey
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
	var approvers []approve.ApproverInfo
	if socket(cfg).Call(ctx, agent.MethodApproverList, struct{}{}, &approvers) == nil {
		env.NoApprover = cfg.Ask == config.AskPasskey && approve.Nobody(approvers)
		env.Approvers = []string{}
		for _, a := range approvers {
			if !a.Elsewhere {
				env.Approvers = append(env.Approvers, a.Name)
			}
		}
	}
	return env, true
}

// nobodyToAsk reports whether a wallet has no way to ask a person. Without a home folder, as where
// changes are tested, nobody has said yet who is asked.
func nobodyToAsk(cfg *config.Config) bool { return cfg.Ask == config.AskNobody && is(cfg.Keystore) }

func (c *command) policyReload() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Tell the running agent to read its policy file again",
		Long: `Has the running agent take its policy file over. A file with errors changes
nothing, and neither does one whose tests fail: those of NAME_test.yaml beside
NAME.yaml (.yml, too), which "pksa policy test" runs, too. They have 10 seconds,
and 96 KiB of file. With --force the policy is taken all the same; status, audit
trail and metric say so.

The last 5,000 records of the trail are judged by the new policy and by the one
before, for two seconds at most: what gets another answer is told.

With the setting policy_approval a changed policy waits for an approver's yes on
the page of the console; see "pksa policy accept".`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var status agent.PolicyStatus
			params := agent.PolicyParams{Force: force}
			if err := c.call(cmd.Context(), agent.MethodPolicyReload, params, &status); err != nil {
				return err
			}
			return c.print(status, func(w io.Writer) { printPolicyTaken(w, status) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "take the policy although its tests fail")
	return cmd
}
