package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/config"
)

func (c *command) reloadCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Tell the running agent to read settings and policy again",
		Long: `Has the running agent read config.yaml and the policy file again, with the
checks of a start. It takes over relays, nodes, policy, rates
(limits.requests_per_second, limits.account_requests_per_second),
limits.operations, nonce.required, lock_after, stop_timeout, status.listen,
status.hosts and log.level. If anything in either file is wrong, or a test of
the policy fails, nothing changes, and the command fails and says where. What
else has changed is named: a restart takes it over.

The PKSA_ variables are those with which the agent was started. SIGHUP does the
same and says in the log what it did; ` + "`pksa policy reload`" + ` takes over the policy
alone.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var done agent.Reloaded
			params := agent.PolicyParams{Force: force}
			if err := c.call(cmd.Context(), agent.MethodReload, params, &done); err != nil {
				return err
			}
			return c.print(done, func(w io.Writer) { printReloaded(w, done) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "take the policy although its tests fail")
	return cmd
}

func printReloaded(w io.Writer, done agent.Reloaded) {
	for _, one := range done.Taken {
		fmt.Fprintf(w, "%s: %s, was %s.\n", one.Path, written(one.InFile), written(one.InForce))
	}
	if len(done.Taken) == 0 {
		fmt.Fprintln(w, "No setting has changed that is taken over while the wallet runs.")
	}
	if len(done.Restart) > 0 {
		fmt.Fprintf(w, "Restart to take over: %s.\n", strings.Join(paths(done.Restart), ", "))
	}
	printPolicyTaken(w, done.Policy)
}

// printPolicyTaken prints which policy is in force by a reload.
func printPolicyTaken(w io.Writer, status agent.PolicyStatus) {
	fmt.Fprintf(w, "In force since now: %s, sha256 %s.\n", status.File, short(status.SHA256))
	for _, name := range status.Fresh {
		fmt.Fprintf(w, "Limit %q begins at zero: it does not count what was done before.\n", name)
	}
	printTrial(w, status.Trial)
	if status.Tests != "" {
		fmt.Fprintln(w, "Its tests fail; `pksa policy test` shows how.")
	}
	if n := len(status.Warnings); n > 0 {
		fmt.Fprintf(w, "%s; `pksa policy check` shows what.\n", count(n, "warning"))
	}
}

// printTrial prints what a new policy answers otherwise than the one before.
func printTrial(w io.Writer, t *audit.Trial) {
	if t == nil || t.Requests == 0 && t.Ended == "" {
		return
	}
	fmt.Fprintln(w, t.Text())
	printChanges(w, t.Changes)
	if n := t.Requests - t.Same - len(t.Changes); n > 0 {
		fmt.Fprintf(w, "%6d  more\n", n)
	}
}

// written returns a value of a setting, or a dash for none.
func written(value string) string {
	if value == "" {
		return "-"
	}
	return value
}

func paths(changes []config.Change) (names []string) {
	for _, one := range changes {
		names = append(names, one.Path)
	}
	return names
}

// printSettings prints what of the settings is not in force as it is written; nothing if they
// agree.
func printSettings(w io.Writer, s *agent.SettingsStatus) {
	if s == nil || s.Failed == "" && len(s.Differ) == 0 {
		return
	}
	var reload, restart []config.Change
	for _, one := range s.Differ {
		if one.Restart {
			restart = append(restart, one)
		} else {
			reload = append(reload, one)
		}
	}
	fmt.Fprintf(w, "Settings in force since %s\n", moment(s.Since))
	switch {
	case s.Gone: // what would be taken over is nobody's wish
	case len(reload) > 0:
		fmt.Fprintf(w, "         written otherwise: %s; `pksa reload` takes over what can change while it runs\n",
			strings.Join(paths(reload), ", "))
	}
	if len(restart) > 0 && !s.Gone {
		fmt.Fprintf(w, "         written otherwise: %s; restart to take over\n", strings.Join(paths(restart), ", "))
	}
	if s.Failed != "" {
		fmt.Fprintf(w, "         the last reload changed nothing:\n         %s\n",
			strings.ReplaceAll(strings.TrimSpace(s.Failed), "\n", "\n         "))
	}
}
