package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/guard"
	"pksa/protocol/hive"
)

func (c *command) guardCommand() *cobra.Command {
	return groupCommand("guard", "Show accounts that somebody else changed, and accept that",
		`The running agent compares each held account with what it was: authorities,
memo key, recovery account, proxy, power-down and its routes, withdrawals from
savings. A change counts when two hosts of Hive API nodes say it, or the only
one says it twice, and no transaction of this wallet did exactly that. The
setting guard says what happens then: warn tells of it, stop also signs nothing
of the account until a person accepts it, lock also locks the whole wallet, as
"pksa lock" does, off does not look.`,
		c.guardList(), c.guardAccept())
}

func (c *command) guardList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the accounts that somebody else changed",
		Long: `Lists each held account that was changed on the chain and not by this wallet,
with what it was before and what it is now, until the change is accepted.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []guard.Standing
			if err := c.call(cmd.Context(), agent.MethodGuardList, struct{}{}, &list); err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(w, "No account was changed by others, as far as this wallet has seen.")
				}
				printChangedAccounts(w, list)
			})
		},
	}
}

func (c *command) guardAccept() *cobra.Command {
	return &cobra.Command{
		Use:   "accept ACCOUNT",
		Short: "Take what changed of an account for right, and sign for it again",
		Long: `Takes what "pksa guard list" shows of an account for right: it was you, or
somebody whom you trust. If the account was stopped (setting guard), its
requests are judged and signed again. Later changes are told as this one was.

If it was not you, do not accept it: change the keys of the account first, with
its owner key, in another wallet.`,
		Example: "  pksa guard accept alice",
		Args:    one("the ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := hive.ParseAccountName(args[0])
			if err != nil {
				return errUsage{err}
			}
			var was guard.Standing
			params := agent.AccountParams{Account: name}
			if err := c.call(cmd.Context(), agent.MethodGuardAccept, params, &was); err != nil {
				return err
			}
			return c.print(was, func(w io.Writer) {
				fmt.Fprintf(w, "Accepted: what changed of %s.\n", was.Account)
				if was.Stopped {
					fmt.Fprintln(w, "Its requests are judged and signed again.")
				}
			})
		},
	}
}

// printChangedAccounts prints the accounts that somebody else changed; nothing if there is none.
func printChangedAccounts(w io.Writer, list []guard.Standing) {
	for _, s := range list {
		what := "WARNING"
		if s.Stopped {
			what = "STOPPED, nothing of it is signed"
		}
		fmt.Fprintf(w, "Account %s was changed on the chain, and not by this wallet: %s.\n", s.Account, what)
		for _, change := range s.Changes {
			fmt.Fprintf(w, "  %s, seen %s by %s\n", change.What, moment(change.At), strings.Join(change.Hosts, ", "))
			fmt.Fprintf(w, "    was %s\n    is  %s\n", change.Was, change.Now)
		}
		fmt.Fprintf(w, "  `pksa guard accept %s` takes that for right.\n", s.Account)
	}
}

// printDoubts prints the accounts of which one node alone says that they changed; nothing if there
// is none.
func printDoubts(w io.Writer, d *guard.Doubts) {
	if d == nil {
		return
	}
	fmt.Fprintf(w, "\nOf %s a node says something that no second node confirms, so it\n"+
		"counts for nothing, and changes may be missed:\n", count(d.Accounts, "account"))
	for _, one := range d.First {
		what := make([]string, len(one.What))
		for i, kind := range one.What {
			what[i] = string(kind)
		}
		said := "another " + strings.Join(what, ", ")
		if len(what) == 0 {
			said = "what it is, and nothing is known of before"
		}
		fmt.Fprintf(w, "  %s: %s, by %s, %s\n", one.Account, said, strings.Join(one.Hosts, ", "), moment(one.Since))
	}
	if more := d.Accounts - len(d.First); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
	fmt.Fprint(w, "  Above is which nodes answer. With a single node in the setting nodes, what it\n"+
		"  says twice counts.\n")
}
