package main

import (
	"github.com/spf13/cobra"

	"pksa/agent/policy"
)

func (c *command) policySchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "The language as JSON Schema, for editors",
		Long: `Writes the JSON Schema of policy files. Editors with a YAML language server take it from a first line

    # yaml-language-server: $schema=policy.schema.json

and complete keys, show what they mean, and underline what is wrong. "pksa policy check" says more.`,
		Args: exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			_, err := c.out.Write(policy.Schema())
			return err
		},
	}
}
