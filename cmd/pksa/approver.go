package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/cmd/pksa/internal/qr"
)

func (c *command) approverCommand() *cobra.Command {
	return groupCommand("approver", "Add, list and remove people who answer with a passkey",
		`An approver is a person who says yes to requests that wait, on a page and with
a passkey: a signature of their phone or security key over exactly what would
be signed, which this wallet checks itself. The setting approve.origin says at
which address the page stands.

Approvers are added and removed on this machine only. A wallet that is restored
from a backup has none: which of them were removed since, the backup does not
know.`, c.approverAdd(), c.approverList(), c.approverRemove())
}

func (c *command) approverAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add NAME",
		Short: "Make a link by which one person enrols a passkey",
		Long: `Makes a link with a one-time code. Whoever opens it within ten minutes, on the
phone or computer with which they want to approve, makes a passkey there and is
an approver by it. The code counts once. Hand it to that person and to nobody
else: whoever has it first is the approver. Then compare what "pksa approver
list" shows as their fingerprint with what their page shows.`,
		Example: "  pksa approver add anna",
		Args:    one("the NAME of the approver"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var made approve.Invitation
			who := approve.NameParams{Name: args[0]}
			if err := c.call(cmd.Context(), agent.MethodApproverAdd, who, &made); err != nil {
				return err
			}
			return c.print(made, func(w io.Writer) {
				fmt.Fprintf(w, "For %s, until %s and for one passkey:\n\n  %s\n\n"+
					"Whoever opens it first is the approver. Hand it to nobody else.\n", made.Name, moment(made.Until),
					string(made.Link))
				// On a screen only: in a file, or for another program, it is of no use.
				if drawn, err := qr.Draw(string(made.Link)); err == nil && columns(c.out) >= qr.Columns {
					fmt.Fprint(w, "\n"+drawn)
				}
			})
		},
	}
}

func (c *command) approverList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the approvers with the fingerprints of their passkeys",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []approve.ApproverInfo
			if err := c.call(cmd.Context(), agent.MethodApproverList, struct{}{}, &list); err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(w, "Nobody approves with a passkey yet.")
				}
				for _, a := range list {
					printApprover(w, a)
				}
			})
		},
	}
}

func printApprover(w io.Writer, a approve.ApproverInfo) {
	kind := "it stays on its device"
	if a.Synced {
		kind = "it can be copied to other devices of its owner"
	}
	fmt.Fprintf(w, "%s, since %s\n  fingerprint %s\n  of %s; %s\n", a.Name, when(a.Enrolled), a.Fingerprint, a.RPID,
		kind)
	if a.Elsewhere {
		fmt.Fprint(w, "  The setting approve.origin names another host by now, so that this passkey\n"+
			"  cannot be used.\n")
	}
}

func (c *command) approverRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an approver, at once",
		Long: `Removes an approver, and a link that is out for the name. From the moment that
this command returns nothing counts that their passkey signs. What they approved
before stays approved.`,
		Args: one("the NAME of the approver"),
		RunE: func(cmd *cobra.Command, args []string) error {
			who := approve.NameParams{Name: args[0]}
			if err := c.call(cmd.Context(), agent.MethodApproverRemove, who, nil); err != nil {
				return err
			}
			return c.print(map[string]any{"name": args[0], "removed": true}, func(w io.Writer) {
				fmt.Fprintf(w, "%s approves nothing any more.\n", args[0])
			})
		},
	}
}
