package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

// followEvery is how often `audit tail -f` asks for news. Tests shorten it.
var followEvery = time.Second

func (c *command) auditCommand() *cobra.Command {
	return groupCommand("audit", "Search, show, export and verify the audit trail",
		`The audit trail records what was asked, decided and done. The trail comes from
the running agent. If none is running it comes from the ledger, and the keystore
has to be unlocked.`,
		c.auditTail(), c.auditFind(), c.auditShow(), c.auditExport(), c.auditVerify())
}

// instant reads a point in time, or how long ago it was.
func instant(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04",
		"2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	ago, err := days(text)
	if err != nil {
		return time.Time{}, errUsage{fmt.Errorf("%q is no point in time; write 2026-01-31, 2026-01-31T12:00:00Z "+
			"(UTC), or how long ago: 2h, 30d", text)}
	}
	return now.Add(-ago), nil
}

// auditLines prints records as they come, one JSON value on each line. What is compressed in them
// is printed in full.
func (c *command) auditLines(records []audit.Record) error {
	w := bufio.NewWriter(c.out)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range records {
		if err := enc.Encode(r.Unpacked()); err != nil {
			return err
		}
	}
	return w.Flush()
}

// unpack puts what is compressed in records in its place.
func unpack(records []audit.Record) {
	for i, r := range records {
		records[i] = r.Unpacked()
	}
}

