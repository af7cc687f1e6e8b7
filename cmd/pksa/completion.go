package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/control"
)

// completer returns what may stand at a place of the command line.
type completer = cobra.CompletionFunc

// completionWait is how long a key press waits for the running agent.
const completionWait = time.Second

// words completes one of some words.
func words(list ...string) completer {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// nothing completes what only a person knows: a number, a time.
func nothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// files completes names of files with one of the endings, or of any.
func files(endings ...string) completer {
	directive := cobra.ShellCompDirectiveDefault
	if len(endings) > 0 {
		directive = cobra.ShellCompDirectiveFilterFileExt
	}
	return cobra.FixedCompletions(endings, directive)
}

// folders completes names of folders.
func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// sources completes the kinds of places where a secret can be. What follows a colon is typed.
func sources(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"prompt", "file:", "env:", "fd:", "credential:", "command:", "identity:"},
		cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// asked completes what the running agent lists. Without one there is nothing: the keystore is not
// unlocked for a key press, and nobody is asked for a passphrase.
func asked[R any](c *command, method string, names func(R) []string) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var result R
		home, err := c.homeFolder()
		var cfg *config.Config
		if err == nil {
			cfg, err = c.settingsWith(home, nil) // without its warnings
		}
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background() // cobra gives none to completions
		}
		ctx, cancel := context.WithTimeout(parent, completionWait)
		defer cancel()
		if control.Call(ctx, cfg.Control, method, struct{}{}, &result) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := slices.DeleteFunc(names(result), func(name string) bool {
			bare, _, _ := strings.Cut(name, "\t")
			return slices.Contains(args, bare) // named before
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument only.
func first(complete completer) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(cmd, args, typed)
		}
		return complete(cmd, args, typed)
	}
}

// thenWords completes the first argument as first does, and the second from a list.
func thenWords(complete completer, list ...string) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return words(list...)(cmd, nil, typed)
		}
		return first(complete)(cmd, args, typed)
	}
}

func (c *command) appNames() completer {
	return asked(c, agent.MethodAppList, func(apps []agent.AppInfo) (names []string) {
		for _, a := range apps {
			names = append(names, a.Name)
		}
		return names
	})
}

func (c *command) accountNames() completer {
	return asked(c, agent.MethodStatus, func(s agent.Status) (names []string) {
		for _, a := range s.Accounts {
			names = append(names, a.Name)
		}
		return names
	})
}

// sessionNumbers completes numbers, with what each session is beside it.
func (c *command) sessionNumbers() completer {
	return asked(c, agent.MethodSessionList, func(sessions []agent.SessionInfo) (names []string) {
		for _, s := range sessions {
			names = append(names, fmt.Sprintf("%s\t%s for %s", s.ID, s.App, s.Account))
		}
		return names
	})
}

// endedNumbers completes the numbers of ended sessions.
func (c *command) endedNumbers() completer {
	return asked(c, agent.MethodEndedList, func(ended []agent.EndedInfo) (names []string) {
		for _, s := range ended {
			names = append(names, fmt.Sprintf("%s\t%s for %s", s.ID, s.App, s.Account))
		}
		return names
	})
}

func (c *command) pendingNumbers() completer {
	return asked(c, agent.MethodPending, func(pending []agent.PendingRequest) (names []string) {
		for _, p := range pending {
			names = append(names, fmt.Sprintf("%d\t%s of %s for %s", p.Number, p.Kind, p.App, p.Account))
		}
		return names
	})
}

// completions are what completes the values of flags and the arguments, by the path of the command.
// A flag that several commands have stands without a path.
type completions struct{ flags, arguments map[string]completer }

