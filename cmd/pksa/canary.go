package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/probe"
)

func (c *command) canaryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "canary",
		Short: "Check that each relay delivers; exit status 1 if one does not",
		Long: `Has the running agent send itself a request through each relay now, as it does
by itself at the interval of the setting canary. It comes back only if the relay
delivers requests and passes answers on, with their proof of key. A relay can
stay connected and do neither. The request asks for nothing and touches no app,
session or limit; a second copy of the wallet would answer it, and is found so.

It takes a second or two for each relay, all of them at once; one that does not
deliver is tried twice, which takes up to 25 seconds. The wallet's own relay
(relay.listen) is not tried: it runs in the same process.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found []probe.Canary
			if err := c.call(cmd.Context(), agent.MethodCanary, struct{}{}, &found); err != nil {
				return err
			}
			if err := c.print(found, func(w io.Writer) { printCanaries(w, found) }); err != nil {
				return err
			}
			for _, one := range found {
				if one.Result != probe.Works && one.Result != probe.Own {
					return errSilent
				}
			}
			return nil
		},
	}
}

func printCanaries(w io.Writer, found []probe.Canary) {
	for _, one := range found {
		fmt.Fprintf(w, "%s  %s\n", one.Relay, canaryText(one))
		if one.Hint != "" {
			fmt.Fprintf(w, "  %s\n", one.Hint)
		}
	}
}

// canaryText returns the result of a canary in a few words.
func canaryText(one probe.Canary) string {
	switch one.Result {
	case probe.Works:
		return fmt.Sprintf("delivers; a request came back after %d ms", one.TripMS)
	case probe.Own:
		return "is the wallet's own relay: not tried"
	case probe.Unsent:
		return "not tried: no account is registered there"
	case probe.Fails:
		return fmt.Sprintf("does not serve: %d requests in a row failed", one.Failed)
	}
	return "nothing is known yet"
}
