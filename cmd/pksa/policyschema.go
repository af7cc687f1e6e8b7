package main

import (
	"github.com/spf13/cobra"

	"pksa/agent/policy"
)

func (c *command) policySchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policy files, for editors",
		Long: `Prints the JSON Schema of policy files. An editor with a YAML language server
reads it when the first line of the policy is

    # yaml-language-server: $schema=policy.schema.json

It then completes keys, shows what they mean and underlines what is wrong.
"pksa policy check" finds more.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := c.out.Write(policy.Schema())
			return err
		},
	}
}
