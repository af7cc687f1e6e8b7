package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pksa/agent"
)

func (c *command) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "What was asked, decided and done",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var last int
	tail := &cobra.Command{
		Use:   "tail",
		Short: "The latest records, one a line",
		Args:  exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			records, err := c.audit(cmd.Context(), agent.AuditQuery{Last: max(1, min(last, 1000))})
			if err != nil {
				return err
			}
			return c.print(records, func(w io.Writer) {
				for _, r := range records {
					fmt.Fprintln(w, auditLine(r))
				}
			})
		},
	}
	tail.Flags().IntVarP(&last, "lines", "n", 20, "how many, at most 1000")
	show := &cobra.Command{
		Use:   "show NUMBER",
		Short: "One record in full",
		Args:  exactly(1, "the NUMBER of the record"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || number == 0 {
				return errUsage{fmt.Errorf("%q is no number of a record; `pksa audit tail` shows them", args[0])}
			}
			records, err := c.audit(cmd.Context(), agent.AuditQuery{From: number, Limit: 1})
			if err != nil {
				return err
			}
			if len(records) == 0 || records[0].Number != number {
				return hint(fmt.Errorf("there is no record %d", number), "`pksa audit tail` shows the latest")
			}
			return c.print(records[0], func(w io.Writer) {
				text, _ := json.MarshalIndent(records[0], "", "  ") // it came as JSON
				fmt.Fprintf(w, "%s\n\n%s\n", auditLine(records[0]), text)
			})
		},
	}
	cmd.AddCommand(tail, show)
	return cmd
}

func (c *command) audit(ctx context.Context, q agent.AuditQuery) ([]agent.AuditRecord, error) {
	return administer(ctx, c, agent.MethodAudit, q,
		func(_ context.Context, m agent.Admin, q agent.AuditQuery) ([]agent.AuditRecord, error) {
			return m.Audit(q)
		})
}

// auditLine is a record on one line: number, time, what happened, to whom, why.
func auditLine(r agent.AuditRecord) string {
	parts := []string{fmt.Sprintf("%6d  %s  %s", r.Number, when(r.Time), r.Type)}
	add := func(format, text string) {
		if text != "" {
			parts = append(parts, fmt.Sprintf(format, text))
		}
	}
	add("%s", r.Kind)
	add("%s", r.Verdict)
	if r.Request != 0 {
		parts = append(parts, fmt.Sprintf("of %d", r.Request))
	}
	if r.Outcome != r.Type {
		add("%s", r.Outcome)
	}
	add("account=%s", r.Account)
	add("app=%s", r.App)
	if r.Session != 0 {
		add("session=%s", r.Session.String())
	}
	add("tx=%s", r.TxID)
	var content struct {
		Code, Reason string
		Act          string
		Rules        []struct{ Name string }
		Operations   []json.RawMessage
	}
	if json.Unmarshal(r.Content, &content) == nil {
		if r.Outcome == "" {
			add("%s", content.Act)
		}
		for _, op := range content.Operations {
			add("%s", operationName(op))
		}
		for _, rule := range content.Rules {
			add("rule=%q", rule.Name)
		}
		if !strings.HasPrefix(content.Reason, content.Code+":") { // the policy's reasons begin with their code
			add("%s:", content.Code)
		}
		add("%s", content.Reason)
	}
	return strings.Join(parts, " ")
}

// operationName is the name in ["vote",{…}].
func operationName(raw json.RawMessage) string {
	var pair []json.RawMessage
	var name string
	if json.Unmarshal(raw, &pair) != nil || len(pair) == 0 || json.Unmarshal(pair[0], &name) != nil {
		return ""
	}
	return name
}
