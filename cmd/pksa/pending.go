package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/policy"
	"pksa/protocol/plain"
	"pksa/protocol/sorts"
)

func (c *command) pendingCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pending [NUMBER]",
		Short: "List the requests that wait for you",
		Long: `Lists the requests that the policy asks you about, with the time that is left to
answer each, and the logins that wait for a pairing link: nobody can read one
before "pksa pair" has its link.

The list shows the first parts of a large request and says how many there are.
With its NUMBER, one request is shown in full.`,
		Args: atMostOne("the NUMBER of a request"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.showPending(cmd.Context(), args[0])
			}
			asked, err := c.askedOf(cmd.Context())
			if err != nil {
				return err
			}
			var logins []agent.PendingLogin
			if err := c.call(cmd.Context(), agent.MethodLogins, struct{}{}, &logins); err != nil {
				return err
			}
			return c.print(waitsForYou(asked, logins), func(w io.Writer) {
				printAsked(w, asked)
				printLogins(w, logins)
				if len(asked)+len(logins) == 0 {
					fmt.Fprintln(w, "Nothing waits for you.")
				}
			})
		},
	}
}

// askedOf reads all pages of the list, the most urgent request first.
func (c *command) askedOf(ctx context.Context) ([]agent.PendingRequest, error) {
	asked := []agent.PendingRequest{}
	for q := (agent.PendingParams{}); ; {
		var page []agent.PendingRequest
		if err := c.call(ctx, agent.MethodPending, q, &page); err != nil {
			return nil, err
		}
		more := 0
		for _, a := range page {
			q.After = max(q.After, a.Number)
			more = max(more, a.More)
			a.More = 0
			asked = append(asked, a)
		}
		if more == 0 {
			break
		}
	}
	sorts.By(asked, func(x, y agent.PendingRequest) int {
		return cmp.Or(x.Until.Compare(y.Until), cmp.Compare(x.Number, y.Number))
	})
	return asked, nil
}

// showPending shows one request in full.
func (c *command) showPending(ctx context.Context, arg string) error {
	number, err := requestNumber(arg)
	if err != nil {
		return err
	}
	var whole agent.PendingRequest
	for q := (agent.PendingPart{Number: number}); ; {
		var part agent.PendingRequest
		if err := c.call(ctx, agent.MethodPendingWhole, q, &part); err != nil {
			return err
		}
		got := max(len(part.Effects), len(part.Operations))
		if q.From == 0 {
			whole = part
		} else {
			whole.Effects = append(whole.Effects, part.Effects...)
			whole.Operations = append(whole.Operations, part.Operations...)
		}
		if q.From += got; got == 0 || q.From >= part.InAll {
			break
		}
	}
	whole.InAll = 0
	return c.print(whole, func(w io.Writer) { printAsked(w, []agent.PendingRequest{whole}) })
}

// requestNumber reads the number of a request that waits.
func requestNumber(arg string) (uint64, error) {
	number, err := strconv.ParseUint(arg, 10, 64)
	if err != nil || number == 0 {
		return 0, errUsage{fmt.Errorf("%q is no number of a request; `pksa pending` shows them", arg)}
	}
	return number, nil
}

// waitsForYou joins both lists, for JSON. A login has no number, because nobody approves it.
func waitsForYou(asked []agent.PendingRequest, logins []agent.PendingLogin) []any {
	all := []any{}
	for _, a := range asked {
		all = append(all, a)
	}
	for _, l := range logins {
		all = append(all, l)
	}
	return all
}

// loginLines is how many logins are shown each by itself: anybody can make many wait.
const loginLines = 20

// printLogins shows the logins that wait for their links.
func printLogins(w io.Writer, logins []agent.PendingLogin) {
	for i, l := range logins {
		if i == loginLines {
			fmt.Fprintf(w, "   … and %s more; --json lists them\n", count(len(logins)-i, "login"))
			return
		}
		fmt.Fprintf(w, "-  a login for %s waits for its link, since %s, at relay %s\n", l.Account,
			l.Since.UTC().Format(time.TimeOnly+"Z"), plain.Escape(l.Relay))
		fmt.Fprintf(w, "      pksa pair --app NAME   within %s\n", time.Until(l.Until).Round(time.Second))
	}
}

func printAsked(w io.Writer, asked []agent.PendingRequest) {
	for _, a := range asked {
		fmt.Fprintf(w, "%d  %s wants of %s (%s): %s\n", a.Number, a.App, a.Account, keyWords(a.KeyType, a.Keys), a.Kind)
		for _, effect := range a.Effects {
			fmt.Fprintf(w, "      %s\n", effect)
		}
		for _, op := range a.Operations {
			fmt.Fprintf(w, "      %s\n", plain.Escape(op))
		}
		if a.InAll > 0 {
			fmt.Fprintf(w, "      … these are the first %d of %d parts; `pksa pending %d` shows all\n",
				max(len(a.Effects), len(a.Operations)), a.InAll, a.Number)
		} else if a.Cut {
			fmt.Fprintf(w, "      … cut; `pksa pending %d` shows all\n", a.Number)
		}
		if a.Text != "" {
			fmt.Fprintf(w, "      %s\n", plain.Quote(a.Text, len(a.Text)))
		}
		fmt.Fprintf(w, "      %s\n", a.Reason)
		if a.Letters != "" { // an agent that was started before its program was replaced gives none
			fmt.Fprintf(w, "      letters %s, as in a notification of it\n", a.Letters)
		}
		yes := fmt.Sprintf("pksa approve %d", a.Number)
		if a.ByPasskey {
			yes = "a passkey, on the wallet's page,"
		}
		for _, c := range a.Consents {
			fmt.Fprintf(w, "      it takes %v\n", c)
		}
		if policy.TellFirst(a.Consents) && len(a.ToldBy) == 0 {
			fmt.Fprintln(w, "      no notifier took a message of all of it yet; a passkey's yes waits for that")
		}
		for _, told := range a.ToldBy {
			fmt.Fprintf(w, "      told by %s of %s at %s\n", told.Notifier, plain.Escape(told.Server),
				told.At.UTC().Format(time.TimeOnly+"Z"))
		}
		if len(a.SaidYes) > 0 {
			fmt.Fprintf(w, "      %s said yes\n", strings.Join(a.SaidYes, ", "))
		}
		fmt.Fprintf(w, "      %s   or   pksa deny %d   within %s\n", yes, a.Number,
			time.Until(a.Until).Round(time.Second))
	}
}

func (c *command) approveCommand() *cobra.Command {
	return c.decide("approve", "Allow a request that waits for you", true)
}

func (c *command) denyCommand() *cobra.Command {
	return c.decide("deny", "Refuse a request that waits for you", false)
}

// decide returns the command that answers a request with yes or no.
func (c *command) decide(verb, short string, yes bool) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NUMBER",
		Short: short,
		Args:  one("the NUMBER of the request"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := requestNumber(args[0])
			if err != nil {
				return err
			}
			if err := c.call(cmd.Context(), agent.MethodDecide, agent.DecideParams{Number: number, Yes: yes},
				nil); err != nil {
				return err
			}
			return c.print(map[string]any{"number": number, "approved": yes}, func(w io.Writer) {
				if yes {
					fmt.Fprintf(w, "Request %d: yes. It is judged once more by the policy in force; `pksa audit "+
						"tail` shows the outcome.\n", number)
				} else {
					fmt.Fprintf(w, "Request %d: no.\n", number)
				}
			})
		},
	}
}