func (c *command) completions() completions {
	roles := words("posting", "active", "memo", "signing")
	policies := files("yaml", "yml")
	cases := files("yaml", "yml", "json")
	return completions{
		flags: map[string]completer{
			"home": folders, "app": c.appNames(), "keep": c.appNames(), "account": c.accountNames(), "role": roles,
			"kind": words(audit.Kinds()...), "result": words(audit.Results()...), "code": words(audit.Codes()...),
			"session": c.sessionNumbers(), "order": words(slices.Sorted(maps.Keys(sessionOrders))...),
			"answers": words(agent.AnswersNack, agent.AnswersDocumented), "tx": nothing, "rule": nothing,
			"text": nothing, "operation": words(operationNames()...), "counterparty": nothing,
			"amount":  words(">= 10 HBD"),
			"outcome": words(audit.Results()...),
			"secret":  sources, "key": sources, "link": sources, "unlock": sources, "new": sources,
			"for": words("12h", "24h", "7d", "30d"), "older": words("12h", "24h", "7d", "30d"),
			"wait": words("1m", "5m"), "since": nothing, "until": nothing, "to": nothing, "lines": nothing,
			"listen": words("127.0.0.1:9480"), "protocol": words("1", "0.8"),
			"unproven": words("others", "none", "any"), "relay": words("wss://hive-auth.arcange.eu"), "file": files(),
			"junit": files("xml"), "headroom": words("0%", "10%", "20%"), "into": files("yaml"),
			"requests": nothing, "min": words("100%", "80%"),
			"keys": files("json"), "without": nothing, "policy": policies,
			"system":       words("linux", "darwin", "freebsd", "windows"),
			"migrate from": folders, "keys import from": sources, "keys rotate from": sources,
			"unlock from":       sources,
			"audit export from": nothing,
		},
		arguments: map[string]completer{
			"man": folders, "help": helpWords, "apply": first(policies), "ledger move": first(words(inFile)),
			"pause": first(c.appNames()), "resume": first(c.appNames()),
			"app add": nothing, "app rotate": first(c.appNames()), "app remove": first(c.appNames()),
			"app answers": thenWords(c.appNames(), agent.AnswersNack, agent.AnswersDocumented),
			"session add": first(c.accountNames()), "session revoke": c.sessionNumbers(),
			"session forget": first(c.endedNumbers()), "session release": first(c.sessionNumbers()),
			"keys import":             first(c.accountNames()),
			"keystore recipients add": nothing, "keystore recipients remove": nothing,
			"keys rotate": thenWords(c.accountNames(), "posting", "active", "memo", "signing"),
			"keys remove": first(c.accountNames()), "approve": first(c.pendingNumbers()),
			"pending": first(c.pendingNumbers()),
			"deny":    first(c.pendingNumbers()), "audit show": nothing, "why": nothing, "limit release": nothing,
			"guard accept": first(c.accountNames()), "approver add": nothing, "approver remove": nothing,
			"policy check": first(policies), "policy fmt": policies,
			"policy test": cases, "policy replay": first(policies), "policy diff": policies,
			"backup": first(files()), "backup check": first(files()), "restore": first(files()),
			"config check": first(policies), "config show": words(settingNames()...),
			"policy explain": first(cases), "pair": first(files("png", "jpg", "jpeg")),
		},
	}
}

// completeAll sets what completes each flag and command below root.
func (c *command) completeAll(root *cobra.Command) {
	all := c.completions()
	visit(root, func(cmd *cobra.Command) {
		path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), root.Name()), " ")
		cmd.ValidArgsFunction = nothing
		if complete, ok := all.arguments[path]; ok {
			cmd.ValidArgsFunction = complete
		}
		for name, complete := range all.flags {
			command, flag := "", name
			if i := strings.LastIndexByte(name, ' '); i >= 0 {
				command, flag = name[:i], name[i+1:]
			}
			found := cmd.LocalFlags().Lookup(flag)
			if found == nil || found.Value.Type() == "bool" || command != "" && command != path ||
				command == "" && all.flags[path+" "+flag] != nil {
				continue
			}
			// The only error is that it has one already.
			_ = cmd.RegisterFlagCompletionFunc(flag, complete)
		}
	})
}

// visit calls f for a command and all below it.
func visit(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		visit(sub, f)
	}
}
