package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (c *command) policyAccept() *cobra.Command {
	end := false
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Take the policy file without the yes of an approver",
		Long: `Takes the policy file as approved, where another policy takes an approver's yes
(setting policy_approval): the next start brings it into force. It opens the
keystore and the ledger, so the wallet must be stopped, and whoever has the
files alone cannot do it. With --end, no policy takes a yes any more.

An approver says yes on the page of the console, under Policy, while the wallet
runs.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.acceptPolicy(cmd.Context(), end) },
	}
	cmd.Flags().BoolVar(&end, "end", false, "have no policy take an approver's yes any more")
	return cmd
}

// acceptedPolicy is what `pksa policy accept` prints.
type acceptedPolicy struct {
	Policy string `json:"policy"`           // the file
	SHA256 string `json:"sha256,omitempty"` // of the policy that is approved now
	Ended  bool   `json:"ended"`            // no policy takes an approver's yes any more
}

func (c *command) acceptPolicy(ctx context.Context, end bool) (err error) {
	cfg, err := c.settings()
	if err != nil {
		return err
	}
	o, err := c.offline(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	hash, err := o.admin().AcceptPolicy(ctx, cfg, end)
	if err != nil {
		return err
	}
	return c.print(acceptedPolicy{cfg.Policy, hash, end}, func(w io.Writer) {
		if end {
			fmt.Fprintln(w, "No policy takes an approver's yes any more. Take policy_approval out of config.yaml, or "+
				"the next start begins with it again.")
			return
		}
		fmt.Fprintf(w, "The next start brings %s into force, sha256 %s.\n", cfg.Policy, short(hash))
	})
}
