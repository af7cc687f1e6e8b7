package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is how wide help is printed: it fits every terminal.
const helpWidth = "80"

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pksa",
		Short: "Answer HiveAuth requests for your Hive accounts, by policy",
		Long: `pksa is a HiveAuth wallet without a screen. It stays connected to HiveAuth
relays and answers what applications ask of your Hive accounts (logins,
signatures, transactions) by itself, as your policy says.

See it work:   pksa demo
Set it up:     pksa init, then follow what it prints`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped "+helpWidth))
	c.fitHelp(root)
	flags := root.PersistentFlags()
	flags.StringVar(&c.home, "home", "",
		"`folder` of settings, policy, keys and ledger (default: $PKSA_HOME, else pksa in the XDG data folder)")
	flags.BoolVar(&c.asJSON, "json", false, "print JSON for machines")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{withoutValue(err)} })
	root.AddGroup(
		&cobra.Group{ID: "setup", Title: "Set up:"},
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "apps", Title: "Applications:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("setup", c.initCommand(), c.keysCommand(), c.policyCommand(), c.configCommand(), c.migrateCommand())
	add("run", c.demoCommand(), c.runCommand(), c.statusCommand(), c.doctorCommand(), c.canaryCommand(),
		c.relayCommand(), c.auditCommand(), c.why(), c.limitCommand(), c.ledgerCommand())
	add("apps", c.appCommand(), c.sessionCommand(), c.pairCommand(), c.pendingCommand(), c.approveCommand(),
		c.denyCommand())
	add("other", c.versionCommand())
	root.SetHelpCommandGroupID("other")
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Short = "Show the help of a command"
		help.Run, help.RunE = nil, helpOf
	}
	c.completeAll(root)
	root.SetCompletionCommandGroupID("other")
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Short = "Let the shell complete commands, apps, accounts and sessions"
		completion.Long = completionHelp
		for _, shell := range completion.Commands() {
			shell.Short = "Print the script for " + shell.Name()
			shell.Long = completionHelp // cobra's own is wider than help is here
		}
	}
	return root
}

// helpOf shows the help of the command that the words name. Other words are a mistake: cobra shows
// the help of the program then, as if that had been wanted.
func helpOf(cmd *cobra.Command, words []string) error {
	about, rest, err := cmd.Root().Find(words)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

const completionHelp = `Prints a script for a shell, which then completes commands, flags and their
values with the Tab key: roles, kinds, files; and, while the agent runs, apps,
accounts, sessions and what waits for you. Nothing is unlocked for that.

    bash   source <(pksa completion bash)         in ~/.bashrc
    zsh    source <(pksa completion zsh)          in ~/.zshrc, after compinit
    fish   pksa completion fish | source          in ~/.config/fish/config.fish`

// fitHelp lets help, which is written for 80 columns, fit a narrower terminal.
func (c *command) fitHelp(root *cobra.Command) {
	full := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		wide := columns(c.out)
		if wide == 0 || wide >= textWidth {
			full(cmd, args)
			return
		}
		var text strings.Builder
		cmd.SetOut(&text)
		full(cmd, args)
		cmd.SetOut(c.out)
		io.WriteString(c.out, wrapped(text.String(), wide))
	})
}

// groupCommand returns a command that only holds others, and shows its help when it is called.
func groupCommand(use, short, long string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// withoutValue returns the error of flags without what was given to one that takes no value: nobody
// knows what that is.
func withoutValue(err error) error {
	var word *strconv.NumError
	if errors.As(err, &word) && word.Func == "ParseBool" {
		return errors.New("one of the flags takes no value and was given one; write it alone, such as --json")
	}
	return err
}