func (c *command) auditExport() *cobra.Command {
	var flags auditFlags
	var from, to uint64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the records as JSON, one on each line",
		Long: `Writes the records to standard output as JSON lines, the oldest first. What is
recorded meanwhile is left out.

Of a request that was not carried out a record keeps 8 KiB. What it lacks is
counted in "cut", beside the digest of the whole. Of denied requests above 60 a
minute the sum is written, not each short record: a number that is missing may
be one of these, and "pksa audit show NUMBER" has it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := flags.query(time.Now())
			if err != nil {
				return err
			}
			q.From, q.To = from, to
			c.asJSON = true
			trail := c.openTrail(false)
			some := false
			err = trail.export(cmd.Context(), q, func(records []audit.Record) error {
				some = some || len(records) > 0
				return c.auditLines(records)
			})
			if err == nil && !some {
				err = trail.nothing(cmd.Context(), q)
			}
			return errors.Join(err, trail.close())
		},
	}
	flags.add(cmd)
	cmd.Flags().Uint64Var(&from, "from", 0, "`number` of the first record (default: the oldest that is kept)")
	cmd.Flags().Uint64Var(&to, "to", 0, "`number` of the last record (default: the newest)")
	return cmd
}

func (c *command) auditVerify() *cobra.Command {
	var chain bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that no record was changed, removed, added or moved",
		Long: `Reads every record that is kept and checks that each follows the one before it.
The exit status is 1 if one does not.

Removed records at the end of the trail are noticed if they are older than the
mark beside the ledger, which is written every minute. An old copy of the whole
home folder has no fault in itself: --chain compares it with the checkpoints
that were published on the chain (setting audit.checkpoint_account).`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var params audit.VerifyParams
			if chain {
				var err error
				if params.Checkpoints, err = c.checkpoints(cmd.Context()); err != nil {
					return err
				}
			}
			shown := c.progress("checking", "record")
			stop := c.whileVerifying(cmd.Context(), shown)
			found, err := administer(cmd.Context(), c, agent.MethodAuditVerify, params,
				func(ctx context.Context, m agent.Admin, p audit.VerifyParams) (audit.Verified, error) {
					trail := m.Trail()
					trail.Progress = shown.at
					return trail.Verify(ctx, p)
				})
			stop()
			shown.clear()
			if err != nil {
				return err
			}
			err = c.print(found, func(w io.Writer) { printVerified(w, found, chain) })
			if err == nil && len(found.Problems) > 0 {
				err = errSilent
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&chain, "chain", false, "compare with the checkpoints that were published on the chain")
	return cmd
}

// whileVerifying shows a person how far the running agent is with a verification, until the
// function that it returns is called. Without an agent, and by one of before this method, nothing
// is shown.
func (c *command) whileVerifying(ctx context.Context, shown *progress) (stop func()) {
	cfg, err := c.settings()
	if err != nil || shown.wide == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var far audit.HowFar
			if socket(cfg).Call(ctx, agent.MethodVerifying, nil, &far) != nil {
				return
			}
			shown.at(far.Done, far.All)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// checkpoints asks the nodes for the checkpoints that were published.
func (c *command) checkpoints(ctx context.Context) ([]audit.Published, error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, err
	}
	if cfg.CheckpointAccount == "" {
		return nil, hint(errors.New("no checkpoint of this trail is published"),
			adviceCheckpoint)
	}
	nodes, err := service.Nodes(cfg, c.logger(cfg))
	if err != nil {
		return nil, err
	}
	list, err := nodes.CustomJSON(ctx, hive.AccountName(cfg.CheckpointAccount), audit.CheckpointID)
	if err != nil {
		return nil, err
	}
	var checkpoints []audit.Published
	for _, p := range list {
		if one, ok := audit.ParseCheckpoint(p.JSON); ok {
			checkpoints = append(checkpoints, audit.Published{Checkpoint: one, TxID: p.TxID.String()})
		}
	}
	return checkpoints, nil
}

func printVerified(w io.Writer, v audit.Verified, chain bool) {
	for _, problem := range v.Problems {
		fmt.Fprintf(w, "Not in order: %s\n", problem)
	}
	begins := v.From // with the first record, or with what was lost before it
	if len(v.Lost) > 0 && v.Lost[0].To+1 == v.From {
		begins = min(begins, v.Lost[0].From)
	}
	switch {
	case v.To == 0 && len(v.Problems) > 0:
		fmt.Fprintln(w, "No record before that is in order.")
	case v.To == 0:
		fmt.Fprintln(w, "There are no records yet.")
	case begins > 1:
		fmt.Fprintf(w, "Records %d to %d follow one another; those before %d are not kept (settings audit.keep, "+
			"audit.max).\n", v.From, v.To, begins)
	default:
		fmt.Fprintf(w, "Records %d to %d follow one another.\n", v.From, v.To)
	}
	for _, l := range v.Lost {
		fmt.Fprintln(w, lostLine(l))
	}
	if v.Approvals > 0 {
		fmt.Fprintf(w, "%s with a passkey, each by a signature that fits.\n", count(v.Approvals, "answer"))
	}
	switch {
	case v.Compared > 0:
		fmt.Fprintf(w, "%s on the chain agree, the newest of record %d.\n", count(v.Compared, "checkpoint"), v.Newest)
	case chain:
		fmt.Fprintln(w, "No checkpoint of these records is on the chain.")
	}
}

// lostLine returns which records were given up, and when.
func lostLine(l audit.Lost) string {
	day := l.At.UTC().Format("2006-01-02 15:04 UTC")
	switch n := int(l.To + 1 - l.From); n {
	case 0:
		return fmt.Sprintf("The chain was broken before record %d; the operator went on with it on %s.", l.From, day)
	case 1:
		return fmt.Sprintf("1 record lost on %s by the operator: record %d was damaged.", day, l.From)
	default:
		return fmt.Sprintf("%d records lost on %s by the operator: records %d to %d were damaged.", n, day,
			l.From, l.To)
	}
}

func (c *command) auditShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NUMBER|TRANSACTION",
		Short: "Show a record, or a request with all that became of it",
		Long: `Shows the record, in words and in full. Of a request it shows the decision and
the outcome, too, and what was recorded about it later. A transaction's id, or
the first eight digits of it, shows the request that it was signed for.`,
		Args: one("the NUMBER of the record, or the id of a transaction"),
		RunE: func(cmd *cobra.Command, args []string) error {
			trail := c.openTrail(false)
			records, err := trail.storyOf(cmd.Context(), args[0])
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
			unpack(records)
			return c.print(map[string]any{"records": records}, func(w io.Writer) {
				printStory(w, records)
				for _, r := range records {
					text, _ := json.MarshalIndent(r, "", "  ") // it came as JSON
					fmt.Fprintf(w, "\n%s\n", escapeLines(string(text)))
				}
			})
		},
	}
}
