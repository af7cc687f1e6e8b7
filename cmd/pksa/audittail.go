package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent/audit"
	"pksa/agent/control"
)

func (c *command) auditTail() *cobra.Command {
	var flags auditFlags
	var last int
	var follow bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the latest records, one on each line",
		Long: `Shows what was asked and what became of it, one line for each request and for
each other record: the number for "pksa audit show", the time (UTC), the app and
the account, what was asked, and the outcome. On a terminal, lines are made to
fit; amounts are never cut. With --json each record is printed as it is.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case last < 0:
				return errUsage{fmt.Errorf("-n %d: a number of records is wanted, 1 or more", last)}
			case last == 0 && !follow:
				return errUsage{errors.New("-n 0 shows nothing; with -f it waits for what comes")}
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
	cmd.Flags().IntVarP(&last, "lines", "n", 20, "`number` of lines")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new records until stopped")
	return cmd
}

func (c *command) tail(ctx context.Context, t *trail, q audit.Query, last int) error {
	p := &tailPrinter{command: c, trail: t, width: columns(c.out)}
	head, err := p.newest(ctx, q, last)
	if err != nil || !t.follow {
		return err
	}
	q.From = head + 1
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		err := t.each(ctx, &q, func(records []audit.Record) error { return p.more(ctx, records) })
		if err == nil {
			err = p.late(ctx)
		}
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

// patience is how many looks a followed request may take until it is printed without its outcome.
const patience = 5

// tailPrinter prints entries. While it follows the trail it keeps requests back until their outcome
// comes, so that each has one line.
type tailPrinter struct {
	*command
	trail *trail
	width int
	day   string         // of the last line
	open  []entry        // requests whose outcome is not known
	looks map[uint64]int // how often each of them was looked for
}

// newest prints the latest entries that fit, and returns the number of the newest record.
func (p *tailPrinter) newest(ctx context.Context, q audit.Query, last int) (head uint64, err error) {
	if p.asJSON {
		records, head, err := p.trail.newest(ctx, q, last)
		switch {
		case err != nil:
			return 0, err
		case len(records) == 0 && last > 0:
			if err := p.trail.nothing(ctx, q); err != nil {
				return 0, err
			}
		}
		if p.trail.follow {
			return head, p.auditLines(records)
		}
		unpack(records)
		return head, p.print(records, nil)
	}
	entries, head, err := p.trail.entries(ctx, q, last)
	if err != nil {
		return 0, err
	}
	if len(entries) == 0 && last > 0 {
		if err := p.trail.nothing(ctx, q); err != nil {
			return 0, err
		}
		if q.Filter != (audit.Filter{}) && !p.trail.follow {
			p.trail.note("no record fits")
		}
	}
	return head, p.show(entries...)
}

// more prints records that are new.
func (p *tailPrinter) more(ctx context.Context, records []audit.Record) error {
	if p.asJSON {
		return p.auditLines(records)
	}
	for _, r := range records {
		number := requestOf(r)
		if number == 0 {
			if err := p.show(entry{r.Number, []audit.Record{r}}); err != nil {
				return err
			}
			continue
		}
		i := slices.IndexFunc(p.open, func(e entry) bool { return e.number == number })
		if i < 0 {
			e := entry{number, []audit.Record{r}}
			if r.Type != "request" { // the filter picked the outcome alone, or the line was printed without it
				var err error
				if e.records, err = p.trail.story(ctx, r.Number); err != nil {
					return err
				}
			}
			p.open = append(p.open, e)
			i = len(p.open) - 1
		} else if !slices.ContainsFunc(p.open[i].records, func(o audit.Record) bool { return o.Number == r.Number }) {
			p.open[i].records = append(p.open[i].records, r)
		}
		if e := p.open[i]; e.final() || r.Verdict == "pending" {
			p.open = slices.Delete(p.open, i, i+1)
			if err := p.show(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// late prints the requests that have waited long enough for their outcome. It comes on a line of
// its own then.
func (p *tailPrinter) late(ctx context.Context) error {
	looks := map[uint64]int{}
	var still []entry
	for _, e := range p.open {
		looks[e.number] = p.looks[e.number] + 1
		if looks[e.number] < patience {
			still = append(still, e)
			continue
		}
		// A filter may have picked the request alone.
		records, err := p.trail.story(ctx, e.number)
		if err != nil {
			return err
		}
		if err := p.show(entry{e.number, records}); err != nil {
			return err
		}
	}
	p.open, p.looks = still, looks
	return nil
}

// show prints entries, on a terminal with a line for each day.
func (p *tailPrinter) show(entries ...entry) error {
	w := bufio.NewWriter(p.out)
	for _, e := range entries {
		p.showDay(w, e)
		fmt.Fprintln(w, e.line(p.width))
	}
	return w.Flush()
}

func (p *tailPrinter) showDay(w io.Writer, e entry) {
	day := e.records[0].Time.UTC().Format("2006-01-02")
	if p.width > 0 && day != p.day {
		fmt.Fprintf(w, "%s (UTC)\n", day)
	}
	p.day = day
}
