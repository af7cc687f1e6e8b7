package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/service"
	"pksa/protocol/hive"
)

// followEvery is how often `audit tail -f` asks for news. Tests shorten it.
var followEvery = time.Second

func (c *command) auditCommand() *cobra.Command {
	return groupCommand("audit", "Show, export and verify the audit trail",
		`The audit trail records what was asked, decided and done. The trail comes from
the running agent. If none is running it comes from the ledger, and the keystore
has to be unlocked.`,
		c.auditTail(), c.auditShow(), c.auditExport(), c.auditVerify())
}

// auditFlags are the filters of tail and export.
type auditFlags struct {
	filter       audit.Filter
	since, until string
}

func (f *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Account, "account", "", "only records of the account of this `name`")
	flags.StringVar(&f.filter.App, "app", "", "only records of the app of this `name`")
	flags.StringVar(&f.filter.Kind, "kind", "",
		"only records of this `kind`: auth, sign, challenge, decrypt, admin, event, start, stop")
	flags.StringVar(&f.filter.Result, "result", "",
		"only records with this `result`: admitted, pending, answered, refused, ignored, failed; or an outcome, "+
			"such as accepted")
	flags.StringVar(&f.since, "since", "",
		"only from this `time` on: 2026-01-31, 2026-01-31T12:00:00Z, or so long ago: 2h, 30d")
	flags.StringVar(&f.until, "until", "", "only until this `time`, in the same form")
}

// query returns the flags as a query.
func (f *auditFlags) query(now time.Time) (q audit.Query, err error) {
	q.Filter = f.filter
	if q.Since, err = instant(f.since, now); err != nil {
		return q, err
	}
	q.Until, err = instant(f.until, now)
	return q, err
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

func (c *command) auditTail() *cobra.Command {
	var flags auditFlags
	var last int
	var follow bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the latest records, one on each line",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if last < 0 {
				return errUsage{fmt.Errorf("-n %d: a number of records is wanted, 0 or more", last)}
			}
			q, err := flags.query(time.Now())
			if err != nil {
				return err
			}
			trail := c.openTrail(follow)
			err = c.tail(cmd.Context(), trail, q, last)
			return errors.Join(err, trail.close())
		},
	}
	flags.add(cmd)
	cmd.Flags().IntVarP(&last, "lines", "n", 20, "`number` of records")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new records until stopped")
	return cmd
}

func (c *command) tail(ctx context.Context, t *trail, q audit.Query, last int) error {
	records, head, err := t.newest(ctx, q, last)
	if err != nil {
		return err
	}
	if !t.follow {
		return c.print(records, func(w io.Writer) {
			for _, r := range records {
				fmt.Fprintln(w, auditLine(r))
			}
		})
	}
	if err := c.auditLines(records); err != nil {
		return err
	}
	// The head was read together with the records, so nothing is shown twice and nothing is left
	// out.
	q.From = head + 1
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		err := t.each(ctx, &q, c.auditLines)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, control.ErrNoAgent):
			t.note("the agent stopped; waiting until it runs again")
		case err != nil:
			return err
		default:
			t.noted = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// auditLines prints records as they come, for machines one JSON value on each line.
func (c *command) auditLines(records []audit.Record) error {
	w := bufio.NewWriter(c.out)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, r := range records {
		if !c.asJSON {
			fmt.Fprintln(w, auditLine(r))
		} else if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (c *command) auditExport() *cobra.Command {
	var flags auditFlags
	var from, to uint64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the records as JSON, one on each line",
		Long: `Writes the records to standard output as JSON lines, the oldest first. What is
recorded meanwhile is left out.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := flags.query(time.Now())
			if err != nil {
				return err
			}
			q.From, q.To = from, to
			c.asJSON = true
			trail := c.openTrail(false)
			return errors.Join(trail.export(cmd.Context(), q, c.auditLines), trail.close())
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
			found, err := administer(cmd.Context(), c, agent.MethodAuditVerify, params,
				func(ctx context.Context, m agent.Admin, p audit.VerifyParams) (audit.Verified, error) {
					return m.Trail().Verify(ctx, p)
				})
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
	switch {
	case v.To == 0 && len(v.Problems) > 0:
		fmt.Fprintln(w, "No record before that is in order.")
	case v.To == 0:
		fmt.Fprintln(w, "There are no records yet.")
	case v.From > 1:
		fmt.Fprintf(w, "Records %d to %d follow one another; those before %d are not kept (setting audit.keep).\n",
			v.From, v.To, v.From)
	default:
		fmt.Fprintf(w, "Records %d to %d follow one another.\n", v.From, v.To)
	}
	switch {
	case v.Compared > 0:
		fmt.Fprintf(w, "%s on the chain agree, the newest of record %d.\n", count(v.Compared, "checkpoint"), v.Newest)
	case chain:
		fmt.Fprintln(w, "No checkpoint of these records is on the chain.")
	}
}

func (c *command) auditShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NUMBER",
		Short: "Show a record, or a request with all that became of it",
		Long: `Shows the record, in words and in full. Of a request it shows the decision and
the outcome, too.`,
		Args: one("the NUMBER of the record"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || number == 0 {
				return errUsage{fmt.Errorf("%q is no number of a record; `pksa audit tail` shows them", args[0])}
			}
			trail := c.openTrail(false)
			records, err := trail.story(cmd.Context(), number)
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
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
