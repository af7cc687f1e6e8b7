package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pksa/cmd/pksa/internal/demo"
)

func (c *command) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Watch a wallet at work, on this machine alone, in a few seconds",
		Long: `Starts a relay, a wallet in a temporary folder and a chain in memory, and plays
an application: it logs in, gets a challenge signed and a vote broadcast, and is
refused what the policy does not allow. It needs no configuration and no
network, touches no account of yours, and leaves nothing behind.

The exit status is 0 if everything went as it should.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context()) },
	}
}

func (c *command) demo(ctx context.Context) error {
	o := demo.Options{Out: c.out, JSON: c.asJSON, Mark: "ok"}
	if f, ok := c.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Mark = "✓"
	}
	err := demo.Run(ctx, o)
	var failed *demo.Failure
	switch {
	case !errors.As(err, &failed):
		return err
	case failed.Log != "":
		err = fmt.Errorf("%w\nthe wallet's log says:\n%s", err, failed.Log)
	}
	return hint(err, adviceDemo)
}
