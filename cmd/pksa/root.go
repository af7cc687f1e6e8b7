package main

import (
	"github.com/spf13/cobra"
)

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pksa",
		Short: "A HiveAuth wallet without a screen: it answers requests of applications by policy.",
		Long: `pksa keeps a connection to HiveAuth relays and answers what applications ask of your
Hive accounts, logins, signatures and transactions, by itself and by your policy.

See it work:   pksa demo
Set it up:     pksa init, then do what it says`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&c.home, "home", "",
		"folder of settings, policy, keys and ledger (default $PKSA_HOME, else pksa in the XDG data folder)")
	flags.BoolVar(&c.asJSON, "json", false, "print JSON for machines")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	root.AddGroup(
		&cobra.Group{ID: "setup", Title: "Set up:"},
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "apps", Title: "Applications:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("setup", c.initCommand(), c.keysCommand(), c.policyCommand(), c.migrateCommand())
	add("run", c.demoCommand(), c.runCommand(), c.statusCommand(), c.relayCommand(), c.auditCommand(),
		c.ledgerCommand())
	add("apps", c.appCommand(), c.sessionCommand(), c.pairCommand(), c.pendingCommand(),
		c.decideCommand("approve", "Say yes to a request that waits for you", true),
		c.decideCommand("deny", "Say no to a request that waits for you", false))
	root.AddCommand(c.versionCommand())
	return root
}
