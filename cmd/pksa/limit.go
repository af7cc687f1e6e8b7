package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/policy"
	"pksa/agent/refund"
)

func (c *command) limitCommand() *cobra.Command {
	return groupCommand("limit", "Show what limits counted; give back what never reached the chain",
		`A limit is charged before a transaction is signed, and the charge stays when the
broadcast fails: until the transaction has expired, somebody may still send it.
What provably never reached the chain is shown apart, and can be given back.`,
		c.limitList(), c.limitRelease())
}

// limitsShown is what `limit list` prints.
type limitsShown struct {
	Room    []policy.Room   `json:"room"`
	Charges []refund.Charge `json:"charges"`
}

func (c *command) limitList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the limits, and the failed broadcasts that they counted",
		Long: `Lists how much of each limit is used. Below that it lists the broadcasts that
failed although a limit was charged for them, with the number of each request:

  failed             not proven yet; the agent asks the nodes again and again
  not on the chain   proven: "pksa limit release NUMBER" gives the charge back
  given back         it does not count; the transaction is still looked for
  on the chain       it was found after all, and counts`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s agent.Status
			if err := c.call(cmd.Context(), agent.MethodStatus, struct{}{}, &s); err != nil {
				return err
			}
			shown := limitsShown{Room: append([]policy.Room{}, s.Policy.Room...)} // a list in JSON, too
			if err := c.call(cmd.Context(), agent.MethodLimitList, struct{}{}, &shown.Charges); err != nil {
				return err
			}
			return c.print(shown, func(w io.Writer) { printLimits(w, shown) })
		},
	}
}

func printLimits(w io.Writer, shown limitsShown) {
	if len(shown.Room) == 0 {
		fmt.Fprintln(w, "The policy has no limit with a window, or its limits have counted nothing.")
	}
	for _, r := range shown.Room {
		fmt.Fprintln(w, roomLine(r))
	}
	if len(shown.Charges) == 0 {
		return
	}
	fmt.Fprintln(w, "\nBroadcasts that failed and were charged:")
	for _, f := range shown.Charges {
		fmt.Fprintf(w, "%6d  %s  %s for %s, %s\n", f.Number, f.State, f.App, f.Account, chargesText(f.Charges))
		fmt.Fprintf(w, "        transaction %s\n", f.TxID)
		if f.State == "not on the chain" && len(f.Charges) > 0 {
			fmt.Fprintf(w, "        `pksa limit release %d` gives it back\n", f.Number)
		}
	}
}

// chargesText returns what was charged, in words.
func chargesText(charges []policy.Charge) string {
	if len(charges) == 0 {
		return "which counts no more"
	}
	var words []string
	for _, charge := range charges {
		words = append(words, fmt.Sprintf("%s %s of %q", charge.Amount, charge.Unit, charge.Limit))
	}
	return strings.Join(words, ", ")
}

func (c *command) limitRelease() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "release NUMBER",
		Short: "Give back the charge of a broadcast that never got through",
		Long: `Gives back what the request with this number was charged. "pksa limit list" and
"pksa audit tail" show the numbers. On a terminal it asks before it does.

The running agent proves it anew: at least two Hive API nodes on different hosts
must say that the transaction has expired and is not on the chain, and no node
that answers may have it. A charge is given back once. It counts again, with an
alarm, should the transaction be found on the chain later. For a request that
was not reported as failed, this is possible for a day. What was handed to an
application instead of being broadcast is never given back: the application can
still send it.`,
		Args: one("the NUMBER of the request"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || number == 0 {
				return errUsage{fmt.Errorf("%q is no number of a request; `pksa limit list` shows them", args[0])}
			}
			return c.releaseCharge(cmd.Context(), number, yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// releaseCharge has a charge given back, after a person at the terminal has seen what it is.
func (c *command) releaseCharge(ctx context.Context, number uint64, yes bool) error {
	if !yes && c.terminal() {
		var list []refund.Charge
		if err := c.call(ctx, agent.MethodLimitList, struct{}{}, &list); err != nil {
			return err
		}
		what := "what was charged for it"
		for _, f := range list {
			if f.Number == number {
				what = chargesText(f.Charges) + ", which " + f.App + " was charged"
			}
		}
		if err := c.sure(ctx, fmt.Sprintf("Request %d: give back %s?", number, what)); err != nil {
			return err
		}
	}
	var done refund.Charge
	err := c.call(ctx, agent.MethodLimitRelease, agent.ReleaseParams{Number: number}, &done)
	if err != nil {
		return err
	}
	return c.print(done, func(w io.Writer) {
		fmt.Fprintf(w, "Given back: %s. Transaction %s is not on the chain,\nsay %s. Record %d of the audit trail "+
			"says so.\n",
			chargesText(done.Charges), done.TxID, strings.Join(done.Hosts, ", "), done.Record)
	})
}
