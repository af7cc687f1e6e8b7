package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/notify"
)

func (c *command) notifyCommand() *cobra.Command {
	return groupCommand("notify", "Check the ways in which people are told",
		`The setting notify names ways in which the wallet tells people, away from it,
that a request waits for their yes or no, or that something is wrong: topics of
ntfy, and webhooks. examples/docs/notifications.md has what is sent and when.`,
		c.notifyTest())
}

func (c *command) notifyTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test",
		Short: "Check each notifier with a message; exit status 1 if one fails",
		Long: `Sends one message through each notifier of the setting notify, and says what
became of it and what to do. The running agent sends them, with its own settings
and rights; without one this command does. "taken" means that the server has
taken the message: whether it rings is for you to see.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := c.testNotifiers(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.print(found, func(w io.Writer) { printTested(w, found) }); err != nil {
				return err
			}
			if slices.ContainsFunc(found, func(one notify.Tested) bool { return !one.OK }) {
				return errSilent
			}
			return nil
		},
	}
}

// errNoNotifier is for settings by which nobody is told.
var errNoNotifier = hint(errors.New("nobody is told: the setting notify names no way"), adviceNoNotifier)

func (c *command) testNotifiers(ctx context.Context) ([]notify.Tested, error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	var found []notify.Tested
	err = socket(cfg).Call(ctx, agent.MethodNotifyTest, struct{}{}, &found)
	if errors.Is(err, control.ErrNoAgent) {
		found, err = agent.NewDesk(cfg, nil, slog.New(slog.DiscardHandler)).Test(ctx), nil
	}
	if err == nil && len(found) == 0 {
		err = errNoNotifier
	}
	return found, err
}

func printTested(w io.Writer, found []notify.Tested) {
	for _, one := range found {
		if one.OK {
			fmt.Fprintf(w, "%s %s  taken after %d ms, content: %s\n", one.Kind, one.Server, one.MS, one.Content)
			continue
		}
		fmt.Fprintf(w, "%s %s  not taken: %s\n", one.Kind, one.Server, one.Problem)
		if one.Next != "" {
			fmt.Fprintf(w, "  %s\n", one.Next)
		}
	}
}

// printNotifiers prints how the ways stand in which people are told.
func printNotifiers(w io.Writer, all []notify.Status) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, "\nNotifiers")
	for _, n := range all {
		fmt.Fprintf(w, "  %s %s  %s\n", n.Kind, n.Server, notifierText(n))
		if n.Problem != "" {
			fmt.Fprintf(w, "    failed at %s: %s\n", moment(n.LastFailed), n.Problem)
			if n.Next != "" {
				fmt.Fprintf(w, "    %s\n", n.Next)
			}
		}
	}
}

// notifierText returns what a notifier has sent in a few words.
func notifierText(n notify.Status) string {
	text := "nothing sent yet"
	if !n.LastSent.IsZero() {
		text = fmt.Sprintf("%d sent, last at %s", n.Sent, moment(n.LastSent))
	}
	if n.Failed > 0 {
		text += fmt.Sprintf(", %d failed", n.Failed)
	}
	if n.Dropped > 0 {
		text += fmt.Sprintf(", %s dropped", count(int(n.Dropped), "event")) //nolint:gosec // far below
	}
	if n.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting", n.Waiting)
	}
	return text
}
