package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

func (c *command) auditFind() *cobra.Command {
	var flags auditFlags
	cmd := &cobra.Command{
		Use:   "find",
		Short: "Search the whole trail for requests, the oldest first",
		Long: `Searches all records that are kept, the oldest first, and prints a line for
each request that fits, as it is found: what was asked, and what became of it.
It takes a running agent and a stopped one, and a full disk. --since leaves out
what is older without reading it.

An operation fits if it has the name, the counterparty and the amount at once.
A counterparty inside a custom_json is found with --text. Of a request that was
not carried out the record keeps 8 KiB; only what it keeps is searched.

The exit status is 3 if nothing was found. With --json each line is an object
with the records of one request.`,
		Example: `  pksa audit find --operation transfer --amount '>= 10 HBD' --since 30d
  pksa audit find --counterparty bob --outcome accepted
  pksa audit find --text 'missing required' --since 2026-01-31`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := flags.query(time.Now())
			if err != nil {
				return err
			}
			if q.Filter == (audit.Filter{}) {
				return errUsage{errors.New("nothing is searched for; `pksa audit tail` shows the latest records, " +
					"`pksa audit export` all of them")}
			}
			trail := c.openTrail(false)
			trail.outcome = cmd.Flags().Changed("outcome")
			return errors.Join(c.find(cmd.Context(), trail, q), trail.close())
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&flags.filter.Result, "outcome", "", "the same as --result")
	cmd.MarkFlagsMutuallyExclusive("outcome", "result")
	return cmd
}

// nothingFound is the end of a search that found nothing.
type nothingFound struct{ error }

// finder prints what a search finds. Of a request it waits for the outcome.
type finder struct {
	tailPrinter
	open     map[uint64]*entry
	found    int
	progress *progress
}

// find searches the trail page by page. The first pages are short, so that the first line comes at
// once.
func (c *command) find(ctx context.Context, t *trail, q audit.Query) error {
	f := &finder{tailPrinter: tailPrinter{command: c, trail: t, width: columns(c.out)}, open: map[uint64]*entry{},
		progress: c.progress("searching", "record")}
	defer f.progress.clear()
	defer audit.SpareCollector()()
	first := uint64(0) // of the trail that is kept
	q.Stories, q.Limit = true, 1
	for {
		page, err := t.page(ctx, q)
		if err != nil {
			return err
		}
		q.To = cmp.Or(q.To, page.Head) // what is recorded meanwhile is left out
		for _, r := range page.Records {
			if err := f.take(r); err != nil {
				return err
			}
		}
		if page.End {
			break
		}
		first = cmp.Or(first, q.From, page.Next)
		f.progress.at(page.Next-min(first, page.Next), q.To-min(first, q.To))
		q.From, q.Open, q.Waiting = page.Next, page.Open, page.Waiting
		if len(page.Records) > 0 {
			q.Limit = min(8*q.Limit, 1000)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(f.open)) { // no outcome yet
		if err := f.tell(*f.open[number]); err != nil {
			return err
		}
	}
	if f.found > 0 {
		return nil
	}
	err := t.nothing(ctx, q)
	if usage := (errUsage{}); errors.As(err, &usage) {
		return err
	}
	return t.searched(ctx, q)
}

// take adds a record to its request. It tells of a request whose outcome is known, and of each
// other record.
func (f *finder) take(r audit.Record) error {
	number := requestOf(r)
	if number == 0 {
		return f.tell(entry{r.Number, []audit.Record{r}})
	}
	e := f.open[number]
	switch {
	case r.Type == "request":
		e = &entry{number, nil}
		f.open[number] = e
	case e == nil: // it stood on the page before
		return nil
	}
	e.records = append(e.records, r)
	if !e.final() {
		return nil
	}
	delete(f.open, number)
	return f.tell(*e)
}

func (f *finder) tell(e entry) error {
	f.found++
	f.progress.clear()
	if !f.asJSON {
		return f.show(e)
	}
	for i, r := range e.records {
		e.records[i] = r.Unpacked()
	}
	enc := json.NewEncoder(f.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(map[string]any{"records": e.records})
}

// searched returns the error that nothing was found. It says where that was looked for.
func (t *trail) searched(ctx context.Context, q audit.Query) error {
	oldest, err := t.page(ctx, audit.Query{Limit: 1, Filter: audit.Filter{Since: q.Since}})
	if err != nil {
		return err
	}
	if len(oldest.Records) == 0 || q.To == 0 {
		if oldest.Head == 0 {
			return nothingFound{errors.New("nothing found: the trail has no record yet")}
		}
		return nothingFound{fmt.Errorf("nothing found: the trail has no record of that time (its last one is %d)",
			oldest.Head)}
	}
	first := oldest.Records[0]
	if !q.Until.IsZero() && q.Until.Before(first.Time) {
		return nothingFound{fmt.Errorf("nothing found: the first record that is kept is number %d, of %s, and --until "+
			"is %s", first.Number, when(first.Time), when(q.Until))}
	}
	until := q.Until
	if until.IsZero() {
		until = time.Now()
	}
	return nothingFound{fmt.Errorf("nothing found in records %d to %d, of %s to %s%s", first.Number, q.To,
		when(first.Time), when(until), conditions(q.Filter))}
}

// conditions names what was searched for.
func conditions(f audit.Filter) string {
	var all []string
	for _, c := range []struct{ flag, value string }{
		{"account", f.Account}, {"app", f.App}, {"kind", f.Kind}, {"outcome", f.Result}, {"operation", f.Operation},
		{"counterparty", f.Counterparty}, {"amount", f.Amount}, {"rule", f.Rule}, {"code", f.Code}, {"tx", f.TxID},
		{"text", f.Text},
	} {
		if c.value != "" {
			all = append(all, fmt.Sprintf("--%s %s", c.flag, plain.Quote(c.value, 80)))
		}
	}
	if f.Session != 0 {
		all = append(all, "--session "+f.Session.String())
	}
	if len(all) == 0 {
		return ""
	}
	return ", for " + strings.Join(all, " ")
}

// operationNames returns the names of all operations.
func operationNames() []string {
	var names []string
	for _, d := range hive.Definitions() {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}
