package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
)

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pksa",
		Short: "Answer HiveAuth requests for your Hive accounts, by policy",
		Long: `pksa is a HiveAuth wallet without a screen. It stays connected to HiveAuth
relays and answers what applications ask of your Hive accounts (logins,
signatures, transactions) by itself, as your policy says.

See it work:   pksa demo
Set it up:     pksa init, then follow what it prints
Read:          examples/docs of the source, an archive, or /usr/share/doc/pksa`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
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
	add("setup", c.initCommand(), c.keysCommand(), c.keystoreCommand(), c.policyCommand(), c.configCommand(),
		c.migrateCommand())
	add("run", c.demoCommand(), c.runCommand(), c.reloadCommand(), c.pauseCommand(), c.resumeCommand(), c.lockCommand(),
		c.unlockCommand(), c.statusCommand(), c.doctorCommand(),
		c.canaryCommand(), c.notifyCommand(),
		c.relayCommand(), c.guardCommand(), c.auditCommand(), c.why(), c.limitCommand(), c.ledgerCommand(),
		c.backupCommand(), c.restoreCommand())
	add("apps", c.applyCommand(), c.appCommand(), c.sessionCommand(), c.pairCommand(), c.pendingCommand(),
		c.approveCommand(), c.denyCommand(), c.approverCommand())
	add("other", c.versionCommand(), c.manCommand())
	c.setHelp(root)
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
